"""One SHA-256 for a collection: equal data have equal fingerprints, wherever they are stored and in any order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from strop.collection.lazy_documents import Digest, LazyDocuments
from strop.records.documents import Collection, Document


def with_fingerprint(collection: Collection) -> Collection:
    """The collection with the fingerprint of what it holds.

    SHA-256 (64 hex digits) over ids, contents and domains, query texts, judgments and reserved ids, each sorted. The
    reserved ids count because they decide what training may use. The name, the split and the warnings do not.
    """
    digest = _documents_digest(collection.documents)
    for query_id in sorted(collection.queries):
        digest.update(_joined("q", query_id, collection.queries[query_id].text))
    for query_id in sorted(collection.qrels):
        for doc_id, relevance in sorted(collection.qrels[query_id].items()):
            digest.update(_joined("j", query_id, doc_id, str(relevance)))
    for doc_id in sorted(collection.reserved):
        digest.update(_joined("r", doc_id))
    return replace(collection, fingerprint=digest.hexdigest())


def _documents_digest(documents: Mapping[str, Document]) -> Digest:
    """What a fingerprint begins with; of documents that are not in memory it is kept, for the splits that follow."""
    if isinstance(documents, LazyDocuments):
        documents.digest = documents.digest or _read(documents)
        return documents.digest.copy()
    return _read(documents)


def _read(documents: Mapping[str, Document]) -> Digest:
    digest = hashlib.sha256()
    for doc_id in sorted(documents):
        document = documents[doc_id]  # read once, one at a time: it may lie on disk
        digest.update(_joined("d", doc_id, document.contents, document.domain))
    return digest


def _joined(*fields: str) -> bytes:
    """Fields with their lengths, so that no two different sequences of fields hash alike."""
    data = [field.encode() for field in fields]
    return b"".join([b"%d:%b" % (len(d), d) for d in data])
