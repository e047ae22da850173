"""Pairwise softmax over a score matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from strop.losses.protocol import score_spread, triplets


@dataclass(frozen=True, slots=True)
class PairwiseSoftmax:
    """mean over all (query, positive, negative) of -log(exp(s(q, p)) / (exp(s(q, p)) + exp(s(q, n)))).

    The negatives are what the mask leaves: in the source, the query's own only. There is no temperature: the loss was
    made for MaxSim, which sums one cosine per query token; a single cosine has too small a range for it. Raises
    ValueError when no triplet is left after the mask. Source: Khattab & Zaharia 2020 (arXiv 2004.12832), section 3.2.
    """

    taught: ClassVar[bool] = False

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return softplus(self._gaps(scores, targets, mask)).mean()

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """`negatives`: the mean number of negatives per query. `positive_probability`: see below; and `score_spread`.

        The probability is the mean of exp(s(q, p)) / (exp(s(q, p)) + exp(s(q, n))), in [0, 1], 0.5 at chance.
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
        """s(q, n) - s(q, p) of every triplet, `(T,)`."""
        positive, negative = triplets(scores, targets, mask)
        return negative - positive
