"""Triplet loss over a score matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from strop.losses.protocol import score_spread, triplets
from strop.records.errors import InputError


@dataclass(frozen=True, slots=True)
class Triplet:
    """mean over all (query, positive, negative) of max(0, margin - s(q, p) + s(q, n)).

    With `scoring.Euclidean()` this is max(0, d(q, p) - d(q, n) + margin), as in arXiv 2506.18535, which does not state
    its margin; its code ran with the default of 5. Raises InputError unless 0 <= margin < inf; a call
    raises ValueError when no triplet is left after the mask.
    Source: Weinberger & Saul 2009; arXiv 2506.18535, equation 4.7.
    """

    margin: float = 5.0
    taught: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.margin < math.inf:
            raise InputError(f"the margin is {self.margin}", remedy="Give a number from 0, like 5")

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return self._violations(scores, targets, mask).clamp_min(0).mean()

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """`active_share`: the share of triplets that still give a gradient, in [0, 1]; and `score_spread`."""
        return {
            "active_share": float((self._violations(scores, targets, mask) > 0).float().mean()),
            "score_spread": score_spread(scores, targets, mask),
        }

    def chance(self, candidates: int) -> float | None:
        """The margin, however many candidates there are."""
        return self.margin

    def _violations(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        positive, negative = triplets(scores, targets, mask)
        return self.margin - positive + negative
