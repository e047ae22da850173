"""What a model that reads a query and a document together is to the rest of strop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from strop.models.chunks import Forward, vectors
from strop.models.encoder import BUDGET, Model, row_lengths
from strop.models.scoring import Joint, Representation, Scoring
from strop.models.tokens import Floats, Ints, Rows, pad
from strop.models.tokens import Ids as Ids
from strop.records.errors import InputError

_NOTHING: Ids = np.empty(0, dtype=np.int32)


class Pair(NamedTuple):
    """A query and a document as one row: token ids with special tokens, the side each belongs to (token type), and how
    many tokens did not fit and were cut off."""

    ids: Ids
    types: Ids
    cut: int = 0


@runtime_checkable
class PairScorer(Model, Protocol):
    """A query and a document as one row -> one score. It has no vectors, and so nothing to search.

    Its `tokenize` gives each side without special tokens, nothing cut off.
    """

    @property
    def untrained(self) -> tuple[str, ...]:
        """Modules with random weights, as strop made them; while there are some, scores carry no order."""
        ...

    def mark_trained(self) -> None:
        """Nothing is random any more: training begins."""
        ...

    def pair(self, query: Ids, document: Ids) -> Pair:
        """Both sides as one row, the longer cut first where they are too long."""
        ...

    def score(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        """Padded rows, int64 `(P, L)` each, -> logits `(P,)`, higher is better, in (-inf, inf)."""
        ...

    @property
    def encoder(self) -> None:
        return None

    def check(self, scoring: Scoring, in_batch: bool) -> None:
        if not isinstance(scoring, Joint):
            raise InputError(
                f"the model reads pairs, the recipe scores by {scoring}",
                remedy="Take a rerank-… recipe for a cross-encoder, and another for any other model",
            )
        if in_batch:
            raise InputError("a cross-encoder has no in-batch negatives", remedy="Set batching.in_batch=false")

    def cut_pairs(self, queries: Ints, documents: Ints) -> int:
        return int((queries + documents > self.max_length - specials(self)).sum())

    def forward(self, queries: Rows, documents: Rows, own: Tensor, scoring: Scoring) -> Forward:
        """Every query with its own candidates."""
        places = own.nonzero()
        rows = [self.pair(queries[q], documents[d]) for q, d in places.tolist()]

        def scores(pairs: Representation) -> Tensor:
            logits = pairs.vectors.squeeze(1)
            return logits.new_zeros(own.shape).index_put(places.to(logits.device).unbind(1), logits)

        return Forward(_lengths(rows), lambda at: _logits(self, rows, at), scores)

    def pair_scores(self, queries: Rows, documents: Rows, pairs: Sequence[tuple[int, int]]) -> Floats:
        """The logit; of equal pairs read once."""
        keys = [(queries[q].tobytes(), documents[d].tobytes()) for q, d in pairs]
        sides = dict(zip(keys, pairs, strict=True))
        place = {key: i for i, key in enumerate(sides)}
        rows = [self.pair(queries[q], documents[d]) for q, d in sides.values()]
        logits = vectors(lambda at: _logits(self, rows, at), _lengths(rows), BUDGET).vectors[:, 0].float().cpu().numpy()
        scores: Floats = logits[[place[key] for key in keys]]
        return scores


def specials(scorer: PairScorer) -> int:
    """Tokens of a pair that are neither side's."""
    return len(scorer.pair(_NOTHING, _NOTHING).ids)


def score_pairs(scorer: PairScorer, pairs: Sequence[Pair], positions: Ints) -> Tensor:
    """The logits `(len(positions),)` of those pairs, padded together."""
    ids, mask = pad([pairs[i].ids for i in positions], scorer.pad_id)
    types, _ = pad([pairs[i].types for i in positions], 0)
    return scorer.score(ids, types, mask)


def _logits(scorer: PairScorer, pairs: Sequence[Pair], positions: Ints) -> Representation:
    return Representation(score_pairs(scorer, pairs, positions).unsqueeze(1))


def _lengths(pairs: Sequence[Pair]) -> Ints:
    return row_lengths([pair.ids for pair in pairs])
