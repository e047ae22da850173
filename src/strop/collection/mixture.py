"""A mixture: several collections as one, every id behind its collection's name and a slash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path

from strop.collection.lazy_documents import LazyDocuments
from strop.records.documents import Collection, Document, Query
from strop.records.errors import InputError

_REMEDY = "Name each collection once, such as nfcorpus+docstrings"


def parts(source: str | Path) -> tuple[str, ...]:
    """The sources that a source with "+" names, itself alone where it names one.

    A path object is one source, and so is a text that is an existing folder. Raises InputError when nothing stands on
    one side of a "+", or twice the same.
    """
    if not isinstance(source, str) or "+" not in source or Path(source).is_dir():
        return (str(source),)
    named = tuple(source.split("+"))
    if "" in named:
        raise InputError(f"a collection's name is missing in {source!r}", remedy=_REMEDY)
    if twice := [name for name in named if named.count(name) > 1]:
        raise InputError(f"collection {twice[0]!r} stands twice in {source!r}", remedy=_REMEDY)
    return named


def mixture(collections: Sequence[Collection]) -> Collection:
    """Collections of one split as one: "a+b", with ids "a/17", the documents of the first before those of the second.

    Nothing is weighed: panels and epochs draw queries uniformly from all of the mixture, so that a collection counts by
    how many judged queries it has. Documents stay where the parts keep them. Equal parts under equal names have one
    fingerprint in any order. Ids of a part alone are not the mixture's: what keeps test documents out of training by id
    sees them only where test and training are of one mixture (reserved documents are kept out anywhere). Raises
    InputError when a collection is there twice, by name or contents, or a name cannot stand before ids.
    """
    _check(collections)
    names = [c.name for c in collections]
    stamp = json.dumps(sorted([c.name, c.fingerprint] for c in collections))
    return Collection(
        name="+".join(names),
        split=collections[0].split,
        documents=LazyDocuments(_Joined({c.name: c.documents for c in collections})),
        queries={q.id: q for c in collections for q in _queries(c)},
        qrels={
            f"{c.name}/{q}": {f"{c.name}/{d}": grade for d, grade in judged.items()}
            for c in collections
            for q, judged in c.qrels.items()
        },
        fingerprint=hashlib.sha256(f"mixture {stamp}".encode()).hexdigest(),
        reserved=frozenset(f"{c.name}/{d}" for c in collections for d in c.reserved),
        warnings=tuple(f"{c.name}: {warning}" for c in collections for warning in c.warnings),
    )


def _queries(collection: Collection) -> Iterator[Query]:
    return (Query(f"{collection.name}/{q.id}", q.text) for q in collection.queries.values())


class _Joined:
    """A `DocumentStore` over mappings by name, one after the other."""

    def __init__(self, documents: Mapping[str, Mapping[str, Document]]) -> None:
        self._documents = documents

    def count(self) -> int:
        return sum(map(len, self._documents.values()))

    def ids(self) -> Iterator[str]:
        return (f"{name}/{doc_id}" for name, part in self._documents.items() for doc_id in part)

    def stream(self) -> Iterator[Document]:
        return chain.from_iterable(self._renamed(name, part) for name, part in self._documents.items())

    def find(self, doc_id: str) -> Document | None:
        for name, own in self._within(doc_id):
            if (found := self._documents[name].get(own)) is not None:
                return replace(found, id=doc_id)
        return None

    def holds(self, doc_id: str) -> bool:
        return any(own in self._documents[name] for name, own in self._within(doc_id))

    def _renamed(self, name: str, part: Mapping[str, Document]) -> Iterator[Document]:
        return (replace(document, id=f"{name}/{document.id}") for document in part.values())

    def _within(self, doc_id: str) -> Iterator[tuple[str, str]]:
        """The part whose name stands before the id, and the id there: one at most, as no name begins another's ids."""
        return ((name, doc_id[len(name) + 1 :]) for name in self._documents if doc_id.startswith(f"{name}/"))


def _check(collections: Sequence[Collection]) -> None:
    if not collections:
        raise InputError("the mixture names no collection", remedy=_REMEDY)
    for first, second in pairwise(sorted(collections, key=lambda c: f"{c.name}/")):
        if f"{second.name}/".startswith(f"{first.name}/"):
            twice = first.name == second.name
            nested = f"the name {second.name!r} begins with {first.name!r} and a slash"
            raise InputError(
                f"the name {first.name!r} stands twice" if twice else nested,
                remedy="Rename a folder, so that ids say which collection they are of",
            )
    by_content = {c.fingerprint: c.name for c in collections}
    for collection in collections:
        if by_content[collection.fingerprint] != collection.name:
            raise InputError(
                f"{collection.name} and {by_content[collection.fingerprint]} hold the same data", remedy=_REMEDY
            )
        if collection.name.split() != [collection.name]:
            raise InputError(
                f"the name {collection.name!r} contains white space, which TREC files cannot hold",
                remedy="Rename the folder",
            )
