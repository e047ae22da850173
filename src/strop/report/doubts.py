"""The open questions about a paper: verdict and one sentence each, with the tables behind it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from strop.records.exhibits.questions import Grid, Question
from strop.records.results import Exhibits
from strop.report.tables import Table

#: In the order they are counted.
VERDICTS = ("shown", "not shown", "not resolved", "shown by a test", "not run")
_FIGURE = re.compile(r"[+\-−–±<]?\s?[\d–]")


@dataclass(frozen=True, slots=True)
class Doubt:
    """One question as the page shows it. `answer` is the demonstration's sentence, or the doubt itself without one."""

    question: Question
    verdict: str
    answer: str
    tables: tuple[Table, ...]


def doubts(exhibits: Exhibits) -> tuple[Doubt, ...]:
    """T2 before T10."""
    return tuple(
        Doubt(question, _verdict(question), question.sentence or question.doubt, tuple(map(_table, question.tables)))
        for question in sorted(exhibits.points, key=lambda q: _natural(q.id))
    )


def counted(questions: Sequence[Doubt]) -> str:
    """`17 shown, 3 not resolved`, of those that occur."""
    tally = Counter(d.verdict for d in questions)
    names = (*VERDICTS, *(v for v in tally if v not in VERDICTS))
    return ", ".join(f"{tally[v]} {v}" for v in names if tally[v])


def _natural(text: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def _verdict(question: Question) -> str:
    """Older folders say `shown` where nothing but a test shows it."""
    return "shown by a test" if question.verdict == "shown" and not question.sentence else question.verdict


def _table(grid: Grid) -> Table:
    figures = tuple(
        i > 0 and bool(grid.rows) and all(not row[i] or _FIGURE.match(row[i]) for row in grid.rows)
        for i in range(len(grid.columns))
    )
    return Table(grid.title, grid.columns, grid.rows, figures)
