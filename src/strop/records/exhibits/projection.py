"""The exhibit `projection`: UMAP pictures of several models under several seeds, and the numbers beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fit = Literal["separate", "joint"]
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ProjectionPanel:
    """One model in one fit under one seed. `points`, where drawn: first half queries, second half their positives."""

    fit: Fit
    normalised: bool
    seed: int
    system: str
    trustworthiness: float
    clumping: float
    points: Points | None = None


@dataclass(frozen=True, slots=True)
class ProjectionOverlap:
    """The mean share of neighbours that a system's pictures share with its own, and with the baseline's, under another
    seed."""

    fit: Fit
    normalised: bool
    system: str
    seed_overlap: float
    model_overlap: float


@dataclass(frozen=True, slots=True)
class VectorsAbout:
    """A system's vectors without a picture: `length` is (mean, SD) as the model gives them, the rest of unit ones."""

    system: str
    length: tuple[float, float]
    alignment: float
    uniformity_queries: float
    uniformity_positives: float
    effective_rank_queries: float
    effective_rank_positives: float


@dataclass(frozen=True, slots=True)
class Projection:
    """`pairs` of a query and its positive were fitted, with UMAP's `neighbours` and `min_dist`."""

    baseline: str
    seeds: tuple[int, ...]
    pairs: int
    drawn_pairs: int
    neighbours: int
    min_dist: float
    panels: tuple[ProjectionPanel, ...]
    table: tuple[VectorsAbout, ...]
    overlaps: tuple[ProjectionOverlap, ...]
