"""Open questions that a run would answer (O2, O5, O13): the arithmetic, and beside it what runs there are.

Nothing is trained for them. The verdicts are those of the arithmetic.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import nn

from strop.evaluation.measures import evaluate, mean
from strop.records import formats
from strop.retrieval import stages
from strop.studies.lion_vs_adamw.arithmetic import SIZES
from strop.studies.lion_vs_adamw.presets import CORRECTED, LONG_INPUTS, OPTIMIZERS, PIPELINE, RATES, RERANKER
from strop.studies.lion_vs_adamw.published import MODELS, public, rows
from strop.study.definition import Preset
from strop.study.open_questions import Evidence, Grid
from strop.study.workbench import Workbench
from strop.training.optimizers import AdamW, Lion

#: One model over three sets of candidates.
SETS = {
    f"own_then_{RERANKER}": "one positive and nine of BM25",
    RERANKER: "BM25's first",
    f"hybrid_then_base_then_{RERANKER}": "BM25 and base fused, then base, then 20",
}
#: Recorded learning rates: ModernBERT's from its plot, the others' printed.
RECORDED = dict.fromkeys(product(MODELS, ("AdamW", "Lion")), 2e-5) | {("ModernBERT", "Lion"): 2e-6}
#: Passages that MS MARCO v1.1 gives a query at most, and those a first stage gives.
OWN, FIRST_STAGE = 10, 1_000
#: Decays as both optimisers were given them.
_DECAY = 0.01


def candidate_sets(bench: Workbench | None) -> Evidence:
    """MRR@10 is measured on about ten passages per query that include the answer, not on what a first stage
    retrieves."""
    evidence = own_passages()
    if bench is None or not _ready(bench, PIPELINE, SETS):
        return evidence
    remarks, cells = [], list[tuple[str | float, ...]]()
    for name, collection in bench.panels.items():
        values = {system: _means(bench, PIPELINE, system, name, ("RR@10", "nDCG@10")) for system in SETS}
        cells += [(name, label, *values[system]) for system, label in SETS.items()]
        own, *others = (formats.fixed(values[system][0]) for system in SETS)
        remarks.append(f"{own} against {' and '.join(others)} on {collection.name}")
    return evidence.also(
        f"Here one model has RR@10 {'; '.join(remarks)}.",
        Grid.of("One model, three sets of candidates", ("collection", "candidates", "RR@10", "nDCG@10"), cells),
    )


def own_rates(bench: Workbench | None) -> Evidence:
    """Optimisers are compared at learning rates and decays that were not chosen for each: equal for two models, a tenth
    for the third."""
    evidence = unequal_rates()
    grids = {label: RATES["minilm", name] for name, label in OPTIMIZERS.items()}
    if bench is None or not _ready(bench, CORRECTED, [rates.on for rates in grids.values()]):
        return evidence
    chosen, cells = [], list[tuple[str | float, ...]]()
    for label, rates in grids.items():
        best = bench.setting(CORRECTED, rates)
        chosen.append(f"{best.learning_rate:g} with decay {best.weight_decay:g} for {label}")
        values = bench.held_out_values(CORRECTED, rates)
        cells += [(label, f"{s.learning_rate:g}", f"{s.weight_decay:g}", value) for s, value in values.items()]
    return evidence.also(
        f"Held-out queries choose {' and '.join(chosen)} here.",
        Grid.of(
            "MiniLM on held-out queries, one grid for both, first seed",
            ("optimiser", "learning rate", "decay", "RR@10"),
            cells,
            decimals=4,
        ),
    )


def lengths(bench: Workbench | None) -> Evidence:
    """That long inputs help is concluded from models that differ in size, on passages that are short."""
    evidence = size_not_length(bench)
    windows = [system for system in LONG_INPUTS.systems if system.point]
    if bench is None or not _ready(bench, LONG_INPUTS, [system.name for system in windows]):
        return evidence
    given = [name for name, panel in bench.panels.items() if bench.is_given(panel)]  # others' documents are cut
    if not given:
        return evidence
    return evidence.also(
        "Here one model was run at several lengths.",
        Grid.of(
            "One model, more and less of each document",
            ("collection", "read", "nDCG@10"),
            (
                (name, system.label, *_means(bench, LONG_INPUTS, system.name, name, ("nDCG@10",)))
                for name, system in product(given, windows)
            ),
        ),
    )


def _ready(bench: Workbench, preset: Preset, systems: Iterable[str]) -> bool:
    return all(bench.is_ready(preset, name, bench.scale.seeds[0]) for name in systems)


def _means(
    bench: Workbench, preset: Preset, system: str, collection: str, measures: tuple[str, ...]
) -> tuple[float, ...]:
    """Over the preset's seeds that are there."""
    panel = bench.panels[collection]
    seeds = [seed for seed in bench.seeds(preset) if bench.is_ready(preset, system, seed)]
    runs = [stages.run_of(bench.ranking(preset, system, seed, panel)) for seed in seeds]
    values = [evaluate(run, panel.qrels, measures) for run in runs]
    return tuple(statistics.fmean(mean(of[m]) for of in values) for m in measures)


