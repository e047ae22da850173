"""Scoring: representations of queries and documents -> a score matrix. A distance enters as its negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from strop.models.precision import Precision as Precision
from strop.records.errors import InputError

#: Similarities of two tokens that MaxSim holds at once (64 MB in float32), unless one document alone has more.
_HELD = 2**24


@dataclass(frozen=True, slots=True, eq=False)
class Representation:
    """What an encoder makes of N texts: `vectors`, float `(N, D)`; or, one per token, `(N, L, D)` with `mask`, bool
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
    """Minus the distance, in (-inf, 0]; `squared` as in the paper's equation 4.7, not the authors' code.

    `normalized`: on unit vectors it never exceeds 2, so that a margin of 5 keeps every triplet active and the loss at 3
    or above.
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


@dataclass(frozen=True, slots=True)
class MaxSim:
    """Late interaction: for each query token the similarity of the document token most like it, summed.

    Over unit vectors, of tokens that count on both sides. `cosine` is in [-n, n] for a query of n tokens; `l2` takes
    minus the squared distance, 2 cosine - 2, in [-4n, 0]. A document without a token that counts gets the least score.
    In float32 whatever the autocast. Raises InputError for one vector per text. Source: Khattab & Zaharia 2020, section
    3.3 and equation 3; in the authors' code a masked token is a zero vector, which still takes part in the maximum.
    """

    similarity: Literal["cosine", "l2"] = "cosine"

    def __call__(self, queries: Representation, documents: Representation) -> Tensor:
        if queries.mask is None or documents.mask is None:
            remedy = "Give a late-interaction model, or other scoring"
            raise InputError("MaxSim needs one vector per token", remedy=remedy)
        with torch.autocast(queries.vectors.device.type, enabled=False):
            query_units, document_units = _unit(queries.vectors), _unit(documents.vectors)
            block = max(1, _HELD // max(1, query_units.shape[0] * query_units.shape[1] * document_units.shape[1]))
            starts = range(0, len(documents), block)
            best = [_best(query_units, document_units[i : i + block], documents.mask[i : i + block]) for i in starts]
            cosines = torch.cat(best, dim=2) if best else query_units.new_empty(*query_units.shape[:2], 0)
            each = cosines if self.similarity == "cosine" else 2 * cosines - 2
            return each.masked_fill(~queries.mask[:, :, None], 0).sum(dim=1)


@dataclass(frozen=True, slots=True)
class Nested:
    """Scores by `whole` of the vectors, and of their first d numbers for each d in `dims`, one below the other:
    `((1 + len(dims)) * Q, K)`, the whole vectors' first. `losses.nested.NestedLoss` takes them apart again.

    Raises InputError for no dims, for one below 1 or twice, and where vectors are compared token by token or not at
    all; a call for a dim that is not below the vectors' own. Source: Kusupati et al. 2022 (Matryoshka representation
    learning, arXiv 2205.13147).
    """

    dims: tuple[int, ...]
    whole: Scoring = Cosine()

    def __post_init__(self) -> None:
        if not self.dims or min(self.dims) < 1 or len(set(self.dims)) < len(self.dims):
            raise InputError(f"dims are {self.dims}", remedy="Give different numbers of dimensions, 1 or more, like 64")
        if not by_text(self.whole) or isinstance(self.whole, Nested):
            raise InputError(f"the whole is scored by {self.whole}", remedy="Score it by cosine, dot or distance")

    def __call__(self, queries: Representation, documents: Representation) -> Tensor:
        if max(self.dims) >= (own := queries.vectors.shape[1]):
            raise InputError(f"dims are {self.dims}, of vectors of {own}", remedy=f"Give numbers below {own}")
        sides = [(side.vectors, *(side.vectors[:, :d] for d in self.dims)) for side in (queries, documents)]
        return torch.cat([self.whole(Representation(q), Representation(d)) for q, d in zip(*sides, strict=True)])


@dataclass(frozen=True, slots=True)
class Joint:
    """A cross-encoder's own logit of query and document read together; there are no vectors to compare."""

    def __call__(self, queries: Representation, documents: Representation) -> Tensor:
        raise InputError("the recipe is for models that read pairs", remedy="Give a cross-encoder, or other scoring")


def by_text(scoring: Scoring) -> bool:
    """Whether it compares one vector per text."""
    return not isinstance(scoring, MaxSim | Joint)


def reads_pairs(scoring: Scoring) -> bool:
    """Whether it scores a query and a document read together, without vectors."""
    return isinstance(scoring, Joint)


def _unit(vectors: Tensor) -> Tensor:
    return normalize(vectors if vectors.dtype == torch.float64 else vectors.float(), dim=-1)


def _best(queries: Tensor, documents: Tensor, mask: Tensor) -> Tensor:
    """`(Q, Lq, K)`: of every query token the highest inner product with a token of each document, -1 without one."""
    inner = queries.flatten(0, 1) @ documents.flatten(0, 1).T
    inner = inner.view(*queries.shape[:2], *documents.shape[:2]).masked_fill(~mask, -torch.inf)
    return inner.max(dim=3).values.masked_fill(~mask.any(dim=1), -1)
