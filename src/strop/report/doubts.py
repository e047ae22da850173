"""Open questions about a paper: verdict and one sentence each, with what lies behind them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strop.records.results import Results
from strop.report.tables import Table

#: In the order they are counted.
VERDICTS = ("shown", "not shown", "not resolved", "not run")
_FIGURE = re.compile(r"[+\-−–±<]?\s?[\d–]")


@dataclass(frozen=True, slots=True)
class Doubt:
    """One question. `said` is the demonstration's sentence, or the doubt itself where only a test shows it."""

    id: str
    kind: str
    doubt: str
    verdict: str
    said: str
    test: str
    tables: tuple[Table, ...]


def doubts(results: Results) -> tuple[Doubt, ...]:
    """The exhibit `points`, [{id, kind, doubt, verdict, sentence, test, tables}], T2 before T10."""
    read = [_doubt(item) for item in results.exhibits.get("points") or ()]
    return tuple(sorted(read, key=lambda d: [int(x) if x.isdigit() else x for x in re.split(r"(\d+)", d.id)]))


def counted(found: tuple[Doubt, ...]) -> str:
    """`17 shown, 3 not resolved`, of those that occur."""
    tally = Counter(d.verdict for d in found)
    names = (*VERDICTS, *(v for v in tally if v not in VERDICTS))
    return ", ".join(f"{tally[v]} {v}" for v in names if tally[v])


def _doubt(item: Mapping[str, Any]) -> Doubt:
    return Doubt(
        id=str(item["id"]),
        kind=str(item.get("kind", "")),
        doubt=str(item.get("doubt", "")),
        verdict=str(item["verdict"]),
        said=str(item.get("sentence") or item.get("doubt", "")),
        test=str(item.get("test") or ""),
        tables=tuple(_table(t) for t in item.get("tables") or ()),
    )


def _table(grid: Mapping[str, Any]) -> Table:
    columns, rows = tuple(map(str, grid["columns"])), tuple(tuple(map(str, row)) for row in grid["rows"])
    figures = tuple(
        i > 0 and bool(rows) and all(not row[i] or _FIGURE.match(row[i]) for row in rows) for i in range(len(columns))
    )
    return Table(str(grid["title"]), columns, rows, figures)
