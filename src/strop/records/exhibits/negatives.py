"""The exhibit `negatives`: how hard each kind of negatives is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NegativesAbout:
    """How hard one kind of negatives is for the base, as `hardness.Hardness` says, out of a `pool` of documents.

    `reading` says in a sentence whether they are harder than uniform ones.
    """

    count: int
    queries: int
    sources: Mapping[str, int]
    rank_histogram: tuple[tuple[int, int, int], ...]
    mean_similarity_gap: float
    gap_interval: tuple[float, float]
    above_positive: float
    active_share: float | None = None
    pool: int | None = None
    reading: str | None = None
