"""Broken collections in BEIR's and MS MARCO's layout, through `strop data export`; the oracle is Python's json."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from campaign import breakages
from campaign.command import Strop
from campaign.verdicts import Attacks, Case, Verdict, files, refused

#: Documents by id as (title, text), judged queries by id, and grades by query and document, of each split.
Content = tuple[dict[str, tuple[str, str]], dict[str, str], dict[str, dict[str, dict[str, int]]]]

_DOCUMENTS = {f"d{i}": (f"Title {i}" if i % 2 else "", f"Bodies of {i}, and é") for i in range(6)}
_QUERIES = {f"q{i}": f"what is {i}" for i in range(4)}
_GRADES = [("q0", "d0", 1), ("q0", "d3", 0), ("q1", "d1", 2), ("q2", "d2", 1)]


def _beir() -> dict[str, str]:
    documents = ({"_id": d, "title": title, "text": text} for d, (title, text) in _DOCUMENTS.items())
    queries = ({"_id": q, "text": text, "metadata": {"of": "mine"}} for q, text in _QUERIES.items())
    return {
        "corpus.jsonl": "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in documents),
        "queries.jsonl": "".join(json.dumps(each) + "\n" for each in queries),
        "qrels/test.tsv": "query-id\tcorpus-id\tscore\n" + "".join(f"{q}\t{d}\t{n}\n" for q, d, n in _GRADES),
    }


def _marco() -> dict[str, str]:
    return {
        "collection.tsv": "".join(f"{d}\t{text}\n" for d, (_, text) in _DOCUMENTS.items()),
        "queries.dev.tsv": "".join(f"{q}\t{text}\n" for q, text in _QUERIES.items()),
        "qrels.dev.tsv": "".join(f"{q}\t0\t{d}\t{n}\n" for q, d, n in _GRADES),
    }


def _attacks(
    contents: Callable[[], dict[str, str]],
    name: str,
    own: Mapping[str, breakages.Break],
    strop: Strop,
    work: Path,
    rng: Random,
) -> Iterator[Case]:
    def fresh() -> Path:
        shutil.rmtree(work / "mine", ignore_errors=True)
        shutil.rmtree(work / "out", ignore_errors=True)
        for each, text in contents().items():
            path = work / "mine" / each
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return work / "mine" / name

    read = _read_beir if contents is _beir else _read_marco
    for title, path, harmless in breakages.attacks(fresh, own, rng):
        if name == "collection.tsv" and title.startswith("gzip"):
            harmless = False  # read in place, so never packed
        before = files(work)
        ended = strop(["data", "export", "mine", "out"], work)
        if ended.code:
            yield Case(name, title, *refused(ended, _names(path), work, before, harmless))
        else:
            yield Case(name, title, *_compared(work, read))


DOORS: Mapping[str, Attacks] = {
    "corpus.jsonl": partial(_attacks, _beir, "corpus.jsonl", breakages.json_lines()),
    "queries.jsonl": partial(_attacks, _beir, "queries.jsonl", breakages.json_lines()),
    "qrels/test.tsv": partial(_attacks, _beir, "qrels/test.tsv", breakages.cells(b"\t")),
    "collection.tsv": partial(_attacks, _marco, "collection.tsv", breakages.cells(b"\t", 0)),
    "queries.dev.tsv": partial(_attacks, _marco, "queries.dev.tsv", breakages.cells(b"\t", 0)),
    "qrels.dev.tsv": partial(_attacks, _marco, "qrels.dev.tsv", breakages.cells(b"\t", 0)),
}


def _names(path: Path) -> tuple[str, ...]:
    """What names a file; that of the only split is not known by its name any more once it is gone."""
    return (
        path.name,
        *(() if path.exists() else ("no qrels/SPLIT.tsv", "no qrels.SPLIT.tsv") * ("qrels" in str(path))),
    )


def _compared(work: Path, read: Callable[[Path], Content]) -> tuple[Verdict, str]:
    try:
        wanted = read(work / "mine")
    except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError) as error:
        return "silent", f"accepted, but a plain reader says: {error!r}"[:300]
    found = _read_beir(work / "out")
    for what, ours, theirs in zip(("documents", "queries", "judgments"), found, wanted, strict=True):
        if ours != theirs:
            return "silent", f"{what} are {ours!r:.200} and to a plain reader {theirs!r:.200}"
    return "exact", ""


def _read_beir(folder: Path) -> Content:
    documents = _by_id(folder / "corpus.jsonl", lambda value: (_text(value.get("title") or ""), _text(value["text"])))
    queries = _by_id(folder / "queries.jsonl", lambda value: _text(value["text"]))
    splits: dict[str, dict[str, dict[str, int]]] = {}
    for path in (folder / "qrels").iterdir():
        judged = splits[path.name.partition(".")[0]] = {}
        for line in _lines(path)[1:]:
            query_id, doc_id, grade = (cell.strip(" \t\r\v\f") for cell in line.split("\t"))
            judged.setdefault(query_id, {})[doc_id] = int(float(grade))
    return _judged(documents, queries, splits)


def _read_marco(folder: Path) -> Content:
    documents = {d: ("", text) for d, text in _pairs(folder / "collection.tsv")}
    queries = dict(_pairs(folder / "queries.dev.tsv"))
    judged: dict[str, dict[str, int]] = {}
    for line in _lines(folder / "qrels.dev.tsv"):
        if not line.lstrip().startswith("#"):
            query_id, _, doc_id, grade = (word.decode() for word in line.encode().split())
            judged.setdefault(query_id, {})[doc_id] = int(float(grade))
    return _judged(documents, queries, {"dev": judged})


def _judged(
    documents: dict[str, tuple[str, str]], queries: dict[str, str], splits: dict[str, dict[str, dict[str, int]]]
) -> Content:
    asked = {query_id for judged in splits.values() for query_id in judged}
    return documents, {query_id: queries[query_id] for query_id in asked}, splits


def _lines(path: Path) -> list[str]:
    data = path.read_bytes()
    data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    lines = data.removeprefix(b"\xef\xbb\xbf").decode().split("\n")
    return [line.rstrip("\r") for line in lines if line.strip()]


def _pairs(path: Path) -> list[tuple[str, str]]:
    pairs = [tuple(line.split("\t", 1)) for line in _lines(path)]
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("an id stands there twice")
    return pairs  # type: ignore[return-value]


def _by_id(path: Path, content: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    values = [json.loads(line, object_pairs_hook=_once) for line in _lines(path)]
    if any(isinstance(value["_id"], (bool, float, type(None))) for value in values):
        raise ValueError("an id is neither a text nor a whole number")
    found = {str(value["_id"]): content(value) for value in values}
    if len(found) < len(values):
        raise ValueError("an id stands there twice")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no text")
    return value
