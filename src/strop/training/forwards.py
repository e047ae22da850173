"""Forwards: a batch -> rows of tokens, what a model makes of them chunk by chunk, and the scores that come of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from strop.models.encoder import Encoder, Role, represent_rows
from strop.models.pair_scorer import Pair, PairScorer, score_pairs
from strop.models.scoring import Representation, Scoring
from strop.models.tokens import Ints, Tokens, cut
from strop.records.documents import Group
from strop.training.batches import Batch


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Tokens of one role and the row of each id."""

    tokens: Tokens
    rows: Mapping[str, int]

    def of(self, text_id: str) -> npt.NDArray[np.int32]:
        return self.tokens.row(self.rows[text_id])


class Forward(Protocol):
    """What a training step, cut by token budget, needs of a batch."""

    @property
    def lengths(self) -> Ints:
        """Tokens of every row."""
        ...

    def pieces(self, budget: int) -> list[Ints]:
        """Chunks of rows, each row in one."""
        ...

    def represent(self, positions: Ints) -> Representation:
        """What the model makes of those rows."""
        ...

    def scores(self, seen: Representation) -> Tensor:
        """What it made of all rows, in order -> scores `(Q, K)`; where a pair was not read, anything finite."""
        ...


def forward_of(
    model: Encoder | PairScorer, batch: Batch, queries: Texts, documents: Texts, scoring: Scoring
) -> Forward:
    """Of an encoder, every text once, compared by `scoring`; of a pair scorer every query with its own candidates."""
    asked, found = [queries.of(q) for q in batch.query_ids], [documents.of(d) for d in batch.doc_ids]
    if not isinstance(model, PairScorer):
        return _Apart(model, [*asked, *found], len(asked), scoring)
    own = (batch.targets | ~batch.mask).nonzero()
    return _Together(model, [model.pair(asked[q], found[d]) for q, d in own.tolist()], own, batch.targets.shape)


def count_cut(scorer: PairScorer, groups: Iterable[Group], queries: Texts, documents: Texts) -> tuple[int, int]:
    """How many pairs of a query and its group's own candidates are longer than the model's limit, and of how many."""
    nothing = np.empty(0, dtype=np.int32)
    room = scorer.max_length - len(scorer.pair(nothing, nothing).ids)
    asked, found = queries.tokens.lengths, documents.tokens.lengths
    cuts = [
        int(asked[queries.rows[g.query_id]] + found[documents.rows[d]]) > room
        for g in groups
        for d in (*g.positives, *g.negatives)
    ]
    return sum(cuts), len(cuts)


@dataclass(frozen=True, slots=True, eq=False)
class _Apart:
    """All texts of a batch, queries first."""

    encoder: Encoder
    rows: list[npt.NDArray[np.int32]]
    queries: int
    scoring: Scoring

    @property
    def lengths(self) -> Ints:
        return np.array([len(row) for row in self.rows])

    def pieces(self, budget: int) -> list[Ints]:
        """Of one role each where the roles go different ways."""
        lengths, n = self.lengths, self.queries
        if not self.encoder.by_role:
            return cut(lengths, budget)
        return cut(lengths[:n], budget) + [n + piece for piece in cut(lengths[n:], budget)]

    def represent(self, positions: Ints) -> Representation:
        role: Role = "query" if positions[0] < self.queries else "document"
        return represent_rows(self.encoder, self.rows, positions, role)

    def scores(self, seen: Representation) -> Tensor:
        return self.scoring(seen[: self.queries], seen[self.queries :])


@dataclass(frozen=True, slots=True, eq=False)
class _Together:
    """The pairs of a batch that count, and the place `(P, 2)` of each in the score matrix."""

    scorer: PairScorer
    rows: list[Pair]
    places: Tensor
    shape: tuple[int, ...]

    @property
    def lengths(self) -> Ints:
        return np.array([len(row.ids) for row in self.rows])

    def pieces(self, budget: int) -> list[Ints]:
        return cut(self.lengths, budget)

    def represent(self, positions: Ints) -> Representation:
        return Representation(score_pairs(self.scorer, self.rows, positions).unsqueeze(1))

    def scores(self, seen: Representation) -> Tensor:
        logits = seen.vectors.squeeze(1)
        query, candidate = self.places.to(logits.device).unbind(1)
        return logits.new_zeros(self.shape).index_put((query, candidate), logits)
