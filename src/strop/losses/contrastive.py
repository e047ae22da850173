"""InfoNCE over a score matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor

from strop.losses.protocol import score_spread, wide
from strop.records.errors import InputError, excerpt

Direction = Literal["query", "document", "both"]


@dataclass(frozen=True, slots=True)
class InfoNCE:
    """mean over all (query, positive) of -log softmax(s / temperature) at the positive.

    `direction` "query": the softmax runs over that positive and the query's unmasked negatives; the query's other
    positives are left out. "document": over the queries of the batch in the positive's column, without those for which
    the document is masked or a positive too; documents that are no query's positive do not count. "both": the mean of
    the two. In sentence-transformers it is MultipleNegativesRankingLoss with scale = 1 / temperature, and "both" its
    directions query_to_doc and doc_to_query, each with a softmax of its own.

    Raises InputError unless 0 < temperature < inf and the direction is known; a call raises ValueError where no
    document of the batch has a second query and the direction needs one.

    Source: van den Oord et al. 2018, equation 4; both: Günther et al. 2023 (arXiv 2310.19923).
    """

    temperature: float = 0.05
    direction: Direction = field(default="query", metadata={"added": True})
    taught: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise InputError(f"the temperature is {self.temperature}", remedy="Give a number above 0, like 0.05")
        if self.direction not in ("query", "document", "both"):
            raise InputError(f"the direction is {excerpt(self.direction)}", remedy="Give query, document or both")

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return self._surprise(scores, targets, mask).mean()

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """`negatives`: the mean number of negatives per query; `positive_probability`; and `score_spread`.

        The probability is the mean softmax probability of a positive, in [0, 1], of both directions the geometric mean;
        near 1 the batch is solved or the temperature too low, and no gradient is left. `other_queries`, unless the
        direction is "query": the mean number of queries that count against a (query, positive).
        """
        against = ~(targets | mask)
        numbers = {"negatives": float(against.sum(1).float().mean())}
        if self.direction != "query":
            numbers["other_queries"] = float(against.sum(0)[targets.nonzero(as_tuple=True)[1]].float().mean())
        return {
            **numbers,
            "positive_probability": float((-self._surprise(scores, targets, mask)).exp().mean()),
            "score_spread": score_spread(scores, targets, mask),
        }

    def chance(self, candidates: int) -> float | None:
        """log K, for one positive among K candidates; None where the number of queries matters too."""
        return math.log(candidates) if self.direction == "query" else None

    def _surprise(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """-log of each positive's probability, `(P,)`."""
        logits = wide(scores) / self.temperature
        query, positive = targets.nonzero(as_tuple=True)
        left_out = targets | mask
        if self.direction == "query":
            return _surprises(logits[query], left_out[query], positive)
        if left_out[:, positive].all():
            raise ValueError("no document of this batch has a second query to choose from: use in-batch negatives")
        by_document = _surprises(logits.T[positive], left_out.T[positive], query)
        if self.direction == "document":
            return by_document
        return (_surprises(logits[query], left_out[query], positive) + by_document) / 2


def _surprises(rows: Tensor, left_out: Tensor, chosen: Tensor) -> Tensor:
    """-log softmax of each row at its chosen place, over that place and those not left out."""
    at = chosen.unsqueeze(1)
    rows = rows.masked_fill(left_out.scatter(1, at, False), float("-inf"))
    return rows.logsumexp(1) - rows.gather(1, at).squeeze(1)
