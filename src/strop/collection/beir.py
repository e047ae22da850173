"""A folder in BEIR's layout, read strictly: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from strop.collection.assembly import Source, assemble, check_split, empty_documents
from strop.collection.fingerprint import with_fingerprint
from strop.collection.lazy_documents import LazyDocuments
from strop.collection.row_store import RowStore
from strop.records.documents import Collection, Document, Query
from strop.records.errors import InputError, excerpt
from strop.records.judgments import judgments
from strop.records.text_lines import Row, check_whole_characters, json_rows, packed_or_not
from strop.records.trec_columns import check_id

Kept = TypeVar("Kept")
Warnings = tuple[str, ...]

_LAYOUT = "A collection folder holds corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv"


def beir_splits(folder: str | Path) -> tuple[str, ...]:
    """The names of the splits that have a qrels file, sorted. Raises InputError when there is none."""
    if names := beir_judged(Path(folder)):
        return names
    raise InputError("no qrels/SPLIT.tsv", where=str(folder), remedy=_LAYOUT)


def beir_judged(folder: Path) -> tuple[str, ...]:
    """The same names, none for a folder of documents alone."""
    names = (
        path.name.removesuffix(".gz") for ending in ("", ".gz") for path in (folder / "qrels").glob(f"*.tsv{ending}")
    )
    return tuple(sorted({name.removesuffix(".tsv") for name in names}))


def beir_documents(folder: Path) -> Collection:
    """The documents of corpus.jsonl without any query, checked as `read_beir` checks them; the split is empty."""
    documents, warnings = _in_memory(folder)
    return with_fingerprint(Collection(folder.resolve().name, "", documents, {}, {}, "", warnings=warnings))


def read_beir(folder: str | Path, split: str) -> Collection:
    """One split of a BEIR folder, put together as `assemble` does; its name is the folder's.

    Any of its files may be packed with gzip, and then have .gz behind its name; where both are there, the unpacked one
    is read. Keys that mean nothing here are counted in the warnings. Raises InputError with file, line, value and
    remedy on anything malformed.
    """
    folder = Path(folder)
    check_split(split, beir_splits(folder), str(folder))
    return _put_together(folder, (split,), _in_memory(folder))[0]


def read_beir_splits(folder: str | Path) -> list[Collection]:
    """What `read_beir` gives for each split; the documents are read and hashed once, and stay on disk."""
    folder = Path(folder)
    return _put_together(folder, beir_splits(folder), _on_disk(folder))


def _put_together(
    folder: Path, splits: Sequence[str], documents: tuple[Mapping[str, Document], Warnings]
) -> list[Collection]:
    queries, more = _queries(folder / "queries.jsonl")
    qrels = {name: packed_or_not(folder / "qrels" / f"{name}.tsv") for name in beir_splits(folder)}
    texts, warnings = documents

    def put_together(split: str) -> Collection:
        source = Source(str(qrels[split]), "corpus.jsonl", "queries.jsonl")
        judged = {name: judgments(path) for name, path in qrels.items()}
        return assemble(folder.resolve().name, split, texts, queries, judged, source, warnings + more)

    return [put_together(split) for split in splits]


def _in_memory(folder: Path) -> tuple[dict[str, Document], Warnings]:
    return _documents(packed_or_not(folder / "corpus.jsonl"), lambda row, document: document)


def _on_disk(folder: Path) -> tuple[LazyDocuments, Warnings]:
    path = packed_or_not(folder / "corpus.jsonl")
    places, warnings = _documents(path, lambda row, document: row.place)
    return LazyDocuments(RowStore(path, places, _document)), warnings


def _documents(path: Path, kept: Callable[[Row, Document], Kept]) -> tuple[dict[str, Kept], Warnings]:
    """What is to be kept of each document, by its id, once it is checked; and a sentence on each oddity."""
    unread = Unread(("_id", "title", "text", "metadata"))
    documents: dict[str, Kept] = {}
    empty: list[tuple[int, str]] = []
    for row, doc_id, _ in _texts(path):
        where, value = row.where, row.value
        unread.see(value, where)
        title = "" if (given := value.get("title")) is None else given
        if not isinstance(title, str):
            problem = f"the title of {excerpt(doc_id)} is {excerpt(title)} and not a string"
            raise InputError(problem, where=where, remedy='Write a string, or "" where there is no title')
        document = _document(value)
        documents[doc_id] = kept(row, document)
        if not document.contents:
            empty.append((row.number, doc_id))
    return documents, empty_documents(empty, len(documents), path) + unread.warnings


def _document(value: dict[str, Any]) -> Document:
    """The document that a checked object is."""
    metadata = value.get("metadata")
    given = metadata.get("domain") if isinstance(metadata, dict) else ""
    domain = given if isinstance(given, str) else ""
    return Document(str(value["_id"]), value["text"], value.get("title") or "", domain)


def _queries(path: Path) -> tuple[dict[str, Query], Warnings]:
    """An empty text is no fault here: only a judged query is searched for."""
    unread = Unread(("_id", "text", "metadata"))
    queries: dict[str, Query] = {}
    for row, query_id, text in _texts(packed_or_not(path)):
        check_id(query_id, row.where, query=True)
        unread.see(row.value, row.where)
        queries[query_id] = Query(query_id, text)
    return queries, unread.warnings


class Unread:
    """The keys of a file's objects that are not among those that mean something, counted."""

    def __init__(self, known: tuple[str, ...]) -> None:
        self._known = frozenset(known)
        self._found: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def see(self, value: dict[str, Any], where: str) -> None:
        if value.keys() - self._known:
            for key in sorted(value.keys() - self._known):
                self._found[key] += 1
                self._first.setdefault(key, where)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence on each key."""
        return tuple(
            f"the key {excerpt(key)} of {count} lines is not read (first: {Path(self._first[key]).name})"
            for key, count in self._found.items()
        )


def _texts(path: Path) -> Iterator[tuple[Row, str, str]]:
    """(row, id, text) of each line; ids are unique, texts are strings that UTF-8 can hold."""
    first: dict[str, int] = {}
    for row in json_rows(path, 'A line reads: {"_id": "…", "text": "…"}', _LAYOUT):
        where, value = row.where, row.value
        raw = value.get("_id")
        identifier = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw
        if not isinstance(identifier, str) or not identifier.strip():
            raise InputError(_not_text(value, "_id"), where=where, remedy="Give every line a non-empty string as _id")
        check_id(identifier, where)
        if identifier in first:
            problem = f"_id {excerpt(identifier)} is already used on line {first[identifier]}"
            raise InputError(problem, where=where, remedy="Keep one line for each _id")
        first[identifier] = row.number
        text = value.get("text")
        if not isinstance(text, str):
            raise InputError(
                f"{_not_text(value, 'text')} (_id {excerpt(identifier)})",
                where=where,
                remedy='Give every line a string "text"',
            )
        check_whole_characters(f"{identifier}{text}{value.get('title')}", where)
        yield row, identifier, text


def _not_text(value: dict[str, Any], key: str) -> str:
    return f"{key} is {excerpt(value[key])}" if key in value else f"no {key} among the keys {excerpt(sorted(value))}"
