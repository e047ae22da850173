"""The hard negative as the paper's code draws it: one rank for every query (T8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from strop.negatives.from_run import drawn
from strop.records.documents import Group
from strop.records.runs import Run


@dataclass(frozen=True, slots=True)
class FixedRank:
    """`RankWindow` with a generator that starts anew at every query, so that windows of one size all give one rank:
    of ranks 50 to 200 it is 126."""

    low: int
    high: int
    count: int = 1

    def __call__(self, groups: Sequence[Group], run: Run, seed: int) -> list[Group]:
        """Raises InputError as `RankWindow` does."""

        def choose(size: int) -> Iterable[int]:
            return np.random.RandomState(seed).choice(size, self.count, replace=False)

        return drawn(groups, run, self.low, self.high, self.count, choose)
