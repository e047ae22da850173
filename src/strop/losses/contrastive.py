"""InfoNCE over a score matrix."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from strop.losses.protocol import wide
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
        logits = wide(scores) / self.temperature
        query, positive = targets.nonzero(as_tuple=True)
        left_out = (targets | mask)[query]
        left_out = left_out.scatter(1, positive.unsqueeze(1), False)
        rows = logits[query].masked_fill(left_out, float("-inf"))
        return (rows.logsumexp(1) - rows.gather(1, positive.unsqueeze(1)).squeeze(1)).mean()

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """`negatives`: how many candidates count against a query, on average."""
        return {"negatives": float((~(targets | mask)).sum(1).float().mean())}
