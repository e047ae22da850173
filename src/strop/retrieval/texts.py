"""Texts by id: what a retriever needs of a collection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from strop.collection.lazy_documents import Contents
from strop.records.documents import Collection

#: Read in its order and never copied whole, so it may be lazy.
ById = Mapping[str, str]


def texts(collection: Collection) -> tuple[ById, ById]:
    """A collection's queries and documents."""
    return {query.id: query.text for query in collection.queries.values()}, Contents(collection.documents)


def own_documents(collection: Collection) -> dict[str, str]:
    """Of each query that is itself a document, that document: it must not be retrieved for itself."""
    return {q: d for q in collection.queries if (d := collection.own_document(q)) is not None}


def texts_key(texts: ById) -> str:
    """SHA-256 over ids and texts in their order, the length of each before it: 64 hex digits."""
    digest = hashlib.sha256()
    for pair in texts.items():
        for text in pair:
            data = text.encode(errors="surrogatepass")  # a lone surrogate has no UTF-8, but must not stop a run
            digest.update(len(data).to_bytes(8, "little"))
            digest.update(data)
    return digest.hexdigest()


class Part(Mapping[str, str]):
    """Some of the texts of a mapping, in the order of `ids`, each read when it is needed."""

    def __init__(self, texts: ById, ids: Sequence[str]) -> None:
        self._texts = texts
        self._ids = dict.fromkeys(ids)

    def __getitem__(self, text_id: str) -> str:
        if text_id not in self._ids:
            raise KeyError(text_id)
        return self._texts[text_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)
