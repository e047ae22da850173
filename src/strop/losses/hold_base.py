"""A penalty on what training does to vectors, whatever loss its scores have."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cosine_similarity

from strop.losses.protocol import wide
from strop.records.errors import InputError


@dataclass(frozen=True, slots=True)
class HoldBase:
    """weight * mean over texts of 1 - cos(vector, the base's vector of the same text), in [0, 2 * weight].

    0 where every direction is the base's; lengths are free. Against a loss of about 1 a weight of 1 to 10 is felt.
    Raises InputError unless 0 < weight < inf. Ours; a distillation of the old model's features on the new task's own
    texts, as Learning without Forgetting (Li & Hoiem 2016, arXiv 1606.09282) does of its outputs.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.weight < math.inf:
            raise InputError(f"the penalty's weight is {self.weight}", remedy="Give a number above 0, or no penalty")

    def __call__(self, vectors: Tensor, base: Tensor) -> Tensor:
        """A scalar in float32 at least, of the texts' vectors `(N, D)` and the base's, in one order."""
        return self.weight * (1 - cosine_similarity(wide(vectors), wide(base), dim=1)).mean()
