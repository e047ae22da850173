"""A mixture: several collections as one, every id behind its collection's name and a slash."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from strop.collection.lazy_documents import LazyDocuments
from strop.records.documents import Collection, Document
from strop.records.errors import InputError, excerpt
from strop.records.trec_columns import check_id

_REMEDY = "Name each collection once, such as nfcorpus+docstrings"


def parts(source: str | Path) -> tuple[str, ...]:
    """The sources that "a+b" names; any other source alone.

    A path object is one source, and so is a text that is an existing folder. Raises InputError when a name is missing
    on one side of a "+", or given twice.
    """
    if not isinstance(source, str) or "+" not in source or os.path.isdir(source):
        return (str(source),)
    names = tuple(source.split("+"))
    if "" in names:
        raise InputError(f"a collection's name is missing in {excerpt(source)}", remedy=_REMEDY)
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"collection {excerpt(twice[0])} is named twice in {excerpt(source)}", remedy=_REMEDY)
    return names


def mixture(collections: Sequence[Collection]) -> Collection:
    """Collections of one split as one: "a+b", with ids "a/17", the documents of the first before those of the second.

    A collection counts by its number of judged queries: panels and epochs draw uniformly from the whole mixture.
    Documents stay where the parts keep them. The fingerprint does not depend on the order of the parts. Ids differ from
    those of a part alone: excluding test documents from training by id works only within one mixture (reserved
    documents are always excluded). Raises InputError when a collection occurs twice, by name or contents, or when a
    name cannot be a prefix of ids.
    """
    _check(collections)
    names = [c.name for c in collections]
    queries = [replace(q, id=f"{c.name}/{q.id}") for c in collections for q in c.queries.values()]
    stamp = json.dumps(sorted([c.name, c.fingerprint] for c in collections))
    return Collection(
        name="+".join(names),
        split=collections[0].split,
        documents=LazyDocuments(_Joined({c.name: c.documents for c in collections})),
        queries={q.id: q for q in queries},
        qrels={
            f"{c.name}/{q}": {f"{c.name}/{d}": grade for d, grade in judged.items()}
            for c in collections
            for q, judged in c.qrels.items()
        },
        fingerprint=hashlib.sha256(f"mixture {stamp}".encode()).hexdigest(),
        reserved=frozenset(f"{c.name}/{d}" for c in collections for d in c.reserved),
        warnings=tuple(f"{c.name}: {warning}" for c in collections for warning in c.warnings),
    )


class _Joined:
    """A `DocumentStore` over mappings by name, one after the other."""

    def __init__(self, documents: Mapping[str, Mapping[str, Document]]) -> None:
        self._documents = documents

    def count(self) -> int:
        return sum(map(len, self._documents.values()))

    def ids(self) -> Iterator[str]:
        return (f"{name}/{doc_id}" for name, part in self._documents.items() for doc_id in part)

    def stream(self) -> Iterator[Document]:
        return (replace(d, id=f"{name}/{d.id}") for name, part in self._documents.items() for d in part.values())

    def find(self, doc_id: str) -> Document | None:
        for name, own in self._within(doc_id):
            if (document := self._documents[name].get(own)) is not None:
                return replace(document, id=doc_id)
        return None

    def holds(self, doc_id: str) -> bool:
        return any(own in self._documents[name] for name, own in self._within(doc_id))

    def _within(self, doc_id: str) -> Iterator[tuple[str, str]]:
        """The part whose name is the id's prefix, and the id in it: one at most, since no name begins another's ids."""
        return ((name, doc_id[len(name) + 1 :]) for name in self._documents if doc_id.startswith(f"{name}/"))


def _check(collections: Sequence[Collection]) -> None:
    if not collections:
        raise InputError("the mixture names no collection", remedy=_REMEDY)
    for first, second in pairwise(sorted(collections, key=lambda c: f"{c.name}/")):
        if f"{second.name}/".startswith(f"{first.name}/"):
            nested = f"the name {excerpt(second.name)} begins with {excerpt(first.name)} and a slash"
            problem = f"two collections have the name {excerpt(first.name)}" if first.name == second.name else nested
            raise InputError(problem, remedy="Rename a folder, so that every id belongs to one collection")
    by_content = {c.fingerprint: c.name for c in collections}
    for collection in collections:
        if (other := by_content[collection.fingerprint]) != collection.name:
            raise InputError(f"{collection.name} and {other} hold the same data", remedy=_REMEDY)
        try:
            check_id(f"{collection.name}/", query=True)
        except InputError as error:
            problem = f"the name {excerpt(collection.name)} cannot begin an id ({error.problem})"
            raise InputError(problem, remedy="Rename the folder") from None
