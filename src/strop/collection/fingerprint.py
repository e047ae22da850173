"""One SHA-256 for a collection: equal data, equal fingerprint, wherever it lies and in whatever order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from strop.nouns import Document, Qrels, Query


def fingerprint(
    documents: Mapping[str, Document],
    queries: Mapping[str, Query],
    qrels: Qrels,
    reserved: Iterable[str] = (),
) -> str:
    """SHA-256 (64 hex digits) over ids, contents and domains, query texts, judgments and reserved ids, each sorted.

    The reserved ids count because they decide what training may use. The name, the split and the warnings do not.
    """
    digest = hashlib.sha256()

    def add(*fields: str) -> None:
        """Length-prefixed, so that no two different sequences of fields read alike."""
        for field in fields:
            data = field.encode()
            digest.update(b"%d:" % len(data))
            digest.update(data)

    for doc_id in sorted(documents):
        add("d", doc_id, documents[doc_id].contents, documents[doc_id].domain)
    for query_id in sorted(queries):
        add("q", query_id, queries[query_id].text)
    for query_id in sorted(qrels):
        for doc_id, relevance in sorted(qrels[query_id].items()):
            add("j", query_id, doc_id, str(relevance))
    for doc_id in sorted(reserved):
        add("r", doc_id)
    return digest.hexdigest()
