"""A SYNTHETIC results folder for developing and testing the report: every number here is drawn, none is measured."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from strop.records.exhibits.queries import QueryRanks
from strop.records.record import CollectionAbout, Contrast, Record, StageAbout, SystemAbout, TrainingAbout, Weights
from strop.records.results import Exhibits, Results, Row, write_results
from strop.study.claims import Claim, Rule, judge, judge_figure

from .synthetic_exhibits import shared

STUDY = "when_finetuning_fails"
PUBLISHED = {
    "base": {"RR@10": 0.3026, "RR@100": 0.3144},
    "full_random": {"RR@10": 0.2619, "RR@100": 0.2723},
    "lora_hard": {"RR@10": 0.2050, "RR@100": 0.2149},
}
#: system -> (label, shift of the log rank against the base, its noise, seeds, first and last training loss)
SYSTEMS: dict[str, tuple[str, float, float, tuple[int, ...], tuple[float, float] | None]] = {
    "bm25": ("BM25", 0.45, 1.0, (0,), None),
    "base": ("Base, untouched", 0.0, 0.0, (0,), None),
    "full_random": ("Full, random negatives", 0.04, 0.25, (0, 1, 2), (4.7, 3.1)),
    "lora_hard": ("LoRA, hard negatives", 0.38, 0.4, (0, 1, 2), (5.0, 4.2)),
    "in_batch": ("In-batch control", -0.22, 0.4, (0, 1, 2), (1.9, 0.9)),
}


#: reading -> (what it adds to every tuned shift, seeds)
READINGS: dict[str, tuple[float, tuple[int, ...]]] = {
    "corrected": (0.0, (0, 1, 2)),
    "as_coded": (0.35, (0,)),
    "as_written": (0.2, (0,)),
}
#: knob -> (point, centre, label, its shift beside the centre's)
KNOBS: dict[str, tuple[str, str, str, float]] = {
    "normalised": ("T5", "lora_hard", "loss on normalised vectors", -1.1),
    "own_rank": ("T8", "lora_hard", "a rank of its own for each query", 0.0),
    "rate_10": ("T14", "lora_hard", "10 × the learning rate", -0.25),
    "float32": ("T23", "lora_hard", "float32", 0.0),
    "matched": ("T13", "full_random", "the random set's pairs and epochs", -0.05),
}
TABLES = {
    "5.1": PUBLISHED,
    "5.2": {
        "base": {"mean_s": 303.92, "qps": 32.9},
        "full_random": {"mean_s": 324.90, "change_pct": 6.9, "qps": 30.8},
        "lora_hard": {"mean_s": 598.69, "change_pct": 97.0, "qps": 16.7},
    },
    "5.3": {
        "full_random": {"final_train_loss": 0.79, "eval_cosine_accuracy": 0.97},
        "lora_hard": {"final_train_loss": 3.10, "eval_cosine_accuracy": 0.78},
    },
}


def shape(preset: str, name: str) -> tuple[float, float, tuple[int, ...]]:
    """Shift, noise and seeds of a system in a reading; knobs stand around the systems as coded."""
    if name in KNOBS:
        shift, noise, _ = shape("as_coded", KNOBS[name][1])
        return shift + KNOBS[name][3], noise, (0,)
    _, shift, noise, _, losses = SYSTEMS[name]
    added, seeds = READINGS.get(preset, READINGS["as_coded"])
    return shift + (added if losses else 0.0), noise, seeds if losses else (0,)


def systems_of(preset: str) -> tuple[str, ...]:
    if preset == "one_knob":
        return ("base", *dict.fromkeys(centre for _, centre, *_ in KNOBS.values()), *KNOBS)
    return tuple(SYSTEMS)


PRESETS = (*READINGS, "one_knob")


def measures(rank: int | None) -> dict[str, float]:
    """Known-item values of one query from the rank of its only relevant document."""
    at = rank or 10**9
    return {
        "RR@10": 1 / at if at <= 10 else 0.0,
        "RR@100": 1 / at if at <= 100 else 0.0,
        "nDCG@10": 1 / math.log2(at + 1) if at <= 10 else 0.0,
        "R@100": float(at <= 100),
    }


def ranks(name: str, queries: int, seed: int, preset: str = "corrected") -> list[int | None]:
    shared = random.Random(f"queries {queries}")
    depth = [shared.gammavariate(0.9, 1.6) for _ in range(queries)]
    same = preset == "corrected" or name in ("bm25", "base")
    own = random.Random(f"{name} {seed}" if same else f"{name} {seed} as coded")
    shift, noise, _ = shape(preset, name)
    out = [max(1, round(math.exp(d + (own.gauss(shift, noise) if own.random() < 0.6 else 0)))) for d in depth]
    return [r if r <= 100 else None for r in out]


def training_rows(preset: str, name: str, seed: int, updates: int = 63) -> list[Row]:
    first, last = SYSTEMS[KNOBS[name][1] if name in KNOBS else name][4] or (0.0, 0.0)
    draw = random.Random(f"train {preset} {name} {seed}")
    rows = []
    for step in range(1, updates + 1):
        done = step / updates
        falling = last + (first - last) * math.exp(-4 * done)
        values = {
            "train/loss": falling + draw.gauss(0, 0.09),
            "train/learning_rate": 2e-5 * min(done / 0.1, (1 - done) / 0.9),
            "train/gradient_norm": 3.5 * math.exp(-done) + abs(draw.gauss(0, 0.5)),
            "train/active_share": 1.0 if name != "in_batch" else 0.5,
            "train/padding_share": 0.05 + 0.02 * draw.random(),
            "train/tokens_per_second": 2400 + draw.gauss(0, 90),
        }
        if step % 8 == 0:
            values["train/cosine_accuracy/random"] = 0.9 + 0.06 * done + draw.gauss(0, 0.004)
            values["train/cosine_accuracy/hard"] = 0.7 + 0.08 * done + draw.gauss(0, 0.004)
            values["geometry/overlap@10/document"] = 1 - 0.4 * done
        rows += [
            Row(STUDY, preset, name, seed, "docstrings", "test", step, "", m, float(f"{v:.6g}"))
            for m, v in values.items()
        ]
    return rows


def evaluated(preset: str, name: str, seed: int, collection: str, queries: int) -> list[Row]:
    return [
        Row(STUDY, preset, name, seed, collection, "test", -1, f"q{number}", measure, value)
        for number, rank in enumerate(ranks(name, queries, seed, preset))
        for measure, value in measures(rank).items()
    ]


def rows(queries: int) -> list[Row]:
    out = []
    for preset in PRESETS:
        for name in systems_of(preset):
            for seed in shape(preset, name)[2]:
                out += evaluated(preset, name, seed, "docstrings", queries)
                if name in KNOBS or SYSTEMS[name][4]:
                    out += training_rows(preset, name, seed)
    for name in ("bm25", "base"):
        out += evaluated("corrected", name, 0, "docstrings, whole corpus", 2 * queries)
    for condition, ranking in (("base, 45 chunks", 2.0), ("LoRA unmerged, 45 chunks", 2.1), ("base, 89 chunks", 3.9)):
        draw = random.Random(condition)
        for repeat in range(3):
            seconds = {"encode": draw.uniform(1.0, 1.1), "score": draw.uniform(0.4, 0.5), "rank": ranking}
            out += [
                Row(STUDY, "clocks", condition, 0, "docstrings", "test", -1, str(repeat), f"clock/{stage}/s", value)
                for stage, value in (*seconds.items(), ("total", sum(seconds.values())))
            ]
    return out


def claims(queries: int, preset: str) -> list[dict[str, Any]]:
    """Judged by the real rules on the drawn values."""

    def values(name: str) -> list[dict[str, float]]:
        return [
            {f"q{i}": measures(rank)["RR@10"] for i, rank in enumerate(ranks(name, queries, seed, preset))}
            for seed in shape(preset, name)[2]
        ]

    def effect(number: str, statement: str, system: str, rule: Rule) -> dict[str, Any]:
        theirs = PUBLISHED.get(system, {}).get("RR@10")
        base = PUBLISHED["base"]["RR@10"]
        claim = Claim(
            number, "arXiv 2506.18535", "table 5.1", "effect", statement, rule, system, "base", "docstrings", "RR@10",
            theirs, base,
        )  # fmt: skip
        return judge(claim, values(system), values("base")).as_json()

    count = Claim(
        "T1", "arXiv 2506.18535", "section 4.4", "arithmetic",
        "LoRA of rank 16 on query and value trains 884,736 parameters.", "value", published=884736,
    )  # fmt: skip
    note = {"note": "12,288 a matrix × 2 matrices × 6 layers; the printed figure has 12 heads in place of 2 matrices."}
    found = [
        judge_figure(count, 147456).as_json() | note | {"rerun": "strop study show T1"},
        effect("T5", "LoRA on hard negatives is worse than the base.", "lora_hard", "below"),
        effect("T6", "Full fine-tuning on random negatives is worse than the base.", "full_random", "below"),
        effect("T16", "No fine-tuning of the base improves it.", "in_batch", "below"),
    ]
    return [item | {"preset": preset} for item in found]


def exhibits(queries: int) -> Exhibits:
    drawn = {name: [ranks(name, queries, seed) for seed in shape("corrected", name)[2]] for name in SYSTEMS}
    topics = ("the inverse of a banded matrix", "the shortest path between two nodes", "a window of the signal")
    return replace(
        shared(),
        queries={
            f"q{i}": QueryRanks(
                f"Compute {topics[i % 3]} for input number {i}, and return it as a new array.",
                {name: tuple(seed[i] for seed in drawn[name]) for name in SYSTEMS},
            )
            for i in range(queries)
        },
    )


def trained(preset: str, name: str) -> TrainingAbout:
    chosen = 6e-5 if preset == "corrected" else 2e-5
    return TrainingAbout(
        values={
            "learning_rate": chosen,
            "batch": 32,
            "tuning": "LoRA" if "lora" in name else "Full",
            "loss": {"type": "TripletLoss", "margin": 1.0 if name == "normalised" else 5.0, "distance": "l2"},
        },
        updates=63,
        sum_learning_rates=0.000567,
        learning_rate=chosen,
        wall_seconds=141.2,
        rates={"2e-05": 0.41, "6e-05": 0.43, "0.0002": 0.39} if preset == "corrected" else None,
    )


def record() -> Record:
    return Record(
        study=STUDY,
        title="When fine-tuning fails (synthetic)",
        paper="arXiv 2506.18535",
        seeds=(0, 1, 2),
        deviations=("Batches of 32 in place of 1,024.", "63 updates in place of 2,358."),
        scale="desk",
        presets_run=PRESETS,
        command="strop study run when_finetuning_fails --scale desk",
        baseline="base",
        primary_measure="RR@10",
        systems={
            **{
                name: SystemAbout(label, f"Drawn: {label.lower()}, nothing trained.")
                for name, (label, *_) in SYSTEMS.items()
            },
            **{name: SystemAbout(label) for name, (_, _, label, _) in KNOBS.items()},
        },
        trained={
            preset: {n: trained(preset, n) for n in systems_of(preset) if n in KNOBS or SYSTEMS[n][4]}
            for preset in PRESETS
        },
        unfinished=("one_knob/short, seed 0", "one_knob/all, seed 0"),
        contrasts=tuple(
            Contrast(point=point, preset="one_knob", system=name, centre=centre, label=label)
            for name, (point, centre, label, _) in KNOBS.items()
        ),
        published=PUBLISHED,
        tables=TABLES,
        collections={
            "docstrings/test": CollectionAbout(200, 1731, "9f2c" * 16, ("odd",)),
            "docstrings/train": CollectionAbout(120, 1731, "71ab" * 16),
        },
        weights=Weights("sentence-transformers/all-MiniLM-L6-v2", "53aa" * 16),
        versions={"strop": "0.1.0", "python": "3.12.3", "torch": "2.11.0", "transformers": "5.23.0"},
        stages=(
            StageAbout("collect", "0a1b2c3d4e5f60718293", 14.2),
            StageAbout("train lora_hard", "1b2c3d4e5f60718293a4", 141.2),
            StageAbout("encode", "2c3d4e5f60718293a4b5", 63.0),
            StageAbout("evaluate", "3d4e5f60718293a4b5c6", 2.1),
        ),
        presets={
            "margin": {"as_written": None, "as_coded": 5.0, "corrected": 0.2},
            "distance": {"as_written": "l2 squared", "as_coded": "l2", "corrected": "cosine"},
            "batch": {"as_written": 128, "as_coded": 1024, "corrected": 1024},
        },
    )


def results(queries: int = 200, **changes: Any) -> Results[Record]:
    """The whole of it; `changes` replace a part (rows, claims, exhibits, record)."""
    parts: dict[str, Any] = {
        "rows": tuple(rows(queries)),
        "claims": tuple(item for preset in READINGS for item in claims(queries, preset)),
        "exhibits": exhibits(queries),
        "record": record(),
    }
    return Results(**(parts | changes))


def read_as(preset: str, queries: int = 200) -> Results[Record]:
    """A folder in which only one preset was run."""
    whole = results(queries)
    return Results(
        tuple(r for r in whole.rows if r.preset == preset),
        tuple(c for c in whole.claims if c["preset"] == preset),
        whole.exhibits,
        replace(record(), presets_run=(preset,), trained={preset: whole.record.trained[preset]}, contrasts=()),
    )


def folder(path: Path, **changes: Any) -> Path:
    write_results(results(**changes), path)
    return path
