"""A folder in BEIR's layout, read strictly: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strop.collection.assembly import Source, assemble, check_split, empty_documents
from strop.collection.fingerprint import with_fingerprint
from strop.records.documents import Collection, Document, Query
from strop.records.errors import InputError
from strop.records.judgments import judgments
from strop.records.text_lines import check_whole_characters, excerpt, json_lines, packed_or_not
from strop.records.trec_columns import check_id

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
    documents, warnings = _documents(folder / "corpus.jsonl")
    return with_fingerprint(Collection(folder.resolve().name, "", documents, {}, {}, "", warnings=warnings))


def read_beir(folder: str | Path, split: str) -> Collection:
    """One split of a BEIR folder, put together as `assemble` does; its name is the folder's.

    Any of its files may be packed with gzip, and then have .gz behind its name; where both are there, the unpacked one
    is read. Keys that mean nothing here are counted in the warnings. Raises InputError with file, line, value and
    remedy on anything malformed.
    """
    folder = Path(folder)
    names = beir_splits(folder)
    check_split(split, names, str(folder))
    documents, warnings = _documents(folder / "corpus.jsonl")
    queries, more = _queries(folder / "queries.jsonl")
    qrels = {name: packed_or_not(folder / "qrels" / f"{name}.tsv") for name in names}
    source = Source(str(qrels[split]), "corpus.jsonl", "queries.jsonl")
    judged = {name: judgments(path) for name, path in qrels.items()}
    return assemble(folder.resolve().name, split, documents, queries, judged, source, warnings + more)


def _documents(path: Path) -> tuple[dict[str, Document], tuple[str, ...]]:
    path, unread = packed_or_not(path), Unread(("_id", "title", "text", "metadata"))
    documents: dict[str, Document] = {}
    empty: list[tuple[int, str]] = []
    for where, doc_id, text, value in _texts(path):
        unread.see(value, where)
        title = "" if (given := value.get("title")) is None else given
        if not isinstance(title, str):
            problem = f"the title of {doc_id!r} is {excerpt(title)} and not a string"
            raise InputError(problem, where=where, remedy='Write a string, or "" where there is no title')
        metadata = value.get("metadata")
        domain = metadata.get("domain") if isinstance(metadata, dict) else ""
        documents[doc_id] = Document(doc_id, text, title, domain if isinstance(domain, str) else "")
        if not documents[doc_id].contents:
            empty.append((int(where.rpartition(":")[2]), doc_id))
    return documents, empty_documents(empty, len(documents), path) + unread.warnings


def _queries(path: Path) -> tuple[dict[str, Query], tuple[str, ...]]:
    """An empty text is no fault here: only a judged query is searched for."""
    unread = Unread(("_id", "text", "metadata"))
    queries: dict[str, Query] = {}
    for where, query_id, text, value in _texts(packed_or_not(path)):
        check_id(query_id, where, query=True)
        unread.see(value, where)
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


def _texts(path: Path) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """("file:line", id, text, the whole object) of each line; ids are unique, texts are strings that UTF-8 can hold."""
    first: dict[str, str] = {}
    for where, value in json_lines(path, 'A line reads: {"_id": "…", "text": "…"}', _LAYOUT):
        raw = value.get("_id")
        identifier = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw
        if not isinstance(identifier, str) or not identifier.strip():
            raise InputError(_not_text(value, "_id"), where=where, remedy="Give every line a non-empty string as _id")
        check_id(identifier, where)
        if identifier in first:
            problem = f"_id {identifier!r} is already used on line {first[identifier].rpartition(':')[2]}"
            raise InputError(problem, where=where, remedy="Keep one line for each _id")
        first[identifier] = where
        text = value.get("text")
        if not isinstance(text, str):
            raise InputError(
                f"{_not_text(value, 'text')} (_id {identifier!r})",
                where=where,
                remedy='Give every line a string "text"',
            )
        check_whole_characters(f"{identifier}{text}{value.get('title')}", where)
        yield where, identifier, text, value


def _not_text(value: dict[str, Any], key: str) -> str:
    return f"{key} is {excerpt(value[key])}" if key in value else f"no {key} among the keys {excerpt(sorted(value))}"
