"""Results: the folder a study leaves behind. Rows are measured values; intervals are computed, never stored."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints, overload

from strop.records.errors import InputError, excerpt
from strop.records.exhibits.audit import Audit
from strop.records.exhibits.checkpoints import Checkpoints
from strop.records.exhibits.geometry import Geometry
from strop.records.exhibits.negatives import NegativesAbout
from strop.records.exhibits.parameters import Ledger
from strop.records.exhibits.projection import Projection
from strop.records.exhibits.queries import QueryRanks
from strop.records.exhibits.questions import Question
from strop.records.exhibits.reranking import Reranking
from strop.records.exhibits.transfer import Transfer
from strop.records.json_files import read_content
from strop.records.plain import from_plain, to_plain
from strop.records.record import CheckpointsRecord, ExplainRecord, Record
from strop.records.seals import check, seal
from strop.records.text_lines import whole_text
from strop.records.tuned import TuneRecord
from strop.records.writing import whole_file, whole_folder, write_text


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
#: No seed, update or count is larger.
_LARGEST = 2**63
_AGAIN = "Give a rows.csv as strop wrote it, or run what wrote it again"


@dataclass(frozen=True, slots=True)
class Exhibits:
    """What a Results folder holds under `exhibits/`, by the file's name; empty or None where there is nothing."""

    #: system -> (update, loss), as read off the paper's figure.
    published_loss: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    #: By query id.
    queries: Mapping[str, QueryRanks] = field(default_factory=dict)
    parameters: tuple[Ledger, ...] = ()
    #: By the policy that mined them.
    negatives: Mapping[str, NegativesAbout] = field(default_factory=dict)
    audit: Audit | None = None
    geometry: Geometry | None = None
    transfer: Transfer | None = None
    reranking: Reranking | None = None
    #: The open questions.
    points: tuple[Question, ...] = ()
    projection: Projection | None = None
    checkpoints: Checkpoints | None = None


T = TypeVar("T")
AnyRecord = TypeVar("AnyRecord", Record, ExplainRecord, CheckpointsRecord, TuneRecord)


@dataclass(frozen=True, slots=True)
class Results(Generic[AnyRecord]):
    """Rows, claims (dicts as `Verdict.as_json` makes them), exhibits, and the record of how they came to be."""

    rows: tuple[Row, ...]
    claims: tuple[Mapping[str, Any], ...]
    exhibits: Exhibits
    record: AnyRecord

    def __post_init__(self) -> None:
        keys = Counter(astuple(row)[:-1] for row in self.rows)
        for key, count in keys.most_common(1):
            if count > 1:
                raise ValueError(f"two rows share the key {key}")


def write_results(results: Results[AnyRecord], folder: str | Path) -> None:
    """Write `rows.csv`, `claims.json`, `exhibits/*.json` and `record.json`; the folder appears whole.

    A study's folder has a file for each exhibit, `{}` or `[]` where there is nothing to show. What an earlier call left
    is replaced, unless it is the same. The record names the SHA-256 of every file, under `files`.
    """
    with whole_folder(folder, replace=True) as own:
        (own / "exhibits").mkdir()
        write_rows(results.rows, own / "rows.csv")
        write_json(results.claims, own / "claims.json")
        written = ["rows.csv", "claims.json"]
        for each in fields(Exhibits):
            exhibit = getattr(results.exhibits, each.name)
            if exhibit or isinstance(results.record, Record):
                written.append(f"exhibits/{each.name}.json")
                write_json({} if exhibit is None else to_plain(exhibit), own / written[-1])
        write_json(seal(own, to_plain(results.record), written), own / "record.json")


@overload
def read_results(folder: str | Path) -> Results[Record]: ...
@overload
def read_results(folder: str | Path, kind: type[AnyRecord]) -> Results[AnyRecord]: ...
def read_results(folder: str | Path, kind: type[Any] = Record) -> Results[Any]:
    """Read what `write_results` wrote; `kind` is that of the record.

    Raises InputError when the folder holds no finished results, a file of it is damaged, or is not as it was written.
    """
    folder = Path(folder)
    if not os.path.isfile(folder / "record.json"):
        raise InputError(
            "no finished results (record.json is missing)",
            where=str(folder),
            remedy="Give the folder that 'strop study run' printed, or run the study first",
        )
    about = read_content(folder / "record.json")
    record = from_plain(kind, about, folder / "record.json")
    exhibits: dict[str, Any] = {}
    for name, of_exhibit in get_type_hints(Exhibits).items():
        path = folder / "exhibits" / f"{name}.json"
        if path.is_file() and (content := read_content(path)):
            exhibits[name] = from_plain(of_exhibit, content, path)
    rows = tuple(read_rows(folder / "rows.csv"))
    claims = from_plain(tuple[Mapping[str, Any], ...], read_content(folder / "claims.json"), folder / "claims.json")
    try:
        read = Results(rows, claims, Exhibits(**exhibits), record)
    except ValueError as error:
        remedy = "Keep one of them, or run what wrote the folder again"
        raise InputError(str(error), where=str(folder / "rows.csv"), remedy=remedy) from None
    check(folder, about)
    return read


def read_json(kind: type[T], path: Path) -> T:
    """The typed value that `write_json(to_plain(value), path)` wrote. Raises InputError as `from_plain` does."""
    return from_plain(kind, read_content(path), path)


def write_rows(rows: Iterable[Row], path: str | Path) -> None:
    with whole_file(path, replace=True) as own, own.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(astuple(row) for row in rows)


def read_rows(path: str | Path, growing: bool = False) -> list[Row]:
    """Of a file that is `growing`, a last line that is not yet ended is left out.

    Raises InputError, with file and line, when the file cannot be read, or when the header or a row is not as
    `write_rows` writes it. A value may be NaN or infinite only where a training logged it, not as a query's.
    """
    text = whole_text(Path(path), _AGAIN)
    reader = csv.reader(line for line in io.StringIO(text, newline="") if line.endswith("\n") or not growing)
    rows, first = [], 1
    try:
        header = tuple(next(reader, ()))
        if header != COLUMNS:
            raise ValueError(f"columns {excerpt(','.join(header))} instead of {','.join(COLUMNS)}")
        first = reader.line_num + 1
        for line in reader:
            rows.append(_row(line))
            first = reader.line_num + 1
    except (ValueError, csv.Error) as error:
        problem = str(error) if first == 1 else f"not a row ({error})"
        raise InputError(problem, where=f"{path}:{first}", remedy=_AGAIN) from None
    return rows


def _row(cells: list[str]) -> Row:
    """Raises ValueError for cells that are not a row's."""
    a, b, c, d, e, f, g, h, i, j = cells
    row = Row(a, b, c, int(d), e, f, int(g), h, i, float(j))
    if max(abs(row.seed), abs(row.step)) > _LARGEST:
        raise ValueError(f"{max(d, g, key=len)[:20]} is too large")
    if not math.isfinite(row.value) and "/" not in row.measure:
        raise ValueError(f"{row.measure} is {j}")
    return row


def write_json(value: Any, path: str | Path) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(text + "\n", path, replace=True)
