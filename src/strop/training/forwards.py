"""From groups and batches to the tokens that a model reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from strop.models.chunks import Forward
from strop.models.encoder import Model
from strop.models.scoring import Scoring
from strop.models.tokens import Ids, Tokens
from strop.records.documents import Group
from strop.training.batches import Batch


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Tokens of one role and the row of each id."""

    tokens: Tokens
    rows: Mapping[str, int]

    def of(self, text_id: str) -> Ids:
        return self.tokens.row(self.rows[text_id])


def forward_of(model: Model, batch: Batch, queries: Texts, documents: Texts, scoring: Scoring) -> Forward:
    """A batch as the model reads it."""
    rows = [queries.of(q) for q in batch.query_ids], [documents.of(d) for d in batch.doc_ids]
    return model.forward(*rows, batch.targets | ~batch.mask, scoring)


def count_cut(model: Model, groups: Iterable[Group], queries: Texts, documents: Texts) -> tuple[int, int]:
    """How many pairs of a query and its group's own candidates are longer than the model's limit, and of how many."""
    pairs = [(queries.rows[g.query_id], documents.rows[d]) for g in groups for d in (*g.positives, *g.negatives)]
    query, document = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return model.cut_pairs(queries.tokens.lengths[query], documents.tokens.lengths[document]), len(pairs)
