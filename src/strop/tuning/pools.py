"""Pools: small collections that models are compared on while one is chosen. No model that is compared has drawn one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from strop.collection.fingerprint import with_fingerprint
from strop.collection.lazy_documents import Contents
from strop.collection.panel import first_shuffled, shuffled
from strop.records.documents import Collection
from strop.retrieval.lexical import BM25

#: Of a query with many relevant documents, the best so many are in a pool, and the others are left out of it.
RELEVANT = 10
#: Of each query, so many of BM25's best that are not relevant: among uniform ones alone a good model makes no error.
HARD = 5
#: Documents that BM25 searches for them, drawn by chance from a larger collection.
SEARCHED = 50_000


def relevant(judged: Mapping[str, int]) -> frozenset[str]:
    return frozenset(d for d, grade in judged.items() if grade > 0)


def some_queries(collection: Collection, query_ids: Iterable[str]) -> Collection:
    """The same documents, with some of the judged queries, in their order."""
    chosen = frozenset(query_ids)
    qrels = {q: judged for q, judged in collection.qrels.items() if q in chosen}
    return with_fingerprint(replace(collection, queries={q: collection.queries[q] for q in qrels}, qrels=qrels))


def pool(collection: Collection, queries: int, documents: int) -> Collection:
    """At most `queries` queries, and no more than a third of `documents`; their best relevant documents; and up to
    `documents` in all first hard distractors, then uniform ones.

    No document in it is relevant to one of its queries without being judged so.
    """
    salt = f"pool of {collection.name}"
    answers = {
        q: sorted((d for d in relevant(judged) if d in collection.documents), key=lambda d: (-judged[d], d))
        for q, judged in collection.qrels.items()
    }
    chosen = sorted(shuffled((q for q, of in answers.items() if of), salt)[: min(queries, documents // 3)])
    kept = {q: answers[q][:RELEVANT] for q in chosen}
    doc_ids = {d for of in kept.values() for d in of}
    left_out = {d for q in chosen for d in answers[q]} - doc_ids
    searched = first_shuffled((d for d in collection.documents if d not in left_out), SEARCHED, salt)
    texts = {q: collection.queries[q].text for q in chosen}
    hard = BM25().search(Contents({d: collection.documents[d] for d in searched}), texts, HARD + RELEVANT)
    misleading = {
        q: [d for d in hard[q].doc_ids if d not in kept[q] and d != collection.own_document(q)] if q in hard else []
        for q in chosen
    }
    for place in range(HARD):
        for q in chosen:
            if len(doc_ids) < documents:
                doc_ids.update(misleading[q][place : place + 1])
    doc_ids.update(first_shuffled((d for d in searched if d not in doc_ids), max(0, documents - len(doc_ids)), salt))
    return with_fingerprint(
        replace(
            collection,
            documents={d: collection.documents[d] for d in sorted(doc_ids)},
            queries={q: collection.queries[q] for q in chosen},
            qrels={q: {d: g for d, g in collection.qrels[q].items() if d in doc_ids} for q in chosen},
            reserved=frozenset(),
        )
    )
