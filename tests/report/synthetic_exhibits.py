"""SYNTHETIC exhibits for the report: every number here is drawn or made up, none is measured."""

from __future__ import annotations

import math
import random
from typing import Any


def shared() -> dict[str, Any]:
    """Every exhibit but the queries."""
    return {
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
        "points": points(),
        "projection": projection(),
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


def points() -> list[dict[str, Any]]:
    """Out of order, one of each verdict, one that only a test shows."""
    table = {
        "title": "Parameters that train, by targets",
        "columns": ["targets", "PEFT's count", "share"],
        "rows": [["query, value", "147,456", "0.649 %"], ["query, key, value, output", "294,912", "1.298 %"]],
    }

    def point(name: str, kind: str, verdict: str, doubt: str, sentence: str, **more: Any) -> dict[str, Any]:
        shown = {"id": name, "kind": kind, "doubt": doubt, "verdict": verdict, "sentence": sentence}
        return {**shown, "test": "", "tables": [], **more}

    return [
        point("T10", "effect", "not resolved", "Rank 50 or 51?", "Ranks 50 and 51 differ by +0.001 [−0.020, +0.022]."),
        point(
            "T1", "arithmetic", "shown", "The printed count multiplies by 12 heads.",
            "PEFT counts 147,456 where 884,736 are printed, 6 times as many.", tables=[table],
        ),
        point("T9", "defect", "shown", "The sampler stops with a KeyError.", "", test="tests/test_sampler.py"),
        point("T8", "mechanism", "not shown", "One fixed rank for all.", "The 800 queries take 93 different ranks."),
        point("T23", "effect", "not run", "Half precision makes ties.", ""),
    ]  # fmt: skip


def projection() -> dict[str, Any]:
    draw = random.Random("projection")
    systems = ("base", "lora_hard")
    place = [[draw.gauss(0, 1), draw.gauss(0, 1)] for _ in range(40)]
    about = {"fit": "separate", "normalised": False}
    return {
        "baseline": "base",
        "pairs": 20,
        "neighbours": 15,
        "seeds": [42],
        "panels": [
            {**about, "seed": 42, "system": s, "trustworthiness": 0.9, "clumping": 0.6, "points": place}
            for s in systems
        ],
        "overlaps": [{**about, "system": s, "seed_overlap": 0.4, "model_overlap": 0.3} for s in systems],
        "table": [
            {
                "system": s,
                "length": [1.0, 0.1],
                "alignment": 0.7,
                "uniformity_queries": -3.0,
                "uniformity_positives": -3.1,
                "effective_rank_queries": 80.2,
                "effective_rank_positives": 90.1,
            }
            for s in systems
        ],
    }
