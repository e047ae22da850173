"""Scoring: representations of queries and documents -> a score matrix. A distance enters as its negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad


@dataclass(frozen=True, slots=True, eq=False)
class Representation:
    """What an encoder makes of N texts: `vectors`, float `(N, D)`; or, a vector a token, `(N, L, D)` with `mask`, bool
    `(N, L)`, the tokens that count."""

    vectors: Tensor
    mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: slice | Tensor) -> Representation:
        return Representation(self.vectors[rows], None if self.mask is None else self.mask[rows])

    @classmethod
    def join(cls, parts: Sequence[Representation]) -> Representation:
        """All parts' texts, in order; token vectors padded to the longest, which a gradient passes through."""
        masks = [part.mask for part in parts if part.mask is not None]
        if not masks:
            return cls(torch.cat([part.vectors for part in parts]))
        longest = max(mask.shape[1] for mask in masks)
        vectors = torch.cat([pad(part.vectors, (0, 0, 0, longest - part.vectors.shape[1])) for part in parts])
        return cls(vectors, torch.cat([pad(mask, (0, longest - mask.shape[1])) for mask in masks]))


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
