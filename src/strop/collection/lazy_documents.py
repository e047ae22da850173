"""Documents that stay where they are until asked for: a mapping over any store that can count, list and find them."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Protocol

from strop.records.documents import Document


class DocumentStore(Protocol):
    """What a mapping of documents needs; `stream` and `ids` go through the store in one and the same order."""

    def count(self) -> int: ...

    def ids(self) -> Iterator[str]: ...

    def stream(self) -> Iterator[Document]: ...

    def find(self, doc_id: str) -> Document | None: ...

    def holds(self, doc_id: str) -> bool: ...


class LazyDocuments(Mapping[str, Document]):
    """Document id -> Document, made on access and never kept. `values` and `items` read the store from end to end."""

    def __init__(self, store: DocumentStore) -> None:
        self.store = store

    def __len__(self) -> int:
        return self.store.count()

    def __iter__(self) -> Iterator[str]:
        return self.store.ids()

    def __contains__(self, doc_id: object) -> bool:
        return isinstance(doc_id, str) and self.store.holds(doc_id)

    def __getitem__(self, doc_id: str) -> Document:
        found = self.store.find(doc_id)
        if found is None:
            raise KeyError(doc_id)
        return found

    def values(self) -> ValuesView[Document]:
        return _Values(self)

    def items(self) -> ItemsView[str, Document]:
        return _Items(self)

    def __eq__(self, other: object) -> bool:
        """Compares one document at a time; what a mapping inherits would hold both sides in memory."""
        if not isinstance(other, Mapping):
            return NotImplemented
        return self is other or (len(self) == len(other) and all(other.get(d.id) == d for d in self.values()))

    __hash__ = None  # type: ignore[assignment]  # as every mapping: equal ones may lie in different places


class _Values(ValuesView[Document]):
    def __init__(self, documents: LazyDocuments) -> None:
        super().__init__(documents)
        self._documents = documents

    def __iter__(self) -> Iterator[Document]:
        return self._documents.store.stream()


class _Items(ItemsView[str, Document]):
    def __init__(self, documents: LazyDocuments) -> None:
        super().__init__(documents)
        self._documents = documents

    def __iter__(self) -> Iterator[tuple[str, Document]]:
        return ((d.id, d) for d in self._documents.store.stream())


class Contents(Mapping[str, str]):
    """Document id -> contents, in the documents' order; those in `without` are left out."""

    def __init__(self, documents: Mapping[str, Document], without: frozenset[str] = frozenset()) -> None:
        self._documents = documents
        self._without = frozenset(d for d in without if d in documents)

    def __getitem__(self, doc_id: str) -> str:
        if doc_id in self._without:
            raise KeyError(doc_id)
        return self._documents[doc_id].contents

    def __iter__(self) -> Iterator[str]:
        return (d for d in self._documents if d not in self._without)

    def __len__(self) -> int:
        return len(self._documents) - len(self._without)
