"""Doubts that need a run: what is there of it stands beside the arithmetic; nothing is trained for it (O2, O5, O13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

from strop.evaluation.measures import evaluate, mean
from strop.records import formats
from strop.retrieval import stages
from strop.studies.lion_vs_adamw import scripts
from strop.studies.lion_vs_adamw.presets import CORRECTED, LONG_INPUTS, OPTIMIZERS, PIPELINE, RATES, RERANKER
from strop.study.definition import Preset
from strop.study.open_questions import Evidence, Grid
from strop.study.workbench import Workbench

#: One model over three sets of candidates.
SETS = {
    f"own_then_{RERANKER}": "one positive and nine of BM25",
    RERANKER: "BM25's first",
    f"hybrid_then_base_then_{RERANKER}": "BM25 and base fused, then base, then 20",
}


def candidate_sets(bench: Workbench | None) -> Evidence:
    """O2. What a random order reaches of either kind of candidates; and one model over three sets, where it was run."""
    found = scripts.own_passages(bench)
    if bench is None or not _ready(bench, PIPELINE, SETS):
        return found
    rows, said = [], []
    for name, collection in bench.panels.items():
        values = {s: _means(bench, PIPELINE, s, name, ("RR@10", "nDCG@10")) for s in SETS}
        rows += [
            (name, label, *(formats.fixed(values[system][m]) for m in ("RR@10", "nDCG@10")))
            for system, label in SETS.items()
        ]
        own, *others = (values[s]["RR@10"] for s in SETS)
        said.append(f"{formats.fixed(own)} against {' and '.join(map(formats.fixed, others))} on {collection.name}")
    grid = Grid("One model, three sets of candidates", ("collection", "candidates", "RR@10", "nDCG@10"), tuple(rows))
    sentence = f"{found.sentence} Here one model has RR@10 {'; '.join(said)}."
    return replace(found, sentence=sentence, tables=(*found.tables, grid))


def own_rates(bench: Workbench | None) -> Evidence:
    """O5. The rates as recorded; and what held-out queries say of each optimiser's grid, where it was run."""
    found = scripts.unequal_rates(bench)
    grids = {name: RATES["minilm", name] for name in OPTIMIZERS}
    if bench is None or not _ready(bench, CORRECTED, [rates.on for rates in grids.values()]):
        return found
    rows, chosen = [], []
    for name, rates in grids.items():
        values, best = bench.held_out_values(CORRECTED, rates), bench.setting(CORRECTED, rates)
        chosen.append(f"{best.learning_rate:g} with decay {best.weight_decay:g} for {OPTIMIZERS[name]}")
        rows += [
            (OPTIMIZERS[name], f"{s.learning_rate:g}", f"{s.weight_decay:g}", formats.fixed(value, 4))
            for s, value in values.items()
        ]
    grid = Grid(
        "MiniLM on held-out queries, one grid for both, first seed",
        ("optimiser", "learning rate", "decay", "RR@10"),
        tuple(rows),
    )
    sentence = f"{found.sentence} Held-out queries choose {' and '.join(chosen)} here."
    return replace(found, sentence=sentence, tables=(*found.tables, grid))


def lengths(bench: Workbench | None) -> Evidence:
    """O13. Size and length cannot be told apart in the paper; and one model at several lengths, where it was run."""
    found = scripts.size_not_length(bench)
    read = [system for system in LONG_INPUTS.systems if system.point]
    whole = bench is not None and any(map(bench.is_given, bench.panels.values()))
    if bench is None or not whole or not _ready(bench, LONG_INPUTS, [system.name for system in read]):
        return found
    rows = [
        (name, system.label, formats.fixed(_means(bench, LONG_INPUTS, system.name, name, ("nDCG@10",))["nDCG@10"]))
        for name, panel in bench.panels.items()
        if bench.is_given(panel)  # others' documents are cut before they are read
        for system in read
    ]
    grid = Grid("One model, more and less of each document", ("collection", "read", "nDCG@10"), tuple(rows))
    return replace(found, tables=(*found.tables, grid))


def _ready(bench: Workbench, preset: Preset, systems: Any) -> bool:
    return all(bench.is_ready(preset, name, bench.scale.seeds[0]) for name in systems)


def _means(
    bench: Workbench, preset: Preset, system: str, collection: str, measures: tuple[str, ...]
) -> Mapping[str, float]:
    """Over the preset's seeds that are there."""
    panel = bench.panels[collection]
    seeds = [seed for seed in bench.seeds(preset) if bench.is_ready(preset, system, seed)]
    runs = [stages.run_of(bench.ranking(preset, system, seed, panel)) for seed in seeds]
    values = [evaluate(run, panel.qrels, measures) for run in runs]
    return {m: fmean(mean(of[m]) for of in values) for m in measures}
