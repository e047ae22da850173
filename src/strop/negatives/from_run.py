"""Negatives from a Run: a window of ranks, whatever system ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from strop.records.documents import Group
from strop.records.errors import InputError
from strop.records.runs import Run


@dataclass(frozen=True, slots=True)
class RankWindow:
    """`count` documents of ranks `low`…`high` (1-based, both included), never a judged positive of the query.

    `one_fixed_rank` repeats the thesis' code: the same generator state for every query, so that equally long windows
    all give the same rank (126 for 151 candidates, 123 for 150). Otherwise each query draws for itself.
    """

    low: int = 51
    high: int = 200
    count: int = 1
    one_fixed_rank: bool = False

    def __call__(self, groups: Sequence[Group], run: Run, seed: int) -> list[Group]:
        """Groups whose query has fewer than `count` candidates are left out. Raises InputError when none remains."""
        rng = np.random.default_rng(seed)
        drawn = []
        for group in groups:
            ranking = run[group.query_id].doc_ids if group.query_id in run else ()
            window = list(enumerate(ranking[self.low - 1 : self.high], start=self.low))
            window = [(rank, d) for rank, d in window if d not in group.relevant and d not in group.positives]
            if len(window) < self.count:
                continue
            if self.one_fixed_rank:
                picks = np.random.RandomState(seed).choice(len(window), size=self.count, replace=False)
            else:
                picks = rng.choice(len(window), size=self.count, replace=False)
            negatives = tuple(window[i][1] for i in picks)
            drawn.append(replace(group, negatives=negatives, sources=tuple(f"rank {window[i][0]}" for i in picks)))
        if not drawn:
            raise InputError(
                f"no query has {self.count} candidates at ranks {self.low} to {self.high}",
                remedy="Choose a window nearer the top, or give a deeper run",
            )
        return drawn
