"""A retrieval task: texts by id, the documents to rank and the queries to rank them for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Store
from strop.collection.lazy_documents import Contents
from strop.models.precision import Precision, check_precision
from strop.records.documents import Collection

#: Read in its order and never copied whole, so it may be lazy.
ById = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Task:
    """Queries and documents, and the store that keeps their vectors and runs.

    `exclude` maps a query to the one document that must not be retrieved for it: itself. `precision` is that of
    encoding its texts; a model that reads pairs is told it apart. Raises InputError for an unknown one.
    """

    store: Store
    queries: ById
    documents: ById
    exclude: ById = field(default_factory=dict)
    progress: Progress = silent
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        check_precision(self.precision)

    @classmethod
    def of(
        cls, collection: Collection, store: Store, progress: Progress = silent, precision: Precision = "float32"
    ) -> Task:
        """Of all queries and documents. A query that is itself a document is not retrieved for itself."""
        queries = {query.id: query.text for query in collection.queries.values()}
        exclude = {q: d for q in collection.queries if (d := collection.own_document(q)) is not None}
        return cls(store, queries, Contents(collection.documents), exclude, progress, precision)

    @cached_property
    def keys(self) -> dict[str, str]:
        """Of both sides, for the inputs of an artifact."""
        return {"queries": texts_key(self.queries), "documents": texts_key(self.documents)}

    @property
    def settings(self) -> dict[str, str]:
        """For the values of an artifact that vectors decide."""
        return precise(self.precision)


def precise(precision: Precision) -> dict[str, str]:
    """For the values of an artifact. Nothing in float32: what was made when there was no other keeps its key."""
    return {"precision": precision} if precision != "float32" else {}


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
