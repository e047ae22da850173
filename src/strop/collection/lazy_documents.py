"""Documents, and their texts, as mappings over a store that keeps them elsewhere: each is fetched when it is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, ValuesView
from typing import Protocol

from strop.records.documents import Document


class Digest(Protocol):
    """A running SHA-256 of hashlib's."""

    def update(self, data: bytes, /) -> None: ...

    def copy(self) -> Digest: ...

    def hexdigest(self) -> str: ...


class DocumentStore(Protocol):
    """What `LazyDocuments` needs of a store; `stream` and `ids` give one and the same order, `find` None if absent."""

    def count(self) -> int: ...

    def ids(self) -> Iterator[str]: ...

    def stream(self) -> Iterator[Document]: ...

    def find(self, doc_id: str) -> Document | None: ...

    def holds(self, doc_id: str) -> bool: ...


class LazyDocuments(Mapping[str, Document]):
    """Document id -> Document, fetched on access and never kept; `values` reads the store once, in order.

    `digest` is of all documents, once a fingerprint was made: reading them all is what takes its time.
    """

    def __init__(self, store: DocumentStore) -> None:
        self.store = store
        self.digest: Digest | None = None

    def __len__(self) -> int:
        return self.store.count()

    def __iter__(self) -> Iterator[str]:
        return self.store.ids()

    def __contains__(self, doc_id: object) -> bool:
        return isinstance(doc_id, str) and self.store.holds(doc_id)

    def __getitem__(self, doc_id: str) -> Document:
        document = self.store.find(doc_id)
        if document is None:
            raise KeyError(doc_id)
        return document

    def values(self) -> ValuesView[Document]:
        return _Values(self)

    def __eq__(self, other: object) -> bool:
        """Compares one document at a time; the inherited method would hold both sides in memory."""
        if not isinstance(other, Mapping):
            return NotImplemented
        return self is other or (len(self) == len(other) and all(other.get(d.id) == d for d in self.values()))

    __hash__ = None  # type: ignore[assignment]  # as for every mapping


class _Values(ValuesView[Document]):
    def __init__(self, documents: LazyDocuments) -> None:
        super().__init__(documents)
        self._stream = documents.store.stream

    def __iter__(self) -> Iterator[Document]:
        return self._stream()


class Contents(Mapping[str, str]):
    """Document id -> contents of any mapping of documents, in its order; the ids in `without` are left out."""

    def __init__(self, documents: Mapping[str, Document], without: frozenset[str] = frozenset()) -> None:
        self._documents, self._without = documents, frozenset(d for d in without if d in documents)

    def __getitem__(self, doc_id: str) -> str:
        if doc_id in self._without:
            raise KeyError(doc_id)
        return self._documents[doc_id].contents

    def __iter__(self) -> Iterator[str]:
        return (d for d in self._documents if d not in self._without)

    def __len__(self) -> int:
        return len(self._documents) - len(self._without)
