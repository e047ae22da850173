"""A collection written in BEIR's layout, so that any other tool can read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from strop.records.documents import Collection
from strop.records.errors import InputError
from strop.records.judgments import HEADER
from strop.records.writing import whole_folder


def write_beir(splits: Sequence[Collection], folder: str | Path) -> None:
    """Write the splits of one collection as a BEIR folder, which appears whole or not at all.

    Domains are kept under metadata. Raises InputError when the folder exists and is not empty, ValueError when the
    splits differ in their documents, share a name, or give one query id two texts.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            "this exists already, and is not empty", where=str(folder), remedy="Name a new folder, or remove it"
        )
    documents = splits[0].documents
    queries = {q.id: q for split in splits for q in split.queries.values()}
    if any(split.documents != documents for split in splits):
        raise ValueError("the splits differ in their documents")
    if len({split.split for split in splits}) < len(splits):
        raise ValueError("two splits share a name")
    if any(queries[q.id] != q for split in splits for q in split.queries.values()):
        raise ValueError("two splits give one query id different texts")
    corpus = (
        {"_id": d.id, "title": d.title, "text": d.text, "metadata": {"domain": d.domain} if d.domain else {}}
        for d in documents.values()
    )
    with whole_folder(folder) as own:
        (own / "qrels").mkdir()
        _write_lines(own / "corpus.jsonl", corpus)
        _write_lines(own / "queries.jsonl", ({"_id": q.id, "text": q.text} for q in queries.values()))
        for split in splits:
            with (own / "qrels" / f"{split.split}.tsv").open("w", encoding="utf-8", newline="\n") as file:
                rows = ((q, d, str(relevance)) for q, judged in split.qrels.items() for d, relevance in judged.items())
                file.writelines("\t".join(row) + "\n" for row in (HEADER, *rows))


def _write_lines(path: Path, values: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
