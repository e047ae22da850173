"""A folder in BEIR's layout, read strictly: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strop.collection.assembly import Source, assemble, check_split, empty_documents
from strop.collection.fingerprint import with_fingerprint
from strop.collection.judgments import beir_judgments
from strop.records.documents import Collection, Document, Query
from strop.records.errors import InputError
from strop.records.text_lines import check_whole_characters, excerpt, json_lines

_LAYOUT = "A collection folder holds corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv"


def beir_splits(folder: str | Path) -> tuple[str, ...]:
    """The names of the splits that have a qrels file, sorted. Raises InputError when there is none."""
    if names := beir_judged(Path(folder)):
        return names
    raise InputError("no qrels/SPLIT.tsv", where=str(folder), remedy=_LAYOUT)


def beir_judged(folder: Path) -> tuple[str, ...]:
    """The same names, none for a folder of documents alone."""
    return tuple(sorted(path.stem for path in (folder / "qrels").glob("*.tsv")))


def beir_documents(folder: Path) -> Collection:
    """The documents of corpus.jsonl without any query, checked as `read_beir` checks them; the split is empty."""
    documents, warnings = _documents(folder / "corpus.jsonl")
    return with_fingerprint(Collection(folder.resolve().name, "", documents, {}, {}, "", warnings=warnings))


def read_beir(folder: str | Path, split: str) -> Collection:
    """One split of a BEIR folder, put together as `assemble` does; its name is the folder's.

    Raises InputError with file, line, value and remedy on anything malformed.
    """
    folder = Path(folder)
    names = beir_splits(folder)
    check_split(split, names, str(folder))
    documents, warnings = _documents(folder / "corpus.jsonl")
    queries = _queries(folder / "queries.jsonl")
    source = Source(str(folder / "qrels" / f"{split}.tsv"), "corpus.jsonl", "queries.jsonl")
    judgments = {name: beir_judgments(folder / "qrels" / f"{name}.tsv") for name in names}
    return assemble(folder.resolve().name, split, documents, queries, judgments, source, warnings)


def _documents(path: Path) -> tuple[dict[str, Document], tuple[str, ...]]:
    documents: dict[str, Document] = {}
    empty: list[tuple[int, str]] = []
    for where, doc_id, text, value in _texts(path):
        title = value.get("title") or ""
        if not isinstance(title, str):
            problem = f"the title of {doc_id!r} is {excerpt(title)} and not a string"
            raise InputError(problem, where=where, remedy='Write a string, or "" where there is no title')
        metadata = value.get("metadata")
        domain = metadata.get("domain") if isinstance(metadata, dict) else ""
        documents[doc_id] = Document(doc_id, text, title, domain if isinstance(domain, str) else "")
        if not documents[doc_id].contents:
            empty.append((int(where.rpartition(":")[2]), doc_id))
    return documents, empty_documents(empty, len(documents), path)


def _queries(path: Path) -> dict[str, Query]:
    queries: dict[str, Query] = {}
    for where, query_id, text, _ in _texts(path):
        if not text.strip():
            raise InputError(f"query {query_id!r} has an empty text", where=where, remedy="Write it or leave it out")
        queries[query_id] = Query(query_id, text)
    return queries


def _texts(path: Path) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """("file:line", id, text, the whole object) of each line; ids are unique, texts are strings that UTF-8 can hold."""
    first: dict[str, str] = {}
    for where, value in json_lines(path, 'A line reads: {"_id": "…", "text": "…"}', _LAYOUT):
        raw = value.get("_id")
        identifier = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw
        if not isinstance(identifier, str) or not identifier.strip():
            raise InputError(_not_text(value, "_id"), where=where, remedy="Give every line a non-empty string as _id")
        if identifier.split() != [identifier]:
            problem = f"_id {excerpt(identifier)} contains white space, which TREC files cannot hold"
            raise InputError(problem, where=where, remedy="Replace it, here and in the qrels")
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
