"""How long a model takes to answer a collection's test queries."""

from __future__ import annotations

import numpy as np

from strop.artifacts.progress import Progress
from strop.artifacts.store import store
from strop.bench.latency import STAGES, Condition, Exact, Timings, measure
from strop.collection import door
from strop.models.dense import Dense
from strop.models.pretrained import resolve
from strop.retrieval import stages

#: Queries that are timed: the first of the test split, or all there are.
QUERIES = 10_000


def latency_table(model: str, on: str, repeats: int, progress: Progress) -> list[list[str]]:
    """Rows, header first, of strop's own search.

    A stage is the median over repeats of the seconds for all queries; percentiles are milliseconds for a batch of
    `latency.BATCH`. Passages are encoded before the clock runs.
    """
    data, pretrained = door.load(on, "test", store().docstrings), resolve(model)
    documents = {d.id: d.contents for d in data.documents.values()}
    vectors = stages.Vectors.load(stages.encode_texts(store(), pretrained, documents, "document", progress))
    encoder = Dense.load(pretrained.path)
    conditions = {"strop's search": Condition(encoder, Exact())}
    texts = [q.text for q in data.queries.values()][:QUERIES]
    with progress(f"answer {len(texts):,} queries", len(texts) * repeats) as advance:
        return timings_table(measure(conditions, texts, vectors.matrix[:], repeats, progress=advance), len(texts))


def timings_table(timings: Timings, queries: int) -> list[list[str]]:
    """Rows, header first, of so many queries a repeat; percentiles are linear between neighbours."""
    rows = [["way to search", *(f"{stage} s" for stage in STAGES), "p50 ms", "p95 ms", "p99 ms", "queries/s"]]
    for name, seconds in timings.items():
        totals = seconds[..., -1]
        stages = [f"{s:.2f}" for s in np.median(seconds.sum(axis=1), axis=0)]
        percentiles = [f"{1000 * p:.0f}" for p in np.percentile(totals, (50, 95, 99))]
        rows.append([name, *stages, *percentiles, f"{queries * len(totals) / totals.sum():.1f}"])
    return rows
