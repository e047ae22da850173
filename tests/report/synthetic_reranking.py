"""A SYNTHETIC exhibit of rerankers on two collections: every number is drawn, none measured."""

from __future__ import annotations

import random

from strop.records.exhibits.reranking import (
    Candidates,
    CandidateSet,
    RankingCost,
    RerankedSystem,
    Reranking,
    RerankingComparison,
)

SYSTEMS = {
    "bm25": "BM25",
    "adamw": "MiniLM, AdamW",
    "lion": "MiniLM, Lion",
    "lion_own": "MiniLM, Lion, own passages",
    "modernbert": "ModernBERT, random weights",
}
#: name -> (split, queries, the first stage's nDCG@10, its ceiling, its depth note, graded)
COLLECTIONS: dict[str, tuple[str, int, float, float, str, bool]] = {
    "nq_small": ("test", 300, 0.61, 0.93, "depth 100", False),
    "msmarco_dl": ("dl19", 43, 0.51, 0.89, "depth 100, 3 of 43 queries have fewer (at least 12)", True),
}
MEASURES = ("nDCG@10", "RR@10", "AP", "Rprec", "P@10", "R@10", "Judged@10")
BINARY = MEASURES[1:6]


def exhibit(presets: tuple[str, ...] = ("equalised", "as_published")) -> Reranking:
    """Differences of Lion and AdamW far below what is resolved, and of both and BM25 far above it."""
    parts = [
        _one(preset, collection, random.Random(f"{preset} {collection}"))
        for preset in presets
        for collection in COLLECTIONS
    ]
    return Reranking(
        measure="nDCG@10",
        panels=tuple(part.panels[0] for part in parts),
        rows=tuple(row for part in parts for row in part.rows),
        comparisons=tuple(row for part in parts for row in part.comparisons),
        candidates=tuple(row for part in parts for row in part.candidates),
        stages=tuple(row for part in parts for row in part.stages),
    )


def _one(preset: str, collection: str, rng: random.Random) -> Reranking:
    split, queries, first, best, note, graded = COLLECTIONS[collection]

    def values(height: float) -> dict[str, dict[str, float]]:
        of = {"1": {m: round(min(1.0, height + rng.uniform(-0.1, 0.1)), 4) for m in MEASURES} | {"nDCG@10": height}}
        return of | ({"2": {m: round(of["1"][m] * 0.8, 4) for m in BINARY}} if graded else {})

    detectable = 2.8 * 0.12 / queries**0.5
    panel = Candidates(
        preset, collection, split, queries, first="bm25", first_label="BM25", depth=100, depth_note=note, value=first,
        judged=0.97, ceiling=best, ceilings=values(best), sd=0.12, sd_of=("adamw", "lion"), detectable=detectable,
    )  # fmt: skip
    reached = {"bm25": first, "adamw": first + 0.11, "lion": first + 0.112, "lion_own": 0.93}
    rows = [
        RerankedSystem(
            preset, collection, name, label, seeds=1 if name == "bm25" else 3, random=name not in reached,
            values=values(reached[name]) if name in reached else {},
        )
        for name, label in SYSTEMS.items()
    ]  # fmt: skip
    comparisons = []
    for a, b, p in (("lion", "adamw", 0.7), ("lion", "bm25", 0.001), ("bm25", "adamw", 0.001)):
        difference = reached[a] - reached[b]
        comparisons.append(
            RerankingComparison(
                preset, collection, a, b, "nDCG@10", queries, seeds=3, mean_a=reached[a], mean_b=reached[b],
                difference=difference, low=difference - 0.7 * detectable, high=difference + 0.7 * detectable, p=p,
                sd=0.12, won=12, tied=queries - 20, lost=8, detectable=detectable,
                needed=round((2.8 * 0.12 / difference) ** 2),
            )
        )  # fmt: skip
    candidates = [
        CandidateSet(
            preset, collection, by="lion", system=system, label=SYSTEMS[system], first=own, first_label=own, depth=100,
            depth_note=depth, first_value=first if own == "BM25" else 0.7, ceiling=best if own == "BM25" else 1.0,
            value=reached[system], judged=0.9,
        )
        for system, own, depth in (("lion", "BM25", note), ("lion_own", "own passages", "depth 10"))
    ]  # fmt: skip
    stages = []
    for name, label in SYSTEMS.items():
        pairs = None if name == "bm25" else 100 * queries
        stages.append(
            RankingCost(
                preset, collection, name, label, "rerank" if pairs else "lexical", wall_seconds=0.4 * queries,
                pairs=pairs, tokens=pairs and pairs * 90, cut=pairs and 3, ms_per_query=390.0,
            )
        )  # fmt: skip
    return Reranking("nDCG@10", (panel,), tuple(rows), tuple(comparisons), tuple(candidates), tuple(stages))
