"""The fixed training panel: queries and a pool of documents, drawn by chance, without what the test needs."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from strop.collection.fingerprint import fingerprint
from strop.collection.panel import shuffled
from strop.nouns import Collection, Document, InputError


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
