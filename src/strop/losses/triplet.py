"""Triplet loss over a score matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from strop.losses.protocol import score_spread, wide


@dataclass(frozen=True, slots=True)
class Triplet:
    """mean over all (query, positive, negative) of max(0, margin - s(q, p) + s(q, n)).

    With `scoring.Euclidean()` this is max(0, d(q, p) - d(q, n) + margin), the thesis' loss; its margin is not in the
    text, and 5 is the default its code ran with. Source: Weinberger & Saul 2009; arXiv 2506.18535 eq. 4.7.
    Raises ValueError when no triplet is left after the mask.
    """

    margin: float = 5.0
    taught: ClassVar[bool] = False

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return self._violations(scores, targets, mask).clamp_min(0).mean()

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """What the loss sees of a batch.

        `active_share`: triplets that still give a gradient, in [0, 1]; 0 is a dead loss. `score_spread`: see there.
        """
        return {
            "active_share": float((self._violations(scores, targets, mask) > 0).float().mean()),
            "score_spread": score_spread(scores, targets, mask),
        }

    def chance(self, candidates: int) -> float | None:
        """The margin, however many candidates there are."""
        return self.margin

    def _violations(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        scores = wide(scores)
        query, positive = targets.nonzero(as_tuple=True)
        is_negative = ~(targets | mask)[query]
        if not is_negative.any():
            raise ValueError("a triplet loss needs negatives: this batch has none that are not masked")
        gaps = self.margin - scores[query, positive].unsqueeze(1) + scores[query]
        return gaps[is_negative]
