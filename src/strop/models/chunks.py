"""Chunks: rows of tokens read a few at a time, what came of them in order, and a batch to train on read so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from strop.models.scoring import Representation
from strop.models.tokens import Ints, cut

#: Positions of n rows -> what the model makes of them, with a graph where gradients are on.
Represent = Callable[[Ints], Representation]


@dataclass(frozen=True, slots=True, eq=False)
class Forward:
    """A batch as rows of tokens, `lengths` long, and what a model makes of some by `represent`.

    `scores` turns what it made of all, in order, into scores `(Q, K)`, anything finite where a pair was not read. No
    chunk holds rows from both sides of row `border`.
    """

    lengths: Ints
    represent: Represent
    scores: Callable[[Representation], Tensor]
    border: int = 0

    def pieces(self, budget: int) -> list[Ints]:
        """Chunks of rows, each row in one."""
        after = [self.border + piece for piece in cut(self.lengths[self.border :], budget)]
        return cut(self.lengths[: self.border], budget) + after


def vectors(represent: Represent, lengths: Ints, budget: int) -> Representation:
    """All rows in position order, without a graph; `lengths` are their tokens, `budget` the padded ones of a chunk."""
    chunks = cut(lengths, budget)
    with torch.inference_mode():
        return in_order([represent(positions) for positions in chunks], chunks)


def in_order(parts: Sequence[Representation], chunks: Sequence[Ints]) -> Representation:
    """What came of each chunk, by position."""
    return Representation.join(parts)[torch.from_numpy(np.argsort(np.concatenate(chunks)))]
