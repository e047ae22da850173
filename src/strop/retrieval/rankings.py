"""Rankings as artifacts that no retriever makes: given, fused, or with a positive among the candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from strop.artifacts.keys import content_key
from strop.artifacts.store import Artifact, Stage, Store
from strop.records.documents import Collection
from strop.records.errors import InputError, excerpt
from strop.records.runs import Ranking, Run, read_run
from strop.retrieval.candidates import check_known
from strop.retrieval.fuse import Fusion
from strop.retrieval.stages import build_run, run_of

GIVEN = Stage("given", 1)
FUSED = Stage("fused", 1)
WITH_POSITIVE = Stage("with_positive", 1)


def read_candidates(paths: Sequence[str]) -> Run:
    """The TREC runs of several files as one. Raises InputError when two have a query in common."""
    rankings: dict[str, Ranking] = {}
    for path in paths:
        for query_id, ranking in read_run(path).items():
            if query_id in rankings:
                raise InputError(
                    f"query {excerpt(query_id)} is in another file too", where=path, remedy="Leave one out"
                )
            rankings[query_id] = ranking
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
    check_known(own, collection.queries, collection.documents)
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
    return build_run(store, GIVEN, collection.name, {"run": ranked}, "given", lambda: run)


def fused(store: Store, parts: Sequence[Artifact], method: Fusion) -> Artifact:
    """Artifact `fused`: `run.trec`."""
    inputs = {f"{i}": part.key for i, part in enumerate(parts)}
    return build_run(store, FUSED, method, inputs, "fused", lambda: method([run_of(part) for part in parts]))


def with_positive(store: Store, part: Artifact, collection: Collection, negatives: int) -> Artifact:
    """Artifact `with_positive`: `run.trec`, of every query of a ranking its positive of the highest grade and the first
    documents that are not judged relevant, in the ranking's order, the positive last where it has none."""
    inputs = {"run": part.key, "collection": collection.fingerprint}
    rank = partial(_with_positive, part, collection, negatives)
    return build_run(store, WITH_POSITIVE, negatives, inputs, "with_positive", rank)


def _with_positive(part: Artifact, collection: Collection, negatives: int) -> Run:
    kept = {}
    for query_id, ranking in run_of(part).items():
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
