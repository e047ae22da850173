"""Negatives from a Run: a window of ranks, whatever system ranked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

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
    """`count` documents of ranks `low`…`high` (1-based, both included), never a judged positive of the query."""

    low: int = 51
    high: int = 200
    count: int = 1

    def __call__(self, groups: Sequence[Group], run: Run, seed: int) -> list[Group]:
        """Groups whose query has fewer than `count` candidates are left out. Raises InputError when none remains."""
        rng = np.random.default_rng(seed)

        def choose(size: int) -> Iterable[int]:
            return rng.choice(size, self.count, replace=False)

        return drawn(groups, run, self.low, self.high, self.count, choose)


def drawn(
    groups: Sequence[Group], run: Run, low: int, high: int, count: int, choose: Callable[[int], Iterable[int]]
) -> list[Group]:
    """Groups with the candidates of ranks `low`…`high` that `choose` picks: `count` positions among so many."""
    filled = []
    for group in groups:
        ranking = run[group.query_id].doc_ids if group.query_id in run else ()
        ranks = enumerate(ranking[low - 1 : high], start=low)
        window = [(rank, d) for rank, d in ranks if d not in group.relevant and d not in group.positives]
        if len(window) < count:
            continue
        picks = [window[i] for i in choose(len(window))]
        sources = tuple(f"rank {rank}" for rank, _ in picks)
        filled.append(replace(group, negatives=tuple(doc_id for _, doc_id in picks), sources=sources))
    if not filled:
        raise InputError(
            f"no query has {count} candidates at ranks {low} to {high}",
            remedy="Choose a window nearer the top, or give a deeper run",
        )
    return filled
