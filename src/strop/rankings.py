"""Rankings: what a system of a study finds, as artifacts: searched, given, fused, or put in a new order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from strop import stages
from strop.artifacts import Artifact, Stage, Store, content_key
from strop.collection.contents import Contents
from strop.fuse import Fusion
from strop.lexical import BM25
from strop.models.pretrained import Pretrained
from strop.nouns import Collection, InputError
from strop.passages import Windows
from strop.rerank import check_known
from strop.runs import Run, read_run, write_run
from strop.stages import Progress
from strop.train import Precision

GIVEN = Stage("given", 1)
FUSED = Stage("fused", 1)
WITH_POSITIVE = Stage("with_positive", 1)


def read_candidates(paths: Sequence[str]) -> Run:
    """The TREC runs of several files as one. Raises InputError when two have a query in common."""
    found: dict[str, tuple[tuple[str, ...], Sequence[float]]] = {}
    for path in paths:
        for query_id, ranking in read_run(path).items():
            if query_id in found:
                raise InputError(f"query {query_id!r} is in another file too", where=path, remedy="Leave one out")
            found[query_id] = ranking.doc_ids, ranking.scores.tolist()
    return Run(found)


def of_collection(candidates: Run, collection: Collection, depth: int) -> tuple[Collection, Run] | None:
    """The collection with the candidates of its queries as its only documents, and these, `depth` at most; None
    where no query has any. Its warnings tell of judged queries without candidates, which score 0.

    Raises InputError when a candidate is no document of it.
    """
    own = Run({q: ranking for q, ranking in candidates.items() if q in collection.queries}).top(depth)
    if not len(own):
        return None
    check_known(own, *texts(collection))
    ranked = {d: collection.documents[d] for d in dict.fromkeys(d for of in own.values() for d in of.doc_ids)}
    lacking = sum(q not in own for q in collection.qrels)
    said = (f"{lacking:,} of {len(collection.qrels):,} judged queries have no candidates and score 0",) * (lacking > 0)
    return replace(collection, documents=ranked, warnings=collection.warnings + said), own


def given(store: Store, run: Run, collection: Collection) -> Artifact:
    """Artifact `given`: `run.trec`, what others found."""
    ranked = content_key([[q, ranking.doc_ids, ranking.scores.tolist()] for q, ranking in run.items()])

    def make(folder: Path) -> None:
        write_run(run, folder / "run.trec", "given")

    return store.build(GIVEN, collection.name, {"run": ranked}, make)


def searched(
    store: Store, how: BM25 | None, model: Pretrained, collection: Collection, depth: int, progress: Progress
) -> Artifact:
    """What BM25, or else the model finds. A document that is the query itself is left out."""
    queries, documents = texts(collection)
    own = {q: d for q in collection.queries if (d := collection.own_document(q)) is not None}
    if how is not None:
        return stages.search_lexical(store, how, queries, documents, depth, own, progress)
    return stages.search_dense(store, model, queries, documents, depth, own, progress)


def reordered(
    store: Store,
    model: Pretrained,
    first: Artifact,
    collection: Collection,
    depth: int,
    precision: Precision,
    progress: Progress,
    windows: Windows | None = None,
) -> Artifact:
    """A ranking's first `depth` documents in the order of a model, whatever its kind."""
    queries, documents = texts(collection)
    run = stages.run_of(first)
    return stages.rerank_run(store, model, run, queries, documents, depth, progress, precision, windows)


def fused(store: Store, parts: Sequence[Artifact], method: Fusion) -> Artifact:
    """Artifact `fused`: `run.trec`."""

    def make(folder: Path) -> None:
        write_run(method([stages.run_of(part) for part in parts]), folder / "run.trec", "fused")

    return store.build(FUSED, method, {f"{i}": part.key for i, part in enumerate(parts)}, make)


def with_positive(store: Store, part: Artifact, collection: Collection, negatives: int) -> Artifact:
    """Artifact `with_positive`: `run.trec`, of every query its positive of the highest grade and the ranking's first
    documents that are not judged relevant, in the ranking's order, the positive last where it has none."""

    def make(folder: Path) -> None:
        write_run(_with_positive(stages.run_of(part), collection, negatives), folder / "run.trec", "with_positive")

    return store.build(WITH_POSITIVE, negatives, {"run": part.key, "collection": collection.fingerprint}, make)


def _with_positive(run: Run, collection: Collection, negatives: int) -> Run:
    kept = {}
    for query_id, judged in collection.qrels.items():
        relevant = {d: grade for d, grade in judged.items() if grade > 0}
        ranked = run[query_id].doc_ids if query_id in run else ()
        if relevant:
            positive = min(relevant, key=lambda d: (-relevant[d], d))
            others = [d for d in ranked if d not in relevant][:negatives]
            own = [d for d in ranked if d == positive or d in others]
            own += [] if positive in own else [positive]
            kept[query_id] = tuple(own), [-float(i) for i in range(len(own))]
    return Run(kept)


def texts(collection: Collection) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Queries and documents by id."""
    return {q.id: q.text for q in collection.queries.values()}, Contents(collection.documents)
