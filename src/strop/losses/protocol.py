"""What every loss is."""

from __future__ import annotations

from typing import ClassVar, Protocol

from torch import Tensor


class Loss(Protocol):
    """A frozen value whose fields are its hyperparameters.

    `scores` float `(Q, K)`; `targets` bool `(Q, K)`, the positives to be raised, at least one a row; `mask` bool
    `(Q, K)`, the candidates that must not count as negatives.

    A `taught` loss learns from a teacher instead: its `targets` are float `(Q, K)`, the teacher's scores, NaN where
    there is none. It knows no positives, so that `mask` removes whatever it holds.
    """

    taught: ClassVar[bool]

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """The scalar to minimise, computed in float32 at least."""
        ...

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """Named numbers that tell how the loss sees this batch; every loss gives `score_spread`."""
        ...

    def chance(self, candidates: int) -> float | None:
        """The loss where a query's positive and all its negatives, `candidates` together, have equal scores.

        None where their number does not decide it.
        """
        ...


def wide(scores: Tensor) -> Tensor:
    """float32 for anything narrower: sums of exponentials and margins do not survive bfloat16."""
    return scores if scores.element_size() >= 4 else scores.float()


def score_spread(scores: Tensor, targets: Tensor, mask: Tensor) -> float:
    """Standard deviation of scores about their query's mean, over positives and unmasked negatives, in float32.

    In [0, inf), exactly 0 where every query scores all its candidates alike: then nothing is ranked, however much
    queries differ from one another.
    """
    counted = targets | ~mask
    rows = scores.float()
    lowest = rows.masked_fill(~counted, float("inf")).amin(1, keepdim=True)
    raised = (rows - lowest).masked_fill(~counted, 0.0)  # exact zeros for constant scores, whatever their size
    means = raised.sum(1, keepdim=True) / counted.sum(1, keepdim=True)
    squares = (raised - means).square().masked_fill(~counted, 0.0)
    return float((squares.sum() / counted.sum()).sqrt())
