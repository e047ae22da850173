"""How long a model takes to answer a collection's test queries."""

from __future__ import annotations

import statistics

from strop.artifacts.progress import Progress
from strop.artifacts.store import store
from strop.bench.latency import STAGES, Chunked, Condition, Exact, latencies, measure
from strop.collection import door
from strop.models.dense import Dense
from strop.models.pretrained import resolve
from strop.retrieval import stages

#: Queries that are timed: the first of the test split, or all there are.
QUERIES = 10_000
#: Chunks of the loop beside strop's own search: those of "When Fine-Tuning Fails", for the base and for LoRA.
CHUNKS = (45, 89)


def latency_table(model: str, on: str, repeats: int, progress: Progress) -> list[list[str]]:
    """Rows, header first: strop's own search and the chunked loop (`latency.Chunked`), timed in turns.

    A stage is the median over repeats of the seconds for all queries; percentiles are milliseconds for a batch of
    `latency.BATCH`. Passages are encoded before the clock runs.
    """
    data, pretrained = door.load(on, "test", store().docstrings), resolve(model)
    documents = {d.id: d.contents for d in data.documents.values()}
    vectors = stages.Vectors.load(stages.encode_texts(store(), pretrained, documents, "document", progress))
    encoder = Dense.load(pretrained.path)
    conditions = [Condition("strop's search", encoder, Exact())]
    conditions += [Condition(f"{n} chunks", encoder, Chunked(n)) for n in CHUNKS]
    texts = [q.text for q in data.queries.values()][:QUERIES]
    with progress(f"answer {len(texts):,} queries in turns", len(texts) * repeats * len(conditions)) as advance:
        timings = measure(conditions, texts, vectors.matrix[:], repeats, progress=advance)
    rows = [["way to search", *(f"{stage} s" for stage in STAGES), "p50 ms", "p95 ms", "p99 ms", "queries/s"]]
    for condition in conditions:
        own = [t for t in timings if t.condition == condition.name]
        medians = [statistics.median(t.seconds(stage) for t in own) for stage in STAGES]
        overall = latencies(timings, condition.name)
        rows.append([condition.name, *(f"{s:.2f}" for s in medians)])
        rows[-1] += [f"{1000 * p:.0f}" for p in (overall.p50, overall.p95, overall.p99)]
        rows[-1].append(f"{overall.queries_per_second:.1f}")
    return rows
