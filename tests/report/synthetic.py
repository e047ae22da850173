"""A SYNTHETIC results folder for developing and testing the report: every number here is drawn, none is measured."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from strop.claims import Claim, Rule, judge, judge_figure, judge_mechanism
from strop.results import Results, Row, write_results

STUDY, PRESET = "when_finetuning_fails", "as_coded"
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


def measures(rank: int | None) -> dict[str, float]:
    """Known-item values of one query from the rank of its only relevant document."""
    at = rank or 10**9
    return {
        "RR@10": 1 / at if at <= 10 else 0.0,
        "RR@100": 1 / at if at <= 100 else 0.0,
        "nDCG@10": 1 / math.log2(at + 1) if at <= 10 else 0.0,
        "R@100": float(at <= 100),
    }


def ranks(name: str, queries: int, seed: int) -> list[int | None]:
    shared = random.Random(f"queries {queries}")
    depth = [shared.gammavariate(0.9, 1.6) for _ in range(queries)]
    own = random.Random(f"{name} {seed}")
    _, shift, noise, *_ = SYSTEMS[name]
    out = [max(1, round(math.exp(d + (own.gauss(shift, noise) if own.random() < 0.6 else 0)))) for d in depth]
    return [r if r <= 100 else None for r in out]


def training_rows(name: str, seed: int, updates: int = 63) -> list[Row]:
    first, last = SYSTEMS[name][4] or (0.0, 0.0)
    draw = random.Random(f"train {name} {seed}")
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
            values["train/cosine_accuracy"] = 0.78 + 0.08 * done + draw.gauss(0, 0.004)
        rows += [
            Row(STUDY, PRESET, name, seed, "docstrings", "train", step, "", m, float(f"{v:.6g}"))
            for m, v in values.items()
        ]
    return rows


def rows(collections: dict[str, int]) -> list[Row]:
    out = []
    for name, (_, _, _, seeds, losses) in SYSTEMS.items():
        for seed in seeds:
            for collection, queries in collections.items():
                for number, rank in enumerate(ranks(name, queries, seed)):
                    out += [
                        Row(STUDY, PRESET, name, seed, collection, "test", -1, f"q{number}", measure, value)
                        for measure, value in measures(rank).items()
                    ]
            if losses:
                out += training_rows(name, seed)
    return out


def claims(queries: int) -> list[dict[str, Any]]:
    """Judged by the real rules on the drawn values."""

    def values(name: str) -> list[dict[str, float]]:
        return [
            {f"q{i}": measures(rank)["RR@10"] for i, rank in enumerate(ranks(name, queries, seed))}
            for seed in SYSTEMS[name][3]
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
    rank = Claim(
        "T8", "arXiv 2506.18535", "section 4.2", "mechanism",
        "The one negative of a query is a fixed rank, not a random one of ranks 51 to 200.", "shown",
    )  # fmt: skip
    note = {"note": "12,288 a matrix × 2 matrices × 6 layers; the printed figure has 12 heads in place of 2 matrices."}
    return [
        judge_figure(count, 147456).as_json() | note | {"rerun": "strop study show T1"},
        judge_mechanism(rank, True).as_json() | {"rerun": "strop study show T8"},
        effect("T5", "LoRA on hard negatives is worse than the base.", "lora_hard", "below"),
        effect("T6", "Full fine-tuning on random negatives is worse than the base.", "full_random", "below"),
        effect("T16", "No fine-tuning of the base improves it.", "in_batch", "below"),
    ]


def exhibits(queries: int) -> dict[str, Any]:
    drawn = {name: [ranks(name, queries, seed) for seed in SYSTEMS[name][3]] for name in SYSTEMS}
    topics = ("the inverse of a banded matrix", "the shortest path between two nodes", "a window of the signal")
    return {
        "queries": {
            f"q{i}": {
                "text": f"Compute {topics[i % 3]} for input number {i}, and return it as a new array.",
                "systems": {name: [seed[i] for seed in drawn[name]] for name in SYSTEMS},
            }
            for i in range(queries)
        },
        "published_loss": {
            "full_random": [[500, 1.57], [1000, 0.93], [1500, 0.85], [2000, 0.80]],
            "lora_hard": [[500, 4.11], [1000, 3.27], [1500, 3.15], [2000, 3.10]],
        },
        "parameters": [
            {
                "system": "full_random",
                "total": 22713216,
                "trainable": 22713216,
                "share": 1.0,
                "by_part": {"embeddings": 11917440, "encoder": 10647936, "pooler": 147840},
                "published": None,
                "note": "The pooler's 147,840 never receive a gradient.",
            },
            {
                "system": "lora_hard",
                "total": 22713216,
                "trainable": 147456,
                "share": 147456 / 22713216,
                "by_part": {"query": 73728, "value": 73728},
                "published": 884736,
                "note": "12,288 × 2 matrices × 6 layers = 147,456; the printed count multiplies by 12 heads instead.",
            },
        ],
        "negatives": {
            "as coded": {
                "rank_histogram": [[51, 75, 3], [76, 100, 2], [101, 125, 610], [126, 150, 1390], [151, 200, 4]],
                "mean_similarity_gap": 0.312,
                "active_share": 1.0,
                "count": 2009,
                "false_negative_share": 0.021,
            },
            "drawn": {
                "rank_histogram": [[51, 75, 340], [76, 100, 330], [101, 125, 345], [126, 150, 322], [151, 200, 672]],
                "mean_similarity_gap": 0.305,
                "active_share": 1.0,
                "count": 2009,
                "false_negative_share": 0.024,
                "reading": "not harder than uniform ones: +0.007 in cosine to the query",
            },
        },
        "audit": {
            "readings": [
                "1,731 documents and 200 test queries; each query has one relevant document.",
                "No test query's relevant document is a training positive.",
            ],
            "warnings": ["3 queries were dropped: their text is empty."],
            "collection": "docstrings",
            "documents": 1731,
            "splits": {
                name: {
                    "queries": n,
                    "grades": {"1": n},
                    "positives": {"min": 1, "median": 1.0, "max": 1},
                    "queries_without_relevant": 0,
                    "fingerprint": "9f2c" * 16,
                }
                for name, n in (("train", 1209), ("dev", 150), ("test", 200))
            },
            "duplicates": {"exact": 0, "near": 14},
            "overlap": {"test": {"queries": 200, "queries_asked_in_training": 0, "relevant": 200, "known": 0}},
            "lengths": {
                "limit": 256,
                **{
                    role: {
                        "median": float(median),
                        "max": 9 * median,
                        "truncated": median // 4,
                        "truncated_share": median / 9000,
                        "histogram": {
                            "edges": [round(median * i / 7, 2) for i in range(21)],
                            "counts": [round(400 * math.exp(-abs(i - 7) / 3)) for i in range(20)],
                            "last_bin": "and all longer ones",
                        },
                    }
                    for role, median in (("documents", 61), ("queries/test", 12))
                },
            },
            "exposure": ["MS MARCO", "NQ", "S2ORC", "code search"],
        },
    }


def record() -> dict[str, Any]:
    trained = {
        "updates": 63,
        "sum_learning_rates": 0.000567,
        "wall_seconds": 141.2,
    }
    values = {"learning_rate": 2e-5, "batch": 32, "loss": {"type": "TripletLoss", "margin": 5.0, "distance": "l2"}}
    return {
        "study": STUDY,
        "title": "When fine-tuning fails (synthetic)",
        "paper": "arXiv 2506.18535",
        "seeds": [0, 1, 2],
        "deviations": ["Batches of 32 in place of 1,024.", "63 updates in place of 2,358."],
        "scale": "quick",
        "preset": PRESET,
        "command": "strop study run when_finetuning_fails --scale quick",
        "baseline": "base",
        "primary_measure": "RR@10",
        "systems": {
            name: {
                "label": label,
                "note": f"Drawn: {label.lower()}, nothing trained.",
                "values": values if losses else {},
                **(trained if losses else {}),
            }
            for name, (label, _, _, _, losses) in SYSTEMS.items()
        },
        "published": PUBLISHED,
        "collections": {
            "docstrings": {"split": "test", "fingerprint": "9f2c" * 16, "documents": 1731, "queries": 200},
            "docstrings-held-out": {"split": "test", "fingerprint": "71ab" * 16, "documents": 1731, "queries": 120},
        },
        "weights": {"name": "sentence-transformers/all-MiniLM-L6-v2", "sha256": "53aa" * 16},
        "versions": {"strop": "0.1.0", "python": "3.12.3", "torch": "2.11.0", "transformers": "5.23.0"},
        "stages": [
            {"name": "collect", "key": "0a1b2c3d4e5f60718293", "wall_seconds": 14.2},
            {"name": "train lora_hard", "key": "1b2c3d4e5f60718293a4", "wall_seconds": 141.2},
            {"name": "encode", "key": "2c3d4e5f60718293a4b5", "wall_seconds": 63.0},
            {"name": "evaluate", "key": "3d4e5f60718293a4b5c6", "wall_seconds": 2.1},
        ],
        "presets": {
            "margin": {"as_written": None, "as_coded": 5.0, "corrected": 0.2},
            "distance": {"as_written": "l2 squared", "as_coded": "l2", "corrected": "cosine"},
            "batch": {"as_written": 128, "as_coded": 1024, "corrected": 1024},
        },
    }


def results(queries: int = 200, **changes: Any) -> Results:
    """The whole of it; `changes` replace a part (rows, claims, exhibits, record)."""
    parts: dict[str, Any] = {
        "rows": tuple(rows({"docstrings": queries, "docstrings-held-out": 3 * queries // 5})),
        "claims": tuple(claims(queries)),
        "exhibits": exhibits(queries),
        "record": record(),
    }
    return Results(**(parts | changes))


def folder(path: Path, **changes: Any) -> Path:
    write_results(results(**changes), path)
    return path
