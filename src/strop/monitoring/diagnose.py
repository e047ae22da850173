"""Diagnose: what the geometry of models says on one probe, each beside its base, with intervals over texts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Store
from strop.geometry.catalogue import ABSOLUTE, RELATIVE
from strop.geometry.drift import layer_distances
from strop.geometry.intervals import interval
from strop.geometry.projection import fit_pca, trustworthiness, umap_on
from strop.geometry.sample import Diagnostic, Sample
from strop.models.loading import load
from strop.models.pretrained import Pretrained
from strop.monitoring.probe import Probe
from strop.records.errors import InputError, InputWarning
from strop.records.exhibits.geometry import DiagnosticAbout, Geometry, Picture, Readings
from strop.retrieval.retriever import retriever_of
from strop.retrieval.task import ById, Task

_DRAWN_QUERIES, _DRAWN_DOCUMENTS = 128, 384


def readings(
    sample: Sample,
    base: Sample | None,
    diagnostics: Sequence[Diagnostic] = (*ABSOLUTE, *RELATIVE),
    replicates: int = 100,
) -> Readings:
    """Of every diagnostic that applies. Changes are paired: model and base see the same halves of the texts."""
    fit = [one for one in diagnostics if one.applies(sample, base)]
    own = {one.name: interval(one, sample, None, replicates) for one in fit if one.absolute}
    if base is None:
        return Readings(own, {}, {})
    changes = {
        one.name: interval(_change(one), sample, base, replicates) for one in fit if one.absolute and one.applies(base)
    }
    return Readings(own, changes, {one.name: interval(one, sample, base, replicates) for one in fit if one.relative})


def _change(one: Diagnostic) -> Diagnostic:
    """A model's value less its base's."""
    return replace(
        one, absolute=None, relative=lambda sample, base: one(sample) - one(base), low=-math.inf, high=math.inf
    )


def sample_of(
    store: Store,
    model: Pretrained,
    probe: Probe,
    progress: Progress = silent,
    queries: ById | None = None,
    documents: ById | None = None,
) -> Sample:
    """How a model sees the probe; by the vectors that `queries` and `documents`, which hold the probe's, are searched
    with, where these are given. Raises InputError for a model that reads pairs."""
    by, task = retriever_of(model), Task(store, queries or probe.queries, documents or probe.documents, {}, progress)
    rows = by.represent(task, "query", list(probe.queries))
    columns = by.represent(task, "document", list(probe.documents))
    return probe.sample(rows, columns, by.score)


def exhibit(samples: Mapping[str, Sample], base: str | None, readings_of: Mapping[str, Readings]) -> Geometry:
    """The probe, what each diagnostic is, and per model its readings.

    `base` names one of the samples: every other model is shown beside it.
    """
    queries, documents = next(iter(samples.values())).scores.shape
    return Geometry(base, queries, documents, tuple(map(_about, (*ABSOLUTE, *RELATIVE))), readings_of)


def _about(one: Diagnostic) -> DiagnosticAbout:
    low, high = (limit if math.isfinite(limit) else None for limit in (one.low, one.high))
    return DiagnosticAbout(one.name, one.meaning, low, high, one.good, one.source)


def pictures(samples: Mapping[str, Sample], base: str) -> tuple[Picture, ...]:
    """Every model of the base's dimension on the base's principal plane, and on its UMAP: the same places for all."""
    stacked = {
        name: np.concatenate([sample.queries, sample.documents])
        for name, sample in samples.items()
        if sample.documents.shape[1] == samples[base].documents.shape[1]
    }
    queries, count = len(samples[base].queries), len(stacked[base])
    rows_drawn = np.concatenate([_spread(0, queries, _DRAWN_QUERIES), _spread(queries, count, _DRAWN_DOCUMENTS)])
    plane = fit_pca(stacked[base])
    laid = {
        "PCA": {name: plane.points(rows) for name, rows in stacked.items()},
        "UMAP": umap_on(stacked[base], stacked, seed=0),
    }
    return tuple(
        Picture(
            fit=fit,
            model=name,
            trustworthiness=round(trustworthiness(stacked[name], points), 4),
            queries=min(queries, _DRAWN_QUERIES),
            points=tuple((x, y) for x, y in points[rows_drawn].round(3).tolist()),
            explained=round(plane.explained, 4) if fit == "PCA" else None,
        )
        for fit, of_model in laid.items()
        for name, points in of_model.items()
    )


def _spread(start: int, stop: int, most: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.linspace(start, stop - 1, min(stop - start, most)).round().astype(np.int64)


def weight_distances(model: Pretrained, base: Pretrained) -> dict[str, float]:
    """Layer -> |W - W0| / |W0|. Empty, with a warning, where the two have no weights in common to compare."""
    try:
        return layer_distances(_weights(model.path), _weights(base.path))
    except InputError as error:
        warnings.warn(f"weights are not compared: {error.problem}", InputWarning, stacklevel=2)
        return {}


def _weights(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    return {name: p.detach().numpy() for name, p in load(folder).module.named_parameters()}
