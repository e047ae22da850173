"""SYNTHETIC exhibits for the report: every number here is drawn or made up, none is measured."""

from __future__ import annotations

import math
import random

from strop.records.exhibits.audit import (
    Audit,
    Duplicates,
    LengthHistogram,
    Lengths,
    Overlap,
    SplitAbout,
    Spread,
)
from strop.records.exhibits.negatives import NegativesAbout
from strop.records.exhibits.parameters import Ledger
from strop.records.exhibits.projection import Projection, ProjectionOverlap, ProjectionPanel, VectorsAbout
from strop.records.exhibits.questions import Grid, Question
from strop.records.results import Exhibits


def shared() -> Exhibits:
    """Every exhibit but the queries, the geometry, and those of rerankers and of several collections."""
    return Exhibits(
        published_loss={
            "full_random": ((500, 1.57), (1000, 0.93), (1500, 0.85), (2000, 0.80)),
            "lora_hard": ((500, 4.11), (1000, 3.27), (1500, 3.15), (2000, 3.10)),
        },
        parameters=(
            Ledger(
                system="full_random",
                total=22713216,
                trainable=22713216,
                by_part={"embeddings": 11917440, "encoder": 10647936, "pooler": 147840},
                share=1.0,
                published=None,
                note="The pooler's 147,840 never receive a gradient.",
            ),
            Ledger(
                system="lora_hard",
                total=22713216,
                trainable=147456,
                by_part={"query": 73728, "value": 73728},
                share=147456 / 22713216,
                published=884736,
                note="12,288 × 2 matrices × 6 layers = 147,456; the printed count multiplies by 12 heads instead.",
            ),
        ),
        negatives={
            "as coded": _negatives((3, 2, 610, 1390, 4), 0.312),
            "drawn": _negatives(
                (340, 330, 345, 322, 672), 0.305, "not harder than uniform ones: +0.007 in cosine to the query"
            ),
        },
        points=points(),
        projection=projection(),
        audit=audit(),
    )


def _negatives(counts: tuple[int, ...], gap: float, reading: str | None = None) -> NegativesAbout:
    bins = ((51, 75), (76, 100), (101, 125), (126, 150), (151, 200))
    return NegativesAbout(
        count=2009,
        queries=2009,
        sources={"rank": 2009},
        rank_histogram=tuple((low, high, n) for (low, high), n in zip(bins, counts, strict=True)),
        mean_similarity_gap=gap,
        gap_interval=(gap - 0.01, gap + 0.01),
        above_positive=0.021,
        active_share=1.0,
        reading=reading,
    )


def audit() -> Audit:
    return Audit(
        collection="docstrings",
        documents=1731,
        documents_examined=1731,
        splits={
            name: SplitAbout(
                queries=n,
                judgments=n,
                grades={"1": n},
                positives=Spread(1, 1.0, 1),
                queries_without_relevant=0,
                absent_documents=0,
                reserved_documents=0,
                fingerprint="9f2c" * 16,
            )
            for name, n in (("train", 1209), ("dev", 150), ("test", 200))
        },
        duplicates=Duplicates(exact=0, near=14),
        overlap={"test": Overlap(200, 0, 200, 0, 200, 0)},
        lengths={
            "limit": 256,
            **{
                role: Lengths(
                    median=float(median),
                    p90=3.0 * median,
                    max=9 * median,
                    truncated=median // 4,
                    truncated_share=median / 9000,
                    histogram=LengthHistogram(
                        edges=tuple(round(median * i / 7, 2) for i in range(21)),
                        counts=tuple(round(400 * math.exp(-abs(i - 7) / 3)) for i in range(20)),
                        last_bin="and all longer ones",
                    ),
                )
                for role, median in (("documents", 61), ("queries/test", 12))
            },
        },
        warnings=("3 queries were dropped: their text is empty.",),
        readings=(
            "1,731 documents and 200 test queries; each query has one relevant document.",
            "No test query's relevant document is a training positive.",
        ),
    )


def points() -> tuple[Question, ...]:
    """Out of order, one of each verdict, one that only a test shows."""
    table = Grid(
        "Parameters that train, by targets",
        ("targets", "PEFT's count", "share"),
        (("query, value", "147,456", "0.649 %"), ("query, key, value, output", "294,912", "1.298 %")),
    )

    def point(
        name: str, kind: str, verdict: str, doubt: str, sentence: str, test: str = "", tables: tuple[Grid, ...] = ()
    ) -> Question:
        return Question(name, kind, doubt, test, verdict, sentence, tables)

    return (
        point("T10", "effect", "not resolved", "Rank 50 or 51?", "Ranks 50 and 51 differ by +0.001 [−0.020, +0.022]."),
        point(
            "T1", "arithmetic", "shown", "The printed count multiplies by 12 heads.",
            "PEFT counts 147,456 where 884,736 are printed, 6 times as many.", tables=(table,),
        ),
        point("T9", "defect", "shown by a test", "The sampler stops with a KeyError.", "", "tests/test_sampler.py"),
        point("T8", "mechanism", "not shown", "One fixed rank for all.", "The 800 queries take 93 different ranks."),
        point("T23", "effect", "not run", "Half precision makes ties.", ""),
    )  # fmt: skip


def projection() -> Projection:
    draw = random.Random("projection")
    systems = ("base", "lora_hard")
    place = tuple((draw.gauss(0, 1), draw.gauss(0, 1)) for _ in range(40))
    return Projection(
        baseline="base",
        seeds=(42,),
        pairs=20,
        drawn_pairs=20,
        neighbours=15,
        min_dist=0.1,
        panels=tuple(ProjectionPanel("separate", False, 42, s, 0.9, 0.6, place) for s in systems),
        table=tuple(VectorsAbout(s, (1.0, 0.1), 0.7, -3.0, -3.1, 80.2, 90.1) for s in systems),
        overlaps=tuple(ProjectionOverlap("separate", False, s, 0.4, 0.3) for s in systems),
    )
