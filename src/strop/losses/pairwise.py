"""Pairwise softmax over a score matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from strop.losses.protocol import score_spread, wide


@dataclass(frozen=True, slots=True)
class PairwiseSoftmax:
    """mean over all (query, positive, negative) of -log(exp(s(q, p)) / (exp(s(q, p)) + exp(s(q, n)))).

    The negatives are what the mask leaves: the query's own where a batch is not in-batch, as in the source. There is no
    temperature: made for MaxSim, which sums a cosine a query token; a single cosine hardly moves it. Source: Khattab &
    Zaharia 2020 (arXiv 2004.12832), section 3.2. Raises ValueError when no triplet is left after the mask.
    """

    taught: ClassVar[bool] = False

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return softplus(self._gaps(scores, targets, mask)).mean()

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """What the loss sees of a batch.

        `negatives`: how many candidates count against a query, on average. `positive_probability`: the mean probability
        of the positive beside one negative, in [0, 1], 0.5 at chance. `score_spread`: see there.
        """
        return {
            "negatives": float((~(targets | mask)).sum(1).float().mean()),
            "positive_probability": float((-self._gaps(scores, targets, mask)).sigmoid().mean()),
            "score_spread": score_spread(scores, targets, mask),
        }

    def chance(self, candidates: int) -> float | None:
        """log 2, however many candidates there are."""
        return math.log(2)

    def _gaps(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """s(q, n) - s(q, p) of every triplet, flat."""
        scores = wide(scores)
        query, positive = targets.nonzero(as_tuple=True)
        is_negative = ~(targets | mask)[query]
        if not is_negative.any():
            raise ValueError("a pairwise loss needs negatives: this batch has none that are not masked")
        return (scores[query] - scores[query, positive].unsqueeze(1))[is_negative]
