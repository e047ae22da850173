"""Panels: small collections drawn by chance from a large one, to test on or to train on, and never by a model."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Set
from dataclasses import replace
from functools import partial

from strop.collection.fingerprint import with_fingerprint
from strop.records.documents import Collection, Document, Qrels
from strop.records.errors import InputError


def panel(collection: Collection, queries: int, documents: int, seed: int) -> Collection:
    """At most `queries` queries, all their relevant documents, and uniform distractors up to `documents` in all.

    Queries are drawn uniformly from those with a relevant document in the corpus, up to the first whose relevant
    documents do not fit, of which a warning says so; judgments of documents outside the panel go. The order of a
    SHA-256 over seed and id decides, so a panel is the same on every machine. Raises InputError when no query fits.
    """
    relevant = {
        query_id: {doc_id for doc_id, relevance in judged.items() if relevance > 0 and doc_id in collection.documents}
        for query_id, judged in collection.qrels.items()
    }
    candidates = shuffled((q for q, docs in relevant.items() if docs), f"{seed} query")
    chosen: list[str] = []
    doc_ids: set[str] = set()
    for query_id in candidates[:queries]:
        if len(doc_ids | relevant[query_id]) > documents:
            break
        chosen.append(query_id)
        doc_ids |= relevant[query_id]
    if not chosen:
        problem = f"no query of {collection.name}/{collection.split} fits a panel of {documents} documents"
        raise InputError(problem, remedy="Allow more documents")
    distractors = (d for d in collection.documents if d not in doc_ids)
    doc_ids.update(first_shuffled(distractors, documents - len(doc_ids), f"{seed} document"))
    warnings = collection.warnings
    if len(chosen) < queries:
        reason = "no more qualify" if len(chosen) == len(candidates) else f"their relevant documents fill {documents}"
        warnings += (f"the panel has {len(chosen)} queries instead of {queries}: {reason}",)
    qrels = {q: {d: r for d, r in collection.qrels[q].items() if d in doc_ids} for q in sorted(chosen)}
    return _part(collection, doc_ids, qrels, collection.reserved & doc_ids, warnings)


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
    chosen = sorted(candidates[:queries])
    doc_ids = {first[q] for q in chosen}
    distractors = (d for d in collection.documents if d not in shut and d not in doc_ids)
    doc_ids.update(first_shuffled(distractors, max(0, documents - len(doc_ids)), f"{seed} document"))
    warnings = collection.warnings
    if lost := len(first) - len(candidates):
        warnings += (f"{lost:,} of {len(first):,} training queries have no positive that the test leaves open",)
    return _part(collection, doc_ids, {q: collection.qrels[q] for q in chosen}, frozenset(), warnings)


def cut(collection: Collection, chars: int) -> Collection:
    """The same collection with the contents of each document cut to the first `chars` characters."""
    documents = {
        d.id: d if len(d.contents) <= chars else Document(d.id, d.contents[:chars], domain=d.domain)
        for d in collection.documents.values()
    }
    return with_fingerprint(replace(collection, documents=documents))


def shuffled(ids: Iterable[str], salt: str) -> list[str]:
    """The ids in a uniform random order that depends on `salt` and the ids alone."""
    return sorted(ids, key=partial(_place, salt))


def first_shuffled(ids: Iterable[str], count: int, salt: str) -> list[str]:
    """The first `count` of `shuffled`, without holding the order of all others in memory."""
    return heapq.nsmallest(count, ids, key=partial(_place, salt))


def _place(salt: str, identifier: str) -> bytes:
    return hashlib.sha256(f"{salt} {identifier}".encode()).digest()


def _part(
    whole: Collection, doc_ids: Set[str], qrels: Qrels, reserved: frozenset[str], warnings: tuple[str, ...]
) -> Collection:
    """Some documents of a collection, in its order, with the queries that `qrels` judge."""
    documents = {doc_id: whole.documents[doc_id] for doc_id in whole.documents if doc_id in doc_ids}
    queries = {query_id: whole.queries[query_id] for query_id in qrels}
    return with_fingerprint(
        replace(whole, documents=documents, queries=queries, qrels=qrels, reserved=reserved, warnings=warnings)
    )
