"""Scoring: representations of queries and documents -> a score matrix. A distance enters as its negative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize


@dataclass(frozen=True, slots=True, eq=False)
class Representation:
    """What an encoder makes of N texts: `vectors`, float `(N, D)`."""

    vectors: Tensor


class Scoring(Protocol):
    def __call__(self, queries: Representation, documents: Representation) -> Tensor:
        """Scores `(Q, K)` of Q queries against K documents, higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class Dot:
    """The inner product, in (-inf, inf)."""

    def __call__(self, queries: Representation, documents: Representation) -> Tensor:
        return queries.vectors @ documents.vectors.T


@dataclass(frozen=True, slots=True)
class Cosine:
    """The inner product of unit vectors, in [-1, 1]."""

    def __call__(self, queries: Representation, documents: Representation) -> Tensor:
        return normalize(queries.vectors, dim=-1) @ normalize(documents.vectors, dim=-1).T


@dataclass(frozen=True, slots=True)
class Euclidean:
    """Minus the distance, in (-inf, 0].

    `squared`: the paper's equation 4.7 squares it, the authors' code does not. `normalized`: on unit vectors the
    distance never exceeds 2, so that a margin of 5 keeps every triplet active and the loss at 3 or above.
    """

    squared: bool = False
    normalized: bool = False

    def __call__(self, queries: Representation, documents: Representation) -> Tensor:
        q, d = queries.vectors, documents.vectors
        if self.normalized:
            q, d = normalize(q, dim=-1), normalize(d, dim=-1)
        # Without the matrix-product shortcut: it cancels catastrophically for close vectors, just where it matters.
        distance = torch.cdist(q, d, compute_mode="donot_use_mm_for_euclid_dist")
        return -(distance.square() if self.squared else distance)
