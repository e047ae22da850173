"""Results: the folder a study leaves behind. Rows are measured values; intervals are computed, never stored."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from strop.records.errors import InputError


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value. The key is every field but `value`.

    `item` is a query id, a repeat's number, or empty for a single figure; `measure` is namespaced
    (`nDCG@10`, `train/loss`, `clock/encode/ms`); `step` is the optimiser update, -1 where there is none.
    """

    study: str
    preset: str
    system: str
    seed: int
    collection: str
    split: str
    step: int
    item: str
    measure: str
    value: float


COLUMNS = tuple(f.name for f in fields(Row))


@dataclass(frozen=True, slots=True)
class Results:
    """Rows, claims (dicts as `Verdict.as_json` makes them), exhibits by name, and the record of how they came to be."""

    rows: tuple[Row, ...]
    claims: tuple[Mapping[str, Any], ...]
    exhibits: Mapping[str, Any]
    record: Mapping[str, Any]

    def __post_init__(self) -> None:
        seen: set[tuple[Any, ...]] = set()
        for row in self.rows:
            key = astuple(row)[:-1]
            if key in seen:
                raise ValueError(f"two rows share the key {key}")
            seen.add(key)


def write_results(results: Results, folder: str | Path) -> None:
    """Write `rows.csv`, `claims.json`, `exhibits/*.json` and, last, `record.json`; each file appears whole.

    What an earlier call left is replaced. A call that was interrupted leaves no record, so nothing half new is read.
    """
    folder = Path(folder)
    (folder / "exhibits").mkdir(parents=True, exist_ok=True)
    for old in (folder / "record.json", *(folder / "exhibits").glob("*.json")):
        old.unlink(missing_ok=True)
    write_rows(results.rows, folder / "rows.csv")
    write_json(results.claims, folder / "claims.json")
    for name, exhibit in results.exhibits.items():
        write_json(exhibit, folder / "exhibits" / f"{name}.json")
    write_json(results.record, folder / "record.json")


def read_results(folder: str | Path) -> Results:
    """Read what `write_results` wrote. Raises InputError when the folder holds no finished results."""
    folder = Path(folder)
    if not (folder / "record.json").is_file():
        raise InputError(
            "no finished results (record.json is missing)",
            where=str(folder),
            remedy="Give the folder that 'strop study run' printed, or run the study first",
        )
    return Results(
        rows=tuple(read_rows(folder / "rows.csv")),
        claims=tuple(json.loads((folder / "claims.json").read_text(encoding="utf-8"))),
        exhibits={
            path.stem: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted((folder / "exhibits").glob("*.json"))
        },
        record=json.loads((folder / "record.json").read_text(encoding="utf-8")),
    )


def write_rows(rows: Iterable[Row], path: str | Path) -> None:
    partial = Path(path).with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(astuple(row) for row in rows)
    os.replace(partial, path)


def read_rows(path: str | Path, growing: bool = False) -> list[Row]:
    """Of a file that is `growing`, a last line that is not yet ended is left out.

    Raises InputError, with file and line, when the header or a row is not as `write_rows` writes it.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.reader(line for line in file if line.endswith("\n") or not growing)
        header = tuple(next(reader, ()))
        if header != COLUMNS:
            raise InputError(
                f"columns {','.join(header)} instead of {','.join(COLUMNS)}",
                where=f"{path}:1",
                remedy="Give a rows.csv that strop wrote",
            )
        rows = []
        for line in reader:
            try:
                a, b, c, d, e, f, g, h, i, j = line
                rows.append(Row(a, b, c, int(d), e, f, int(g), h, i, float(j)))
            except ValueError as error:
                raise InputError(
                    f"not a row ({error})",
                    where=f"{path}:{reader.line_num}",
                    remedy="Give a rows.csv as strop wrote it",
                ) from None
        return rows


def write_json(value: Any, path: str | Path) -> None:
    partial = Path(path).with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(partial, path)
