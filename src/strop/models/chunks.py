"""Chunks: rows of tokens read a few at a time, and what came of them put back in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from strop.models.scoring import Representation
from strop.models.tokens import Ints, cut

#: Positions of n rows -> what the model makes of them, with a graph where gradients are on.
Represent = Callable[[Ints], Representation]


def vectors(represent: Represent, lengths: Ints, budget: int) -> Representation:
    """All rows in position order, without a graph; `lengths` are their tokens, `budget` the padded ones of a chunk."""
    chunks = cut(lengths, budget)
    with torch.inference_mode():
        return in_order([represent(positions) for positions in chunks], chunks)


def in_order(parts: Sequence[Representation], chunks: Sequence[Ints]) -> Representation:
    """What came of each chunk, by position."""
    return Representation.join(parts)[torch.from_numpy(np.argsort(np.concatenate(chunks)))]
