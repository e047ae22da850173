"""The exhibit `reranking`: what each system makes of the same candidates, beside the most that any order reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: The least grade that counts as relevant ("1" or "2") -> measure -> mean.
Means = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of one preset on one collection: the first stage's documents, `depth` for each query.

    `value` and `ceiling` are the primary measure as they came and in the best order, None where random weights found
    them; `judged` is the share of their first ten that is judged. `detectable` follows from `sd`, that of per-query
    differences between the systems `sd_of`, or what is usual where there are none.
    """

    preset: str
    collection: str
    split: str
    queries: int
    first: str
    first_label: str
    depth: int
    depth_note: str
    value: float | None
    judged: float
    ceiling: float | None
    ceilings: Means
    sd: float
    sd_of: tuple[str, ...]
    detectable: float


@dataclass(frozen=True, slots=True)
class RerankedSystem:
    """`values` are empty where random weights were used."""

    preset: str
    collection: str
    system: str
    label: str
    seeds: int
    random: bool
    values: Means


@dataclass(frozen=True, slots=True)
class RerankingComparison:
    """`p` is by Holm over the comparisons of a preset and collection; `needed` queries would resolve the difference."""

    preset: str
    collection: str
    system: str
    against: str
    measure: str
    queries: int
    seeds: int
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    p: float
    sd: float | None
    won: int
    tied: int
    lost: int
    detectable: float | None
    needed: int | None


@dataclass(frozen=True, slots=True)
class CandidateSet:
    """One of several sets of candidates that the model of system `by` put in order."""

    preset: str
    collection: str
    by: str
    system: str
    label: str
    first: str
    first_label: str
    depth: int
    depth_note: str
    first_value: float
    ceiling: float
    value: float
    judged: float


@dataclass(frozen=True, slots=True)
class RankingCost:
    """What a ranking took; `pairs`, `tokens` and `cut` (pairs longer than the model reads) are a reranker's."""

    preset: str
    collection: str
    system: str
    label: str
    stage: str
    wall_seconds: float
    pairs: int | None
    tokens: int | None
    cut: int | None
    ms_per_query: float


@dataclass(frozen=True, slots=True)
class Reranking:
    measure: str
    panels: tuple[Candidates, ...]
    rows: tuple[RerankedSystem, ...]
    comparisons: tuple[RerankingComparison, ...]
    candidates: tuple[CandidateSet, ...]
    stages: tuple[RankingCost, ...]
