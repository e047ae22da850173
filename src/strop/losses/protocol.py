"""What every loss is."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Loss(Protocol):
    """A frozen value whose fields are its hyperparameters.

    `scores` float `(Q, K)`; `targets` bool `(Q, K)`, the positives to be raised, at least one a row; `mask` bool
    `(Q, K)`, the candidates that must not count as negatives.
    """

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """The scalar to minimise, computed in float32 at least."""
        ...

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """Named numbers that tell how the loss sees this batch."""
        ...


def wide(scores: Tensor) -> Tensor:
    """float32 for anything narrower: sums of exponentials and margins do not survive bfloat16."""
    return scores if scores.element_size() >= 4 else scores.float()
