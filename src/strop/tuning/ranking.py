"""One way for every kind of model to rank a collection: it searches, or reorders what BM25 finds."""

from __future__ import annotations

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Store
from strop.evaluation.measures import evaluate
from strop.models.pretrained import Pretrained
from strop.models.scoring import Precision
from strop.records.documents import Collection
from strop.records.runs import Run
from strop.retrieval.by_vectors import VectorPerText
from strop.retrieval.lexical import BM25
from strop.retrieval.retriever import retriever_of
from strop.retrieval.stages import run_of
from strop.retrieval.task import Task

MEASURE = "nDCG@10"
#: Documents kept for each query: more than the measure looks at, for the ranks of answers that are shown.
DEPTH = 100


def ranked(
    store: Store,
    model: Pretrained,
    collection: Collection,
    precision: Precision,
    candidates: int,
    progress: Progress = silent,
    dims: int | None = None,
) -> Run:
    """A cross-encoder reorders BM25's first `candidates` documents; any other model searches all of them, by its
    vectors' first `dims` numbers where that is given."""
    task = Task.of(collection, store, progress, precision)
    retriever = retriever_of(model) if dims is None else VectorPerText(model, dims)
    if retriever.has_geometry:
        return run_of(retriever.search(task, DEPTH))
    first = run_of(retriever_of(BM25()).search(task, candidates))
    return run_of(retriever.rerank(task, first, candidates, precision))


def values(run: Run, collection: Collection) -> dict[str, float]:
    """The measure of every judged query."""
    return evaluate(run, collection.qrels, [MEASURE])[MEASURE]
