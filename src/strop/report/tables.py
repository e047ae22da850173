"""Plain values of the record and the exhibits as tables of text, ready to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strop.report import numbers
from strop.report.summary import label
from strop.report.training import endings
from strop.results import Results


@dataclass(frozen=True, slots=True)
class Table:
    """Text cells under headed columns; the first cell of a row heads it. `numeric` columns align right.

    `systems` names the system of each row where rows are systems, for its colour.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    systems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counted bins (low, high, count) that were found among plain values."""

    title: str
    bins: tuple[tuple[float, float, float], ...]


Block = Table | Histogram


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], systems: Sequence[str] = ()) -> Table:
    """Cells that are no strings are put as `numbers.plain` has them; a column of none but those is numeric."""
    numeric = tuple(bool(rows) and not any(isinstance(row[i], str) for row in rows) for i in range(len(columns)))
    text = tuple(tuple(c if isinstance(c, str) else numbers.plain(c) for c in row) for row in rows)
    return Table(caption, tuple(columns), text, numeric, tuple(systems))


def title(key: str) -> str:
    """`train_queries` as `Train queries`; a name with capitals or dots stays as it is."""
    words = str(key).replace("_", " ").strip()
    return words[:1].upper() + words[1:] if words.islower() else words


def said(key: str, value: Any) -> str:
    """A value under its key: shares as percentages, seconds as durations, the rest plainly."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if str(key).split("_")[-1] == "share":
            return numbers.percent(value)
        if str(key).endswith("seconds"):
            return numbers.duration(value)
    return numbers.plain(value)


def blocks(values: Mapping[str, Any], caption: str) -> tuple[Block, ...]:
    """Nested plain values: scalars become one table of facts, a mapping of like mappings a grid, bins a histogram."""
    facts = [(title(k), said(k, v)) for k, v in values.items() if not _nested(v)]
    out: list[Block] = []
    if facts:
        out.append(Table(caption, ("", ""), tuple(facts), (False, True)))
    for key, value in values.items():
        if _binned(value):
            out.append(
                Histogram(
                    title(str(key).removesuffix("_histogram")),
                    tuple((float(a), float(b), float(n)) for a, b, n in value),
                )
            )
        elif isinstance(value, Mapping) and _nested(value):
            inner: Mapping[str, Any] = value
            if _alike(inner):
                out.append(_grid(title(key), inner))
            else:
                out += blocks(inner, title(key))
        elif _nested(value):
            listed = [(str(i + 1), numbers.plain(v)) for i, v in enumerate(value)]
            out.append(Table(title(key), ("", ""), tuple(listed), (False, False)))
    return tuple(out)


def _nested(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "type" not in value
    return isinstance(value, (list, tuple)) and any(isinstance(v, (Mapping, list, tuple)) for v in value)


def _binned(value: Any) -> bool:
    """Whether this is a list of [low, high, count]."""
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(isinstance(b, (list, tuple)) and len(b) == 3 for b in value)
        and all(isinstance(x, (int, float)) for b in value for x in b)
    )


def _alike(value: Mapping[str, Any]) -> bool:
    """Whether every entry is a flat mapping with the same keys: rows of one grid."""
    inner = list(value.values())
    if len(inner) < 2 or not all(isinstance(v, Mapping) for v in inner):
        return False
    return all(list(v) == list(inner[0]) and not any(_nested(x) for x in v.values()) for v in inner)


def _grid(caption: str, value: Mapping[str, Mapping[str, Any]]) -> Table:
    keys = list(next(iter(value.values())))
    rows = tuple((title(name), *(said(k, row[k]) for k in keys)) for name, row in value.items())
    return Table(caption, ("", *map(title, keys)), rows, (False, *(True for _ in keys)))


def endings_table(results: Results) -> Table | None:
    """How each training went, from the rows and the record."""
    ended = endings(results)
    if not ended:
        return None
    described: Mapping[str, Any] = results.record.get("systems", {})
    rows = []
    for e in ended:
        about = described.get(e.system, {})
        rows.append(
            (
                label(results.record, e.system),
                numbers.count(about.get("updates", e.updates)),
                numbers.count(e.seeds),
                numbers.scientific(about.get("sum_learning_rates")),
                numbers.fixed(e.loss),
                numbers.fixed(e.cosine_accuracy),
                numbers.percent(e.active_share),
                numbers.percent(e.padding_share),
                numbers.count(e.tokens_per_second),
                numbers.duration(about.get("wall_seconds")),
            )
        )
    columns = (
        "System", "Updates", "Seeds", "Sum of learning rates", "Loss, last tenth", "Cosine accuracy, last",
        "Active triplets", "Padding", "Tokens/s", "Wall time",
    )  # fmt: skip
    caption = "How training went, averaged over seeds"
    return Table(caption, columns, tuple(rows), (False, *(True for _ in columns[1:])), tuple(e.system for e in ended))


def negatives_table(exhibit: Mapping[str, Mapping[str, Any]]) -> Table | None:
    """One row a policy with every figure but its histogram."""
    if not exhibit:
        return None
    keys = list(dict.fromkeys(k for v in exhibit.values() for k, x in v.items() if not _nested(x)))
    rows = [(name, *(said(k, v.get(k)) for k in keys)) for name, v in exhibit.items()]
    numeric = (False, *(True for _ in keys))
    return Table("What each policy mined", ("Policy", *map(title, keys)), tuple(rows), numeric)


def values_table(results: Results) -> Table | None:
    """The training values of every system that has some: fields down, systems across."""
    described: Mapping[str, Any] = results.record.get("systems", {})
    tuned = {s: d["values"] for s, d in described.items() if d.get("values")}
    if not tuned:
        return None
    keys = list(dict.fromkeys(k for values in tuned.values() for k in values))
    rows = [(k, *(said(k, values[k]) if k in values else "" for values in tuned.values())) for k in keys]
    columns = ("Field", *(label(results.record, s) for s in tuned))
    return Table("Training values", columns, tuple(rows), tuple(False for _ in columns))


def presets_table(record: Mapping[str, Any]) -> Table | None:
    """The readings of the paper side by side; "this run" is the preset that ran, where a field has no `this_run`."""
    presets: Mapping[str, Mapping[str, Any]] = record.get("presets", {})
    if not presets:
        return None
    ran = record.get("preset", "")
    rows = [
        (
            title(field),
            *(_stated(v.get(reading)) for reading in ("as_written", "as_coded", "corrected")),
            _stated(v.get("this_run", v.get(ran))),
        )
        for field, v in presets.items()
    ]
    columns = ("Field", "As written", "As coded", "Corrected", f"This run ({title(ran)})" if ran else "This run")
    return Table("Readings of the paper", columns, tuple(rows), (False,) * 5)


def facts(record: Mapping[str, Any]) -> tuple[Table, ...]:
    """Weights, versions and each collection; names of packages and collections stay as they are."""
    versions = tuple((name, str(version)) for name, version in (record.get("versions") or {}).items())
    found: list[Block] = [*blocks(record.get("weights") or {}, "Weights")]
    if versions:
        found.append(Table("Versions", ("", ""), versions, (False, True)))
    for name, about in (record.get("collections") or {}).items():
        found += blocks(about, f"Collection {name}")
    return tuple(b for b in found if isinstance(b, Table))


def _stated(value: Any) -> str:
    return "not stated" if value is None else numbers.plain(value)
