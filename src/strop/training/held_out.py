"""Held-out groups: which queries stay out of training, and an observer that watches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strop.models.encoder import Model
from strop.records.documents import Group
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

    With one vector per token the model's own similarity stands for the cosine, and where pairs are read their score.

    It depends on how hard the negatives are: compare it only between models on the same groups. `name` is its measure.
    Source: sentence-transformers' TripletEvaluator, which the thesis used.
    """

    groups: Sequence[Group]
    queries: Texts
    documents: Texts
    every: int = 10
    name: str = "cosine_accuracy"

    def __call__(self, step: int, model: Model) -> Mapping[str, float]:
        own = [(i, d) for i, g in enumerate(self.groups) for d in (*g.positives, *g.negatives)]
        column = {doc_id: i for i, doc_id in enumerate(dict.fromkeys(d for _, d in own))}
        queries, documents = [self.queries.of(g.query_id) for g in self.groups], [self.documents.of(d) for d in column]
        scores = model.pair_scores(queries, documents, [(i, column[d]) for i, d in own])
        score = dict(zip(own, scores.tolist(), strict=True))
        right = [score[i, p] > score[i, n] for i, g in enumerate(self.groups) for p in g.positives for n in g.negatives]
        return {self.name: float(np.mean(right))}
