"""The exhibit `transfer` of a study that trains on one collection and is tested on several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, replace

import numpy as np

from strop.collection.lazy_documents import Contents
from strop.evaluation import macro
from strop.evaluation.comparison import Comparison, compare
from strop.evaluation.macro import weighted
from strop.evaluation.significance import holm
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
from strop.retrieval import stages
from strop.retrieval.stages import Vectors
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
    return Transfer(
        trained_on=own,
        measure=bench.study.primary_measure,
        collections=tuple(
            EvaluatedCollection(name, len(c.queries), len(c.documents), name == own, bench.study.exposure.get(name, ""))
            for name, c in bench.panels.items()
        ),
        similarity=_similarity(bench),
        systems=tuple(row for preset in done.presets for row in _systems(bench, done, preset)),
        comparisons=tuple(row for preset in done.presets for row in _comparisons(bench, done, preset)),
    )


def _similarity(bench: Workbench) -> Similarity:
    """How alike the collections' documents are to the base. Small panels are left out, and so are candidates that were
    given: they are no sample of their collection."""
    base, vectors = bench.base, {}
    for name, collection in bench.panels.items():
        if bench.is_given(collection):
            continue
        encoded = Vectors.load(stages.encode_texts(bench.store, base, Contents(collection.documents), "document"))
        vectors[name] = np.asarray(encoded.matrix[:])
    if len(vectors) == 1 or min(map(len, vectors.values())) < DOCUMENTS:
        return Similarity()
    return similarity(vectors, bench.own.test.name, bench.scale.seeds[0]).exhibit()


def _systems(bench: Workbench, done: Done, preset: Preset) -> Iterator[SystemMeans]:
    for system in _measured(bench, done, preset):
        values = _values(bench, preset, system, _finished(done, preset, system))
        means = {name: float(np.mean([np.mean(list(v.values())) for v in of])) for name, of in values.items()}
        seeds = len(next(iter(values.values())))
        yield SystemMeans(preset.name, system.name, system.label, seeds, means)


def _comparisons(bench: Workbench, done: Done, preset: Preset) -> Iterator[TransferComparison]:
    run = {system.name: system for system in _measured(bench, done, preset)}
    tuned = [s for s in run.values() if s.way.is_tuned and not s.way.needs_candidates]
    own = [("tuned", s, start) for s in tuned if (start := _start(s, run))]
    reranked = [
        ("reranked", s, run[preset.candidates])
        for s in run.values()
        if s.way.needs_candidates and preset.candidates in run
    ]
    claimed = [
        ("claim", run[c.system], run[c.against])
        for c in bench.study.claims
        if c.collection == OUT_OF_DOMAIN and {c.system, c.against} <= run.keys()
    ]
    knobs = [("knob", s, run[s.centre]) for s in run.values() if s.centre in run]
    for pairs in (own, reranked, claimed, knobs):
        rows = [_comparison(bench, done, preset, *pair) for pair in pairs if all(_seeds(done, preset, *pair[1:]))]
        corrected = (holm([p.p for p in place]) for place in ([r.own for r in rows], [r.elsewhere for r in rows]))
        for row, own_p, elsewhere_p in zip(rows, *corrected, strict=True):
            yield replace(row, own=replace(row.own, p=own_p), elsewhere=replace(row.elsewhere, p=elsewhere_p))


def _comparison(
    bench: Workbench, done: Done, preset: Preset, kind: str, system: System, against: System
) -> TransferComparison:
    """With p as they come, corrected for nothing."""
    both = zip((system, against), _seeds(done, preset, system, against), strict=True)
    a, b = (_values(bench, preset, s, seeds) for s, seeds in both)
    name = bench.own.test.name
    own = compare(a.pop(name), b.pop(name))
    over = macro.compare(a, b)
    averages = {field.name: getattr(over.macro, field.name) for field in fields(over.macro)}
    averages |= {ratio: RelativeDifference(**asdict(averages[ratio])) for ratio in ("ratio_of_means", "mean_of_ratios")}
    return TransferComparison(
        preset=preset.name,
        kind=kind,
        a=system.name,
        b=against.name,
        own=_on_collection(own),
        elsewhere=OverCollections(
            **averages,
            p=compare(*(weighted(v) for v in (a, b))).p,
            fixed=MacroInterval(**asdict(over.fixed), detectable=over.fixed.detectable),
            general=MacroInterval(**asdict(over.general)) if over.general else None,
        ),
        each={name: _on_collection(compared) for name, compared in over.each.items()},
    )


def _on_collection(c: Comparison) -> OnCollection:
    return OnCollection(c.mean_a, c.mean_b, c.difference, c.low, c.high, c.p, c.n)


def _measured(bench: Workbench, done: Done, preset: Preset) -> list[System]:
    """Systems of a preset of which at least one seed is there; those of random weights are no result."""
    names = {cell.system for cell in done.runs if cell.preset == preset}
    return [s for s in preset.systems if s.name in names and not preset.is_random(s.name, bench.scale)]


def _finished(done: Done, preset: Preset, system: System) -> tuple[int, ...]:
    """The seeds of which a run is there."""
    return tuple(cell.seed for cell in done.runs if cell.preset == preset and cell.system == system.name)


def _seeds(done: Done, preset: Preset, a: System, b: System) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The seeds to compare two systems over: of tuned ones those that both have; what is not tuned has one."""
    of_a, of_b = (_finished(done, preset, system) for system in (a, b))
    if preset.trained(a.name) and preset.trained(b.name):
        of_a = of_b = tuple(seed for seed in of_a if seed in of_b)
    return of_a, of_b


def _values(
    bench: Workbench, preset: Preset, system: System, seeds: tuple[int, ...]
) -> dict[str, list[dict[str, float]]]:
    """{collection: per-query values of the primary measure, a mapping a seed}, its own collection first."""
    measure = bench.study.primary_measure
    return {name: bench.values(preset, system.name, measure, panel, seeds) for name, panel in bench.panels.items()}


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
