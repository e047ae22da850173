"""The exhibit `geometry`: what each diagnostic reads per model, how it moved from the base's, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: (value, low, high): a diagnostic and its 95 % interval.
Reading = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Readings:
    """Of one model: its `own` diagnostics, their `change` from the base's, and what has `moved` relative to it."""

    own: Mapping[str, Reading]
    change: Mapping[str, Reading]
    moved: Mapping[str, Reading]


@dataclass(frozen=True, slots=True)
class DiagnosticAbout:
    """`low` and `high` bound its range, None where nothing does; `good` is what search is expected to want."""

    name: str
    meaning: str
    low: float | None
    high: float | None
    good: str
    source: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One model on the base's plane (`fit` PCA or UMAP). The first `queries` points are queries, the rest documents.

    `explained` is the share of the base's variance on the plane of a PCA.
    """

    fit: str
    model: str
    trustworthiness: float
    queries: int
    points: tuple[tuple[float, float], ...]
    explained: float | None = None


@dataclass(frozen=True, slots=True)
class Geometry:
    """All models on one probe of `queries` and `documents`; `base` is the model that the others are shown beside.

    `layers`: model -> layer -> how far its weights went, as a share of the base's length.
    """

    base: str | None
    queries: int
    documents: int
    diagnostics: tuple[DiagnosticAbout, ...]
    models: Mapping[str, Readings]
    pictures: tuple[Picture, ...] | None = None
    layers: Mapping[str, Mapping[str, float]] | None = None
