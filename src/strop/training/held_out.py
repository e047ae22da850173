"""Held-out groups: which queries stay out of training, and an observer that watches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strop.models.encoder import Encoder, Role, represent_rows
from strop.models.pair_scorer import PairScorer, score_pairs
from strop.models.scoring import Cosine, Representation
from strop.models.tokens import Ints
from strop.records.documents import Group
from strop.training import step as chunks
from strop.training.forwards import Texts


@dataclass(frozen=True, slots=True)
class HeldOut:
    """`share` of the queries, at most `most`, kept from training. By query: none is on both sides."""

    share: float = 0.2
    most: int = 256

    def split(self, groups: Sequence[Group], seed: int) -> tuple[list[Group], list[Group]]:
        """(training groups, held-out groups), each in the order given."""
        queries = sorted({g.query_id for g in groups})
        count = min(self.most, int(self.share * len(queries)))
        chosen = {queries[i] for i in np.random.default_rng(seed).permutation(len(queries))[:count]}
        return [g for g in groups if g.query_id not in chosen], [g for g in groups if g.query_id in chosen]


@dataclass(frozen=True, slots=True, eq=False)
class CosineAccuracy:
    """The share of held-out (query, positive, negative) with cos(q, p) > cos(q, n), in [0, 1]; chance is 0.5.

    Of a model with a vector a token, its own similarity in place of the cosine; of one that reads pairs, its score.

    It depends on how hard the negatives are: compare it only between models on the same groups. `name` is its measure.
    Source: sentence-transformers' TripletEvaluator, which the thesis used.
    """

    groups: Sequence[Group]
    queries: Texts
    documents: Texts
    every: int = 10
    name: str = "cosine_accuracy"

    def __call__(self, step: int, encoder: Encoder | PairScorer) -> Mapping[str, float]:
        if isinstance(encoder, PairScorer):
            return {self.name: self._right_order(encoder)}
        doc_ids = list(dict.fromkeys(d for g in self.groups for d in (*g.positives, *g.negatives)))
        column = {doc_id: i for i, doc_id in enumerate(doc_ids)}
        asked = _seen(encoder, [self.queries.of(g.query_id) for g in self.groups], "query")
        found = _seen(encoder, [self.documents.of(d) for d in doc_ids], "document")
        score = Cosine() if asked.mask is None else encoder.similarity
        scores = score(encoder.searchable(asked), encoder.searchable(found)).cpu().numpy()
        return {
            self.name: float(
                np.mean(
                    [
                        scores[i, column[p]] > scores[i, column[d]]
                        for i, g in enumerate(self.groups)
                        for p in g.positives
                        for d in g.negatives
                    ]
                )
            )
        }

    def _right_order(self, scorer: PairScorer) -> float:
        each = [(g.query_id, d) for g in self.groups for d in (*g.positives, *g.negatives)]
        place = {pair: i for i, pair in enumerate(dict.fromkeys(each))}
        rows = [scorer.pair(self.queries.of(q), self.documents.of(d)) for q, d in place]

        def represent(positions: Ints) -> Representation:
            return Representation(score_pairs(scorer, rows, positions).unsqueeze(1))

        lengths = np.array([len(row.ids) for row in rows])
        scores = chunks.vectors(represent, lengths, budget=2048).vectors[:, 0].float().cpu().numpy()
        triplets = [(g.query_id, p, n) for g in self.groups for p in g.positives for n in g.negatives]
        return float(np.mean([scores[place[q, p]] > scores[place[q, n]] for q, p, n in triplets]))


def _seen(encoder: Encoder, rows: Sequence[npt.NDArray[np.int32]], role: Role) -> Representation:
    lengths = np.array([len(row) for row in rows])
    return chunks.vectors(lambda positions: represent_rows(encoder, rows, positions, role), lengths, budget=2048)
