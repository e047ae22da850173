"""Negatives drawn uniformly from the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strop.records.documents import Group
from strop.records.errors import InputError


@dataclass(frozen=True, slots=True)
class Uniform:
    """`count` documents for each group, uniformly without replacement, never a judged positive of its query."""

    count: int = 1

    def __call__(self, groups: Sequence[Group], doc_ids: Sequence[str], seed: int) -> list[Group]:
        """The groups with `count` negatives each. Raises InputError when there are too few documents to draw from."""
        rng = np.random.default_rng(seed)
        results = []
        for group in groups:
            forbidden = group.relevant.union(group.positives)
            size = min(len(doc_ids), self.count + len(forbidden))
            picks = rng.choice(len(doc_ids), size=size, replace=False)
            negatives = [doc_ids[i] for i in picks if doc_ids[i] not in forbidden][: self.count]
            if len(negatives) < self.count:
                raise InputError(
                    f"{len(doc_ids)} documents are too few to draw {self.count} negatives for query {group.query_id}",
                    remedy="Give more documents, or draw fewer negatives per query",
                )
            results.append(group.with_negatives((d, "uniform") for d in negatives))
        return results
