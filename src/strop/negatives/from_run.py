"""Negatives from a Run: a window of ranks, whatever system ranked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from strop.artifacts.keys import ADDED
from strop.records.documents import Group
from strop.records.errors import InputError
from strop.records.runs import Run


class Window(Protocol):
    """Ranks down to `high`, and how many negatives to draw from them."""

    @property
    def high(self) -> int: ...

    @property
    def count(self) -> int: ...

    def __call__(self, groups: Sequence[Group], run: Run, seed: int) -> list[Group]: ...


@dataclass(frozen=True, slots=True)
class RankWindow:
    """`count` documents of ranks `low`…`high` (1-based, both included), never a judged positive of the query.

    With `fewer`, a query that has some candidates, and not so many, gets those there are.
    """

    low: int = 51
    high: int = 200
    count: int = 1
    fewer: bool = field(default=False, metadata=ADDED)

    def __call__(self, groups: Sequence[Group], run: Run, seed: int) -> list[Group]:
        """Groups without so many candidates are left out. Raises InputError when none remains."""
        rng = np.random.default_rng(seed)

        def choose(size: int) -> Iterable[int]:
            return rng.choice(size, self.count, replace=False) if size >= self.count else range(size)

        return drawn(groups, run, self.low, self.high, 1 if self.fewer else self.count, choose)


def drawn(
    groups: Sequence[Group], run: Run, low: int, high: int, count: int, choose: Callable[[int], Iterable[int]]
) -> list[Group]:
    """Groups with the candidates of ranks `low`…`high` that `choose` picks by their positions: `count` at least."""
    filled = []
    for group in groups:
        ranking = run[group.query_id].doc_ids if group.query_id in run else ()
        known = group.relevant.union(group.positives)
        window = [(d, f"rank {rank}") for rank, d in enumerate(ranking[low - 1 : high], start=low) if d not in known]
        if len(window) >= count:
            filled.append(group.with_negatives(window[i] for i in choose(len(window))))
    if not filled:
        problem = f"no query has {'a candidate' if count == 1 else f'{count} candidates'} at ranks {low} to {high}"
        raise InputError(problem, remedy="Choose a window nearer the top, or give a deeper run")
    return filled
