"""The training examples that benchmarks train on."""

from __future__ import annotations

from strop.artifacts.store import store
from strop.collection import door
from strop.collection.lazy_documents import Contents
from strop.negatives.examples import Examples
from strop.negatives.positives import positive_groups
from strop.negatives.sampled import Uniform


def examples_of(count: int, on: str = "docstrings") -> Examples:
    """Triplets of a collection's first `count` training queries with uniform negatives; the same ones every time."""
    data = door.load(on, "train", store().docstrings)
    groups = positive_groups(data, first_only=True)[:count]
    return Examples.of(Uniform()(groups, list(Contents(data.documents, data.reserved)), seed=0), data)
