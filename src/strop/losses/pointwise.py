"""Each candidate judged on its own, over a score matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from strop.losses.protocol import score_spread, wide


@dataclass(frozen=True, slots=True)
class BinaryCrossEntropy:
    """mean over all positives and unmasked negatives of -log sigmoid(s) and -log(1 - sigmoid(s)).

    A score is a logit: sigmoid(s) is the probability that the document is relevant, whatever the other candidates. In
    sentence-transformers it is the cross-encoders' BinaryCrossEntropyLoss without a weight. Source: Nogueira & Cho 2019
    (arXiv 1901.04085), equation 1, as a mean; Kumar et al. (arXiv 2506.18297).
    """

    taught: ClassVar[bool] = False

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        counted = targets | ~mask
        logits = wide(scores)[counted]
        return binary_cross_entropy_with_logits(logits, targets[counted].to(logits.dtype))

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """`negatives`: the mean number of negatives per query; two probabilities; and `score_spread`.

        `positive_probability` and `negative_probability` are mean sigmoids, in [0, 1], 0.5 at scores of 0.
        """
        negatives = ~(targets | mask)
        return {
            "negatives": float(negatives.sum(1).float().mean()),
            "positive_probability": float(wide(scores)[targets].sigmoid().mean()),
            "negative_probability": float(wide(scores)[negatives].sigmoid().mean()),
            "score_spread": score_spread(scores, targets, mask),
        }

    def chance(self, candidates: int) -> float | None:
        """None: the loss depends on the scores' size, and not only on their differences."""
        return None
