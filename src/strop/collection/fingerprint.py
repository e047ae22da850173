"""One SHA-256 for a collection: equal data have equal fingerprints, wherever they are stored and in any order."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from strop.records.documents import Collection


def with_fingerprint(collection: Collection) -> Collection:
    """The collection with the fingerprint of what it holds.

    SHA-256 (64 hex digits) over ids, contents and domains, query texts, judgments and reserved ids, each sorted. The
    reserved ids count because they decide what training may use. The name, the split and the warnings do not.
    """
    digest = hashlib.sha256()

    def add(*fields: str) -> None:
        """Hashes fields with their lengths, so that no two different sequences of fields hash alike."""
        data = [field.encode() for field in fields]
        digest.update(b"".join([b"%d:%b" % (len(d), d) for d in data]))

    for doc_id in sorted(collection.documents):
        document = collection.documents[doc_id]  # read once, one at a time: it may lie on disk
        add("d", doc_id, document.contents, document.domain)
    for query_id in sorted(collection.queries):
        add("q", query_id, collection.queries[query_id].text)
    for query_id in sorted(collection.qrels):
        for doc_id, relevance in sorted(collection.qrels[query_id].items()):
            add("j", query_id, doc_id, str(relevance))
    for doc_id in sorted(collection.reserved):
        add("r", doc_id)
    return replace(collection, fingerprint=digest.hexdigest())
