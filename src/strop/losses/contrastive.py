"""InfoNCE over a score matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor

from strop.losses.protocol import score_spread, wide
from strop.records.errors import InputError

Direction = Literal["query", "document", "both"]


@dataclass(frozen=True, slots=True)
class InfoNCE:
    """mean over all (query, positive) of -log softmax(s / temperature) at the positive.

    `direction` "query": the softmax runs over that positive and the query's unmasked negatives; the query's other
    positives stay out. "document": over the queries of the batch at the positive's column, without those for which the
    document is masked or a positive too; documents that are nobody's positive then count nowhere. "both": the mean of
    the two. Source: van den Oord et al. 2018, eq. 4; both: Günther et al. 2023 (arXiv 2310.19923). In
    sentence-transformers it is MultipleNegativesRankingLoss with scale = 1 / temperature, and "both" its directions
    query_to_doc and doc_to_query, each a softmax of its own.

    Raises InputError unless temperature > 0 and the direction is known; called, ValueError where a document is to
    tell its queries apart and no document of the batch has two.
    """

    temperature: float = 0.05
    direction: Direction = field(default="query", metadata={"added": True})
    taught: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"the temperature is {self.temperature}", remedy="Give a number above 0, like 0.05")
        if self.direction not in ("query", "document", "both"):
            raise InputError(f"the direction is {self.direction!r}", remedy="Give query, document or both")

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return self._surprise(scores, targets, mask).mean()

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """What the loss sees of a batch.

        `negatives`: how many candidates count against a query, on average; `other_queries`, where documents choose:
        how many queries count against a (query, positive). `positive_probability`: the mean softmax probability of a
        positive, in [0, 1], of both directions the geometric mean; near 1 the batch is solved or the temperature too
        low, and no gradient is left. `score_spread`: see there.
        """
        against = ~(targets | mask)
        found = {"negatives": float(against.sum(1).float().mean())}
        if self.direction != "query":
            found["other_queries"] = float(against.sum(0)[targets.nonzero(as_tuple=True)[1]].float().mean())
        return {
            **found,
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
            return _surprise(logits[query], left_out[query], positive)
        if left_out[:, positive].all():
            raise ValueError("no document of this batch has a second query to choose from: take in-batch negatives")
        by_document = _surprise(logits.T[positive], left_out.T[positive], query)
        if self.direction == "document":
            return by_document
        return (_surprise(logits[query], left_out[query], positive) + by_document) / 2


def _surprise(rows: Tensor, left_out: Tensor, chosen: Tensor) -> Tensor:
    """-log softmax of each row at its chosen place, over that place and those not left out."""
    at = chosen.unsqueeze(1)
    rows = rows.masked_fill(left_out.scatter(1, at, False), float("-inf"))
    return rows.logsumexp(1) - rows.gather(1, at).squeeze(1)
