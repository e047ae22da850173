"""The fixed evaluation panel: a small collection drawn by chance, before any training, and never by a model."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Set
from dataclasses import replace
from functools import partial

from strop.collection.fingerprint import fingerprint
from strop.records.documents import Collection, Document
from strop.records.errors import InputError


def panel(collection: Collection, queries: int, documents: int, seed: int) -> Collection:
    """At most `queries` queries, all their relevant documents, and uniform distractors up to `documents` in all.

    Queries are drawn uniformly from those with a relevant document in the corpus; judgments of documents outside
    the panel go. When the relevant documents of the queries drawn would exceed `documents`, drawing stops at the
    first query that does not fit, and a warning says so. Queries and distractors are drawn in the order of a SHA-256
    over seed and id, so a panel is the same on every machine. Raises InputError when no query fits.
    """
    relevant = {
        query_id: {doc_id for doc_id, relevance in judged.items() if relevance > 0 and doc_id in collection.documents}
        for query_id, judged in collection.qrels.items()
    }
    candidates = shuffled((q for q, docs in relevant.items() if docs), f"{seed} query")
    drawn: list[str] = []
    kept: set[str] = set()
    for query_id in candidates[:queries]:
        if len(kept | relevant[query_id]) > documents:
            break
        drawn.append(query_id)
        kept |= relevant[query_id]
    if not drawn:
        raise InputError(
            f"no query of {collection.name}/{collection.split} fits a panel of {documents} documents",
            remedy="Allow more documents",
        )
    distractors = (d for d in collection.documents if d not in kept)
    kept.update(first_shuffled(distractors, documents - len(kept), f"{seed} document"))
    warnings = collection.warnings
    if len(drawn) < queries:
        reason = "no more qualify" if len(drawn) == len(candidates) else f"their relevant documents fill {documents}"
        warnings += (f"the panel has {len(drawn)} queries instead of {queries}: {reason}",)
    chosen = {doc_id: collection.documents[doc_id] for doc_id in collection.documents if doc_id in kept}
    texts = {query_id: collection.queries[query_id] for query_id in sorted(drawn)}
    qrels = {q: {d: r for d, r in collection.qrels[q].items() if d in kept} for q in texts}
    reserved = collection.reserved & kept
    return replace(
        collection,
        documents=chosen,
        queries=texts,
        qrels=qrels,
        fingerprint=fingerprint(chosen, texts, qrels, reserved),
        reserved=reserved,
        warnings=warnings,
    )


def shuffled(ids: Iterable[str], salt: str) -> list[str]:
    """A uniform order that depends on the salt and the ids alone."""
    return sorted(ids, key=partial(_place, salt))


def first_shuffled(ids: Iterable[str], count: int, salt: str) -> list[str]:
    """The first `count` of `shuffled`, without holding all the others' places in memory."""
    return heapq.nsmallest(count, ids, key=partial(_place, salt))


def _place(salt: str, identifier: str) -> bytes:
    return hashlib.sha256(f"{salt} {identifier}".encode()).digest()


def training_panel(collection: Collection, queries: int, documents: int, seed: int, closed: Set[str]) -> Collection:
    """At most `queries` queries with an open positive, the first of each, and uniform distractors up to `documents`.

    Open are documents neither reserved for other splits nor in `closed` (those relevant to test queries): no other
    is in the pool, so training and test share no relevant document. Warns of how many judged queries that costs.
    Drawn as `panel` draws. Raises InputError when no query has an open positive.
    """
    shut = closed | collection.reserved
    first = {
        query_id: next(
            (d for d, grade in judged.items() if grade > 0 and d in collection.documents and d not in shut), ""
        )
        for query_id, judged in collection.qrels.items()
    }
    candidates = shuffled((q for q, d in first.items() if d), f"{seed} query")
    if not candidates:
        raise InputError(
            f"no query of {collection.name}/{collection.split} has a positive that is open to training",
            remedy="Give a training split whose positives are not all relevant to test queries",
        )
    drawn = sorted(candidates[:queries])
    kept = {first[q] for q in drawn}
    open_documents = (d for d in collection.documents if d not in shut and d not in kept)
    kept.update(shuffled(open_documents, f"{seed} document")[: max(0, documents - len(kept))])
    warnings = collection.warnings
    if lost := len(first) - len(candidates):
        warnings += (f"{lost:,} of {len(first):,} training queries have no positive that the test leaves open",)
    chosen = {d: document for d, document in collection.documents.items() if d in kept}
    texts = {q: collection.queries[q] for q in drawn}
    qrels = {q: collection.qrels[q] for q in drawn}
    return replace(
        collection,
        documents=chosen,
        queries=texts,
        qrels=qrels,
        fingerprint=fingerprint(chosen, texts, qrels, frozenset()),
        reserved=frozenset(),
        warnings=warnings,
    )


def cut(collection: Collection, chars: int) -> Collection:
    """The same collection with each document's contents cut to its first `chars` characters."""
    documents = {
        d.id: d if len(d.contents) <= chars else Document(d.id, d.contents[:chars], domain=d.domain)
        for d in collection.documents.values()
    }
    remade = fingerprint(documents, collection.queries, collection.qrels, collection.reserved)
    return replace(collection, documents=documents, fingerprint=remade)
