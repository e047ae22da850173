"""Rankings as artifacts: searched, given, fused, or put in a new order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from strop.artifacts.progress import Progress
from strop.artifacts.store import Artifact, Stage, Store, content_key
from strop.models.scoring import Precision
from strop.records.documents import Collection
from strop.records.errors import InputError
from strop.records.runs import Run, read_run, write_run
from strop.retrieval.fuse import Fusion
from strop.retrieval.rerank import check_known
from strop.retrieval.retriever import Retriever
from strop.retrieval.stages import run_of
from strop.retrieval.texts import own_documents, texts
from strop.retrieval.windows import Windows

GIVEN = Stage("given", 1)
FUSED = Stage("fused", 1)
WITH_POSITIVE = Stage("with_positive", 1)


def read_candidates(paths: Sequence[str]) -> Run:
    """The TREC runs of several files as one. Raises InputError when two have a query in common."""
    rankings: dict[str, tuple[tuple[str, ...], Sequence[float]]] = {}
    for path in paths:
        for query_id, ranking in read_run(path).items():
            if query_id in rankings:
                raise InputError(f"query {query_id!r} is in another file too", where=path, remedy="Leave one out")
            rankings[query_id] = ranking.doc_ids, ranking.scores.tolist()
    return Run(rankings)


def of_collection(candidates: Run, collection: Collection, depth: int) -> tuple[Collection, Run] | None:
    """The candidates of a collection's queries, `depth` at most, and the collection with no documents but these and a
    positive of each query; None where no query has any, or most of the documents are another collection's.

    Its warnings tell of judged queries without candidates, which score 0. Raises InputError when a candidate is no
    document of it.
    """
    own = Run({q: ranking for q, ranking in candidates.items() if q in collection.queries}).top(depth)
    ranked = dict.fromkeys(d for of in own.values() for d in of.doc_ids)
    if 2 * sum(d in collection.documents for d in ranked) <= len(ranked):
        return None
    check_known(own, *texts(collection))
    positives = [positive for q in own if (positive := _positive(collection, q))]
    lacking = sum(q not in own for q in collection.qrels)
    problem = f"{lacking:,} of {len(collection.qrels):,} judged queries have no candidates and score 0"
    documents = {d: collection.documents[d] for d in dict.fromkeys((*ranked, *positives))}
    key = content_key(collection.fingerprint, [[q, of.doc_ids, of.scores.tolist()] for q, of in own.items()])
    warnings = (*collection.warnings, problem) if lacking else collection.warnings
    return replace(collection, documents=documents, fingerprint=key, warnings=warnings), own


def given(store: Store, run: Run, collection: Collection) -> Artifact:
    """Artifact `given`: `run.trec`, a ranking that was made elsewhere."""
    ranked = content_key([[q, ranking.doc_ids, ranking.scores.tolist()] for q, ranking in run.items()])

    def make(folder: Path) -> None:
        write_run(run, folder / "run.trec", "given")

    return store.build(GIVEN, collection.name, {"run": ranked}, make)


def searched(store: Store, by: Retriever, collection: Collection, depth: int, progress: Progress) -> Artifact:
    """A collection's ranking. A document that is the query itself is left out."""
    return by.search(store, *texts(collection), depth, own_documents(collection), progress)


def reordered(
    store: Store,
    by: Retriever,
    first: Artifact,
    collection: Collection,
    depth: int,
    precision: Precision,
    progress: Progress,
    windows: Windows | None = None,
) -> Artifact:
    """A ranking's first `depth` documents in another order."""
    return by.rerank(store, run_of(first), *texts(collection), depth, progress, precision, windows)


def fused(store: Store, parts: Sequence[Artifact], method: Fusion) -> Artifact:
    """Artifact `fused`: `run.trec`."""

    def make(folder: Path) -> None:
        write_run(method([run_of(part) for part in parts]), folder / "run.trec", "fused")

    return store.build(FUSED, method, {f"{i}": part.key for i, part in enumerate(parts)}, make)


def with_positive(store: Store, part: Artifact, collection: Collection, negatives: int) -> Artifact:
    """Artifact `with_positive`: `run.trec`, of every query of a ranking its positive of the highest grade and the first
    documents that are not judged relevant, in the ranking's order, the positive last where it has none."""

    def make(folder: Path) -> None:
        write_run(_with_positive(run_of(part), collection, negatives), folder / "run.trec", "with_positive")

    return store.build(WITH_POSITIVE, negatives, {"run": part.key, "collection": collection.fingerprint}, make)


def _with_positive(run: Run, collection: Collection, negatives: int) -> Run:
    kept = {}
    for query_id, ranking in run.items():
        if positive := _positive(collection, query_id):
            judged = collection.qrels[query_id]
            others = [d for d in ranking.doc_ids if judged.get(d, 0) <= 0][:negatives]
            own = [d for d in ranking.doc_ids if d == positive or d in others]
            own += [] if positive in own else [positive]
            kept[query_id] = tuple(own), [-float(i) for i in range(len(own))]
    return Run(kept)


def _positive(collection: Collection, query_id: str) -> str | None:
    """A query's document of the highest grade above 0, the first by id; None where there is none."""
    relevant = {d: g for d, g in collection.qrels.get(query_id, {}).items() if g > 0 and d in collection.documents}
    return min(relevant, key=lambda d: (-relevant[d], d), default=None)
