"""The open questions about a paper: in order, counted by verdict, with their tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from strop.records.exhibits.questions import Grid, Question
from strop.report.tables import Table

#: In the order they are counted.
VERDICTS = ("shown", "not shown", "not resolved", "shown by a test", "not run")
_FIGURE = re.compile(r"[+\-−–±<]?\s?[\d–]")


def in_order(questions: Sequence[Question]) -> tuple[Question, ...]:
    """T2 before T10."""

    def natural(question: Question) -> list[int | str]:
        return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", question.id)]

    return tuple(sorted(questions, key=natural))


def verdict(question: Question) -> str:
    """Older folders say `shown` where nothing but a test shows it."""
    return "shown by a test" if question.verdict == "shown" and not question.sentence else question.verdict


def counted(questions: Sequence[Question]) -> str:
    """`17 shown, 3 not resolved`, of those that occur."""
    tally = Counter(map(verdict, questions))
    return ", ".join(f"{tally[v]} {v}" for v in dict.fromkeys((*VERDICTS, *tally)) if tally[v])


def table(grid: Grid) -> Table:
    """Columns of figures align right."""
    figures = tuple(
        i > 0 and bool(grid.rows) and all(not row[i] or _FIGURE.match(row[i]) for row in grid.rows)
        for i in range(len(grid.columns))
    )
    return Table(grid.title, grid.columns, grid.rows, figures)
