"""The exhibit `transfer` of a study that trains on one collection and is tested on several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from strop.collection.lazy_documents import Contents
from strop.evaluation import macro
from strop.evaluation.comparison import Comparison, compare, corrected
from strop.evaluation.macro import weighted
from strop.geometry.collections_apart import DOCUMENTS, similarity
from strop.models.architecture import Tied
from strop.records.exhibits.transfer import (
    EvaluatedCollection,
    MacroInterval,
    OnCollection,
    OverCollections,
    RelativeDifference,
    Similarity,
    SystemMeans,
    Transfer,
    TransferComparison,
)
from strop.study.definition import OUT_OF_DOMAIN, Preset
from strop.study.schedule import Done
from strop.study.systems import Start, System
from strop.study.workbench import Workbench


def exhibit(bench: Workbench, done: Done) -> Transfer | None:
    """None with one collection, or on random weights.

    A comparison is of a tuned system with what it was tuned from, of a reranker with the candidates it reorders, or one
    that a claim of the paper makes; it is made over the seeds of which both have every run.
    """
    own = bench.own.test.name
    if len(bench.panels) == 1 or bench.study.random_weights:
        return None
    finished = [_Finished(bench, done, preset) for preset in done.presets]
    return Transfer(
        trained_on=own,
        measure=bench.study.primary_measure,
        collections=tuple(
            EvaluatedCollection(name, len(c.queries), len(c.documents), name == own, bench.study.exposure.get(name, ""))
            for name, c in bench.panels.items()
        ),
        similarity=_similarity(bench),
        systems=tuple(row for each in finished for row in _systems(each)),
        comparisons=tuple(row for each in finished for row in _comparisons(each)),
    )


def _similarity(bench: Workbench) -> Similarity:
    """How alike the collections' documents are to the base. Small panels are left out, and so are candidates that were
    given: they are no sample of their collection."""
    vectors = {
        name: np.asarray(bench.base_vectors(Contents(collection.documents), "document").matrix[:])
        for name, collection in bench.panels.items()
        if not bench.is_given(collection)
    }
    if len(vectors) == 1 or min(map(len, vectors.values())) < DOCUMENTS:
        return Similarity()
    return similarity(vectors, bench.own.test.name, bench.scale.seeds[0]).exhibit()


@dataclass(frozen=True, slots=True)
class _Finished:
    """What is there of a preset; systems of random weights are no result."""

    bench: Workbench
    done: Done
    preset: Preset

    @property
    def systems(self) -> dict[str, System]:
        return {
            s.name: s
            for s in self.preset.systems
            if self.done.seeds(self.preset, s.name) and not self.preset.is_random(s.name, self.bench.scale)
        }

    def values(self, system: str, seeds: tuple[int, ...]) -> dict[str, list[dict[str, float]]]:
        """{collection: per-query values of the primary measure, one mapping per seed}, its own collection first."""
        bench = self.bench
        measure = bench.study.primary_measure
        return {name: bench.values(self.preset, system, measure, panel, seeds) for name, panel in bench.panels.items()}


def _systems(of: _Finished) -> Iterator[SystemMeans]:
    for name, system in of.systems.items():
        seeds = of.done.seeds(of.preset, name)
        values = of.values(name, seeds)
        means = {panel: float(np.mean([np.mean(list(v.values())) for v in each])) for panel, each in values.items()}
        yield SystemMeans(of.preset.name, name, system.label, len(seeds), means)


def _comparisons(of: _Finished) -> Iterator[TransferComparison]:
    run, candidates = of.systems, of.preset.candidates
    pairs = {
        "tuned": [
            (name, start.name)
            for name, s in run.items()
            if s.way.is_tuned and not s.way.needs_candidates and (start := _start(s, run))
        ],
        "reranked": [(name, candidates) for name, s in run.items() if s.way.needs_candidates and candidates in run],
        "claim": [
            (c.system, c.against)
            for c in of.bench.study.claims
            if c.collection == OUT_OF_DOMAIN and {c.system, c.against} <= run.keys()
        ],
        "knob": [(name, s.centre) for name, s in run.items() if s.centre in run],
    }
    for kind, of_kind in pairs.items():
        yield from _compared(of, kind, [pair for pair in of_kind if all(of.done.common_seeds(of.preset, *pair))])


def _compared(of: _Finished, kind: str, pairs: Sequence[tuple[str, str]]) -> Iterator[TransferComparison]:
    """The pairs of one kind, corrected together: on their own collection, and over the others."""
    values = [tuple(map(of.values, pair, of.done.common_seeds(of.preset, *pair))) for pair in pairs]
    name = of.bench.own.test.name
    owns = corrected([compare(a.pop(name), b.pop(name)) for a, b in values])
    together = corrected([compare(weighted(a), weighted(b)) for a, b in values])
    for (a, b), (of_a, of_b), own, overall in zip(pairs, values, owns, together, strict=True):
        over = macro.compare(of_a, of_b)
        averages = asdict(over.macro)
        for ratio in ("ratio_of_means", "mean_of_ratios"):
            averages[ratio] = RelativeDifference(**averages[ratio])
        yield TransferComparison(
            preset=of.preset.name,
            kind=kind,
            a=a,
            b=b,
            own=_on_collection(own),
            elsewhere=OverCollections(
                **averages,
                p=overall.p_corrected,
                fixed=MacroInterval(**asdict(over.fixed), detectable=over.fixed.detectable),
                general=MacroInterval(**asdict(over.general)) if over.general else None,
            ),
            each={panel: _on_collection(compared) for panel, compared in over.each.items()},
        )


def _on_collection(c: Comparison) -> OnCollection:
    return OnCollection(c.mean_a, c.mean_b, c.difference, c.low, c.high, c.p_corrected, c.n)


def _start(system: System, run: Mapping[str, System]) -> System | None:
    """The untouched system that it was tuned from, of the same architecture and base, where that was run."""
    start = system.way.initial or Start()
    if start.base is None and isinstance(start.architecture, Tied | None):
        return next((s for s in run.values() if s.way == Start()), None)
    alike = [
        (s.way != start, s)  # with the very same settings rather than others
        for s in run.values()
        if isinstance(s.way, Start)
        and s.way.base == start.base
        and isinstance(s.way.architecture, type(start.architecture))
    ]
    return min(alike, key=lambda pair: pair[0])[1] if alike else None
