"""Uniform negatives: documents drawn by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from strop.records.documents import Group
from strop.records.errors import InputError


@dataclass(frozen=True, slots=True)
class Uniform:
    """`count` documents for each group, uniformly without replacement, never a judged positive of its query."""

    count: int = 1

    def __call__(self, groups: Sequence[Group], doc_ids: Sequence[str], seed: int) -> list[Group]:
        """Raises InputError when there are too few documents to draw from."""
        rng = np.random.default_rng(seed)
        drawn = []
        for group in groups:
            forbidden = group.relevant.union(group.positives)
            size = min(len(doc_ids), self.count + len(forbidden))
            picks = rng.choice(len(doc_ids), size=size, replace=False)
            negatives = [doc_ids[i] for i in picks if doc_ids[i] not in forbidden][: self.count]
            if len(negatives) < self.count:
                raise InputError(
                    f"{len(doc_ids)} documents are too few to draw {self.count} negatives for query {group.query_id}",
                    remedy="Give more documents, or fewer negatives a query",
                )
            drawn.append(replace(group, negatives=tuple(negatives), sources=("uniform",) * len(negatives)))
        return drawn
