"""What of each document is searched, read when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from strop.nouns import Document


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