def own_passages(bench: object = None) -> Evidence:
    """Shown where the printed MRR@10 is above what any public model reaches over a first stage's candidates."""
    chance = {n: random_order(n) for n in (8, OWN, 100, FIRST_STAGE)}
    best = max(row.written["mrr10"] for row in rows())
    most = max(mrr for _, mrr in public().values())
    return Evidence.shown_if(
        best > most,
        f"Among a query's own {OWN} passages with one relevant, a random order already has RR@10 {chance[OWN]:.3f}; "
        f"among {FIRST_STAGE:,} of a first stage {chance[FIRST_STAGE]:.4f}. The printed {best:.4f} is of the former, "
        f"and no figure of the latter stands beside it; public cross-encoders have at most {most:.4f} "
        f"there. One model over both candidate sets would show the difference.",
        Grid.of("RR@10 of a random order, one relevant", ("candidates", "RR@10"), chance.items(), decimals=4),
    )


def random_order(candidates: int) -> float:
    """The mean RR@10 of a random order of so many candidates of which one is relevant."""
    return sum(1 / rank for rank in range(1, min(10, candidates) + 1)) / candidates


def unequal_rates(bench: object = None) -> Evidence:
    """The rates as recorded, and how far a step goes at each: our optimisers on gradients of pure noise."""
    times = step_length(Lion) / step_length(AdamW)
    share = {model: RECORDED[model, "Lion"] / RECORDED[model, "AdamW"] for model in MODELS}
    return Evidence.shown_if(
        len(set(share.values())) > 1,
        f"ModernBERT's Lion ran at a {1 / share['ModernBERT']:.0f}th of AdamW's learning rate, the other two models' "
        f"at the same rate. On gradients of noise a step of Lion is {times:.1f} times one of AdamW at an equal rate, "
        f"so its steps were {times * share['MiniLM']:.1f} times as long for MiniLM and GTE and "
        f"{times * share['ModernBERT']:.2f} times for ModernBERT, with a weight decay of {_DECAY} everywhere, where "
        f"Lion's authors advise 3 to 10 times less rate and as much more decay. These runs cannot tell the optimiser "
        f"from the rate.",
        Grid.of(
            "Recorded rates",
            ("model", "AdamW", "Lion", "a step of Lion to one of AdamW", "decay of Lion to AdamW's"),
            (
                (model, *(f"{RECORDED[model, name]:g}" for name in ("AdamW", "Lion")), times * ratio, f"{ratio:.1f}")
                for model, ratio in share.items()
            ),
            decimals=2,
        ),
    )


def step_length(optimizer_type: type[AdamW] | type[Lion], updates: int = 200, numbers: int = 2_000) -> float:
    """How far a number moves in an update, root mean square and in learning rates, when gradients are only noise."""
    rng = np.random.default_rng(0)
    weight = nn.Parameter(torch.zeros(numbers, 1, dtype=torch.float64))
    optimizer = optimizer_type(learning_rate=1.0, weight_decay=0.0).build([("weight", weight)])
    moved = []
    for _ in range(updates):
        before = weight.detach().clone()
        weight.grad = torch.from_numpy(rng.normal(size=(numbers, 1)))
        optimizer.step()
        moved.append(float((weight.detach() - before).square().mean()))
    return math.sqrt(statistics.mean(moved[updates // 2 :]))


def size_not_length(bench: Any) -> Evidence:
    """The models that take long texts are the larger ones, and the texts are short."""
    least = min(SIZES.values())
    limits = {"MiniLM": 512, "GTE": 8_192, "ModernBERT": 8_192}
    here = ""
    if bench is not None:
        whole = bench.own.whole
        words = [len(d.contents.split()) for d in whole.documents.values()]
        here = (
            f" A passage of {whole.name} here has {statistics.median(words):.0f} words in the median, and "
            f"{formats.percent(sum(n > 400 for n in words) / len(words), 2)} have more than 400."
        )
    return Evidence.shown_if(
        all(SIZES[name] > least for name, limit in limits.items() if limit > 512),
        f"The two models of long context are {SIZES['ModernBERT'] / least:.1f} and {SIZES['GTE'] / least:.1f} times as "
        f"large as the one without, and no model was run at two lengths: size and length cannot be told apart.{here}",
        Grid.of(
            "Models",
            ("model", "parameters, millions", "to the smallest", "most tokens"),
            ((name, round(size / 1e6), size / least, limits[name]) for name, size in SIZES.items()),
            decimals=1,
        ),
    )
