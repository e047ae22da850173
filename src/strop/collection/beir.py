"""A folder in BEIR's layout, read strictly: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strop.collection.fingerprint import fingerprint
from strop.collection.judgments import Source, beir_judgments, checked_qrels, empty_documents, relevant_elsewhere
from strop.collection.text_lines import json_lines, shown
from strop.records.documents import Collection, Document, Query
from strop.records.errors import InputError


def beir_splits(folder: str | Path) -> tuple[str, ...]:
    """The names of the splits that have a qrels file, sorted. Raises InputError when there is none."""
    folder = Path(folder)
    names = tuple(sorted(path.stem for path in (folder / "qrels").glob("*.tsv")))
    if not names:
        raise InputError(
            "no qrels/SPLIT.tsv",
            where=str(folder),
            remedy="A collection folder holds corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv",
        )
    return names


def read_beir(folder: str | Path, split: str) -> Collection:
    """One split of a BEIR folder; its name is the folder's.

    Queries are those judged in the split. Reserved are the documents relevant in other splits and not judged in
    this one. Judgments of absent documents stay in the qrels (they count as never retrieved) and are warned of.
    Raises InputError with file, line, value and remedy on anything malformed.
    """
    folder = Path(folder)
    names = beir_splits(folder)
    if split not in names:
        raise InputError(f"no split {split!r}", where=str(folder), remedy=f"Splits there: {', '.join(names)}")
    documents, warnings = _documents(folder / "corpus.jsonl")
    texts = _queries(folder / "queries.jsonl")
    paths = {name: folder / "qrels" / f"{name}.tsv" for name in names}
    source = Source(str(paths[split]), "corpus.jsonl", "queries.jsonl")
    qrels, more = checked_qrels(beir_judgments(paths[split]), source, documents, texts)
    others = (beir_judgments(path) for name, path in paths.items() if name != split)
    reserved = relevant_elsewhere(others, qrels, documents)
    queries = {query_id: texts[query_id] for query_id in qrels}
    return Collection(
        name=folder.resolve().name,
        split=split,
        documents=documents,
        queries=queries,
        qrels=qrels,
        fingerprint=fingerprint(documents, queries, qrels, reserved),
        reserved=reserved,
        warnings=warnings + more,
    )


def _documents(path: Path) -> tuple[dict[str, Document], tuple[str, ...]]:
    documents: dict[str, Document] = {}
    empty: list[tuple[int, str]] = []
    for number, doc_id, text, value in _texts(path):
        title = value.get("title") or ""
        if not isinstance(title, str):
            raise InputError(
                f"the title of {doc_id!r} is {shown(title)} and not a string",
                where=f"{path}:{number}",
                remedy='Write a string, or "" where there is no title',
            )
        metadata = value.get("metadata")
        domain = metadata.get("domain") if isinstance(metadata, dict) else ""
        documents[doc_id] = Document(doc_id, text, title, domain if isinstance(domain, str) else "")
        if not documents[doc_id].contents:
            empty.append((number, doc_id))
    number, doc_id = empty[0] if empty else (1, "")
    return documents, empty_documents(len(empty), len(documents), doc_id, path, number)


def _queries(path: Path) -> dict[str, Query]:
    queries: dict[str, Query] = {}
    for number, query_id, text, _ in _texts(path):
        if not text.strip():
            raise InputError(
                f"query {query_id!r} has an empty text", where=f"{path}:{number}", remedy="Write it or leave it out"
            )
        queries[query_id] = Query(query_id, text)
    return queries


def _texts(path: Path) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """(line number, id, text, the whole object) of each line; ids unique, texts strings that UTF-8 can hold."""
    first: dict[str, int] = {}
    for number, value in json_lines(path):
        where = f"{path}:{number}"
        raw = value.get("_id")
        identifier = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw
        if not isinstance(identifier, str) or not identifier.strip():
            problem = f"_id is {shown(raw)}" if "_id" in value else f"no _id among the keys {shown(sorted(value))}"
            raise InputError(problem, where=where, remedy="Give every line a non-empty string as _id")
        if len(identifier.split()) > 1 or identifier != identifier.strip():
            raise InputError(
                f"_id {shown(identifier)} contains white space, which TREC files cannot hold",
                where=where,
                remedy="Replace it, here and in the qrels",
            )
        if identifier in first:
            raise InputError(
                f"_id {identifier!r} is already used on line {first[identifier]}",
                where=where,
                remedy="Keep one line for each _id",
            )
        first[identifier] = number
        text = value.get("text")
        if not isinstance(text, str):
            problem = f"text is {shown(text)}" if "text" in value else f"no text among the keys {shown(sorted(value))}"
            raise InputError(f"{problem} (_id {identifier!r})", where=where, remedy='Give every line a string "text"')
        try:
            f"{identifier}{text}{value.get('title')}".encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"half a surrogate pair, {error.object[error.start]!r} (_id {identifier!r})",
                where=where,
                remedy="Write the whole character",
            ) from None
        yield number, identifier, text, value
