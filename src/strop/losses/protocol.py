"""What every loss is, and what several of them compute."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Loss(Protocol):
    """A function of a score matrix; its fields are its hyperparameters.

    `scores` float `(Q, K)`; `targets` bool `(Q, K)`, the positives, at least one per row; `mask` bool `(Q, K)`, the
    candidates that must not count as negatives.

    A `taught` loss learns from a teacher instead: its `targets` are float `(Q, K)`, the teacher's scores, NaN where
    there is none. It knows no positives, so it ignores whatever `mask` holds.
    """

    @property
    def taught(self) -> bool: ...

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """The scalar to minimise, computed in float32 at least."""
        ...

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """Named numbers about this batch, as the loss uses it; every loss gives `score_spread`."""
        ...

    def chance(self, candidates: int) -> float | None:
        """The loss where a positive and its negatives, `candidates` in all, have equal scores.

        None where their number does not determine it.
        """
        ...


def wide(scores: Tensor) -> Tensor:
    """Scores in float32 at least: bfloat16 is too coarse for margins and sums of exponentials."""
    return scores if scores.element_size() >= 4 else scores.float()


def score_spread(scores: Tensor, targets: Tensor, mask: Tensor) -> float:
    """Standard deviation of scores about their query's mean, over positives and unmasked negatives, in float32.

    In [0, inf); exactly 0 where every query scores all its candidates alike, however much queries differ.
    """
    counted = targets | ~mask
    rows = scores.float()
    lowest = rows.masked_fill(~counted, float("inf")).amin(1, keepdim=True)
    raised = (rows - lowest).masked_fill(~counted, 0.0)  # exact zeros for constant scores, whatever their size
    means = raised.sum(1, keepdim=True) / counted.sum(1, keepdim=True)
    squares = (raised - means).square().masked_fill(~counted, 0.0)
    return float((squares.sum() / counted.sum()).sqrt())


def triplets(scores: Tensor, targets: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The scores `(T,)` of the positive and of the negative of every (query, positive, unmasked negative).

    Raises ValueError where the batch has no negative.
    """
    scores = wide(scores)
    query, positive = targets.nonzero(as_tuple=True)
    is_negative = ~(targets | mask)[query]
    if not is_negative.any():
        raise ValueError("this loss needs negatives: the batch has none that are not masked")
    negatives = scores[query]
    return scores[query, positive].unsqueeze(1).expand_as(negatives)[is_negative], negatives[is_negative]
