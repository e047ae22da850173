"""Plain values of the record and the exhibits as tables of text, ready to draw."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from strop.records import formats
from strop.records.exhibits.negatives import NegativesAbout
from strop.records.plain import to_plain

T = TypeVar("T")
#: heading -> the cell of an item under it.
Columns = Mapping[str, Callable[[T], str]]


@dataclass(frozen=True, slots=True)
class Table:
    """Text cells under headed columns; the first cell of a row heads it.

    `numeric` columns align right: all but the first unless told otherwise. Lines after the first of a cell are smaller.
    `systems` names the system of each row where rows are systems, for its colour; `groups` are headings over several
    columns, each with how many it spans.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...] = ()
    systems: tuple[str, ...] = ()
    groups: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not self.numeric:
            object.__setattr__(self, "numeric", tuple(i > 0 for i in range(len(self.columns))))


Bins = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counted bins: (low, high, count) each."""

    title: str
    bins: Bins


Block = Table | Histogram


def table(
    caption: str,
    items: Sequence[T],
    columns: Columns[T],
    text: Collection[str] = (),
    system: Callable[[T], str] | None = None,
    groups: tuple[tuple[str, int], ...] = (),
) -> Table:
    """One row per item and one column per heading; those in `text`, and the first, are not numeric."""
    rows = tuple(tuple(cell(item) for cell in columns.values()) for item in items)
    numeric = tuple(i > 0 and name not in text for i, name in enumerate(columns))
    return Table(caption, tuple(columns), rows, numeric, tuple(map(system, items)) if system else (), groups)


def spaced(key: str) -> str:
    """`as_coded` as `as coded`."""
    return str(key).replace("_", " ")


def title(key: str) -> str:
    """`train_queries` as `Train queries`; a name with capitals or dots stays as it is."""
    words = spaced(key).strip()
    return words[:1].upper() + words[1:] if words.islower() else words


def stated(key: str, value: Any) -> str:
    """A value under its key: shares as percentages, seconds as durations, the rest plainly."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if str(key).split("_")[-1] == "share":
            return formats.percent(value)
        if str(key).endswith("seconds"):
            return formats.duration(value)
    if isinstance(value, Mapping) and "type" not in value:
        return ", ".join(f"{spaced(k)}: {stated(k, v)}" for k, v in value.items()) or formats.DASH
    return formats.plain(value)


def blocks(values: Mapping[str, Any], caption: str, inside: bool = False) -> tuple[Block, ...]:
    """Nested plain values: scalars become one table of facts, like mappings one grid, counted bins a histogram.

    Parts are captioned by their key, and `inside` another part by its caption as well.
    """
    facts = [(title(k), stated(k, v)) for k, v in values.items() if not _nested(v)]
    out: list[Block] = [Table(caption, ("", ""), tuple(facts))] if facts else []
    inner = {k: v for k, v in values.items() if _nested(v) and isinstance(v, Mapping) and bins(v) is None}

    def below(key: str) -> str:
        return f"{caption}: {spaced(key)}" if inside else title(key)

    if len(inner) > 1 and len({tuple(v) for v in inner.values()}) == 1:  # the columns of one grid
        grid, histograms = _grid(caption, inner)
        if len(facts) == 1:  # one figure alone needs no table of its own
            grid, out = replace(grid, caption=f"{caption} ({facts[0][0].lower()} {facts[0][1]})"), []
        out += [grid, *histograms]
        inner = {}
    for key, value in values.items():
        if (counted := bins(value)) is not None:
            name = str(key).removesuffix("_histogram")
            out.append(Histogram(caption if inside and name == "histogram" else below(name), counted))
        elif key in inner:
            out += blocks(value, below(key), inside=True)
        elif _nested(value) and not isinstance(value, Mapping):
            listed = tuple((str(i + 1), formats.plain(v)) for i, v in enumerate(value))
            out.append(Table(below(key), ("", ""), listed, (False, False)))
    return tuple(out)


def bins(value: Any) -> Bins | None:
    """The counted bins that `value` is: a list of [low, high, count], or a mapping with `edges` and `counts`."""
    if isinstance(value, Mapping) and {"edges", "counts"} <= value.keys():
        edges, counts = value["edges"], value["counts"]
        return tuple((float(a), float(b), float(n)) for a, b, n in zip(edges, edges[1:], counts, strict=False))
    if isinstance(value, (list, tuple)) and value and all(_numbers(b) and len(b) == 3 for b in value):
        return tuple((float(a), float(b), float(n)) for a, b, n in value)
    return None


def _numbers(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(x, (int, float)) for x in value)


def _nested(value: Any) -> bool:
    """Whether a value needs more than one cell; up to three scalars do not, nor a frozen value with its `type`."""
    if isinstance(value, Mapping):
        return "type" not in value and (len(value) > 3 or any(map(_nested, value.values())))
    return isinstance(value, (list, tuple)) and any(isinstance(v, (Mapping, list, tuple)) for v in value)


def _grid(caption: str, inner: Mapping[str, Mapping[str, Any]]) -> tuple[Table, list[Histogram]]:
    """Fields down, entries across; a small mapping shares a cell, and histograms follow the table."""
    fields = list(next(iter(inner.values())))
    counted = {(f, name): b for f in fields for name, v in inner.items() if (b := bins(v[f])) is not None}
    rows = tuple(
        (title(f), *(_short(stated(f, v[f])) for v in inner.values()))
        for f in fields
        if not any((f, name) in counted for name in inner)
    )
    grid = Table(caption, ("", *map(spaced, inner)), rows)
    return grid, [Histogram(f"{caption}: {name}", b) for (_, name), b in counted.items()]


def _short(text: str) -> str:
    """A hash by its first twelve digits."""
    return f"{text[:12]}…" if len(text) >= 40 and all(c in "0123456789abcdef" for c in text) else text


def negatives_table(exhibit: Mapping[str, NegativesAbout]) -> Table | None:
    """One row per policy with every figure but its histogram."""
    if not exhibit:
        return None
    plain = {name: to_plain(about) for name, about in exhibit.items()}
    keys = list(dict.fromkeys(k for v in plain.values() for k, x in v.items() if not _nested(x) and k != "reading"))
    rows = [(name, *(stated(k, v.get(k)) for k in keys)) for name, v in plain.items()]
    return Table("What each policy mined", ("Policy", *map(title, keys)), tuple(rows))
