"""The exhibit `points`: the open questions about a paper, and what answers them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from strop.records import formats


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text under headed columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"table {self.title!r}: a row has not {len(self.columns)} columns")

    @classmethod
    def of(
        cls, title: str, columns: Iterable[str], rows: Iterable[Iterable[str | float | None]], decimals: int = 3
    ) -> Self:
        """Whole numbers with thousands separators, others with so many decimals, a dash for None, texts as they are."""

        def text(value: str | float | None) -> str:
            if isinstance(value, str):
                return value
            return formats.fixed(value, 0 if isinstance(value, int) else decimals)

        return cls(title, tuple(columns), tuple(tuple(map(text, row)) for row in rows))


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
