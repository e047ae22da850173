"""InfoNCE over a score matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from strop.losses.protocol import score_spread, wide
from strop.nouns import InputError


@dataclass(frozen=True, slots=True)
class InfoNCE:
    """mean over all (query, positive) of -log softmax(s / temperature) at the positive.

    The softmax runs over that positive and the query's unmasked negatives; the query's other positives stay out.
    Source: van den Oord et al. 2018, eq. 4; in sentence-transformers it is MultipleNegativesRankingLoss with
    scale = 1 / temperature. Raises InputError unless temperature > 0.
    """

    temperature: float = 0.05

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"the temperature is {self.temperature}", remedy="Give a number above 0, like 0.05")

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return self._surprise(scores, targets, mask).mean()

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """What the loss sees of a batch.

        `negatives`: how many candidates count against a query, on average. `positive_probability`: the mean softmax
        probability of a positive, in [0, 1]; near 1 the batch is solved or the temperature too low, and no gradient is
        left. `score_spread`: see there.
        """
        return {
            "negatives": float((~(targets | mask)).sum(1).float().mean()),
            "positive_probability": float((-self._surprise(scores, targets, mask)).exp().mean()),
            "score_spread": score_spread(scores, targets, mask),
        }

    def chance(self, candidates: int) -> float:
        """log K, for one positive among K candidates."""
        return math.log(candidates)

    def _surprise(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """-log of each positive's probability."""
        logits = wide(scores) / self.temperature
        query, positive = targets.nonzero(as_tuple=True)
        left_out = (targets | mask)[query]
        left_out = left_out.scatter(1, positive.unsqueeze(1), False)
        rows = logits[query].masked_fill(left_out, float("-inf"))
        return rows.logsumexp(1) - rows.gather(1, positive.unsqueeze(1)).squeeze(1)
