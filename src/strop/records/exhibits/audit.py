"""The exhibit `audit`: what a collection is made of, and what its splits share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Of relevant documents per query."""

    min: int
    median: float
    max: int


@dataclass(frozen=True, slots=True)
class SplitAbout:
    """`grades`: relevance -> judgments."""

    queries: int
    judgments: int
    grades: Mapping[str, int]
    positives: Spread
    queries_without_relevant: int
    absent_documents: int
    reserved_documents: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Documents beyond the first of each kind."""

    exact: int
    near: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a split shares with training."""

    queries: int
    queries_asked_in_training: int
    relevant_documents: int
    relevant_documents_known: int
    queries_with_relevant: int
    queries_with_a_known_answer: int


@dataclass(frozen=True, slots=True)
class LengthHistogram:
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    last_bin: str


@dataclass(frozen=True, slots=True)
class Lengths:
    """In tokens; `truncated` texts are longer than the model's limit."""

    median: float
    p90: float
    max: int
    truncated: int
    truncated_share: float
    histogram: LengthHistogram


@dataclass(frozen=True, slots=True)
class Audit:
    """`readings` says each count in a sentence. `lengths`: the model's `limit`, then each kind of text's own."""

    collection: str
    documents: int
    documents_examined: int
    splits: Mapping[str, SplitAbout]
    duplicates: Duplicates
    overlap: Mapping[str, Overlap]
    lengths: Mapping[str, int | Lengths] | None = None
    warnings: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()
