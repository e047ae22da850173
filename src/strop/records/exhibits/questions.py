"""The exhibit `points`: the open questions about a paper, and what answers them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text under headed columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"table {self.title!r}: a row has not {len(self.columns)} columns")


@dataclass(frozen=True, slots=True)
class Question:
    """An open question about the paper: the `doubt`, and the verdict of its demonstration in one sentence and tables.

    Where nothing but `test` shows it, the verdict is `shown by a test`, and there is no sentence.
    """

    id: str
    kind: str
    doubt: str
    test: str
    verdict: str
    sentence: str
    tables: tuple[Grid, ...]
