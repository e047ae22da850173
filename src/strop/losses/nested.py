"""One loss at several lengths of the same vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from strop.losses.protocol import Loss


@dataclass(frozen=True, slots=True)
class NestedLoss:
    """The mean of `each` over the parts of scores that stand one below the other, `(parts * Q, K)`: those of
    `models.scoring.Nested`. Targets and mask, `(Q, K)`, are those of every part.

    With one part it is `each`. In sentence-transformers MatryoshkaLoss is the sum. Raises ValueError for rows of scores
    that are no multiple of the targets', and as `each` does. Source: Kusupati et al. 2022 (arXiv 2205.13147), equation
    1 with equal weights.
    """

    each: Loss

    @property
    def taught(self) -> bool:
        return self.each.taught

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return torch.stack([self.each(part, targets, mask) for part in _parts(scores, targets)]).mean()

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        """Of the first part, the whole vectors; and `shortest_loss`, the loss of the last."""
        parts = _parts(scores, targets)
        shortest = {"shortest_loss": float(self.each(parts[-1], targets, mask))}
        return {**self.each.diagnostics(parts[0], targets, mask), **shortest}

    def chance(self, candidates: int) -> float | None:
        """That of `each`: all parts' scores are equal then."""
        return self.each.chance(candidates)


def _parts(scores: Tensor, targets: Tensor) -> Sequence[Tensor]:
    if len(scores) % len(targets):
        raise ValueError(f"{len(scores)} rows of scores are no multiple of {len(targets)} queries")
    return torch.split(scores, len(targets))
