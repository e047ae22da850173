"""Training examples as JSON lines of query, positive and negatives, with texts, so that any trainer can read them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from strop.records.documents import Collection, Group
from strop.records.errors import InputError
from strop.records.text_lines import check_whole_characters, json_lines

_REMEDY = 'A line reads: {"query": "…", "positive": "…", "negatives": ["…"]}'
_SCORES = "A line with a teacher reads: \"scores\": [the positive's, each negative's in order], null where unknown"
_LARGEST = 3.4e38  # of float32, the type of scores in a batch


@dataclass(frozen=True, slots=True)
class Examples:
    """Groups and the texts of every id in them."""

    groups: tuple[Group, ...]
    queries: Mapping[str, str]
    documents: Mapping[str, str]

    @classmethod
    def of(cls, groups: Sequence[Group], collection: Collection) -> Examples:
        """The groups with their texts from a collection."""
        queries = {g.query_id: collection.queries[g.query_id].text for g in groups}
        return cls(tuple(groups), queries, {d: collection.documents[d].contents for d in _doc_ids(groups)})

    def only(self, groups: Sequence[Group]) -> Examples:
        """Some of its groups, with their texts alone."""
        queries = {g.query_id: self.queries[g.query_id] for g in groups}
        return Examples(tuple(groups), queries, {d: self.documents[d] for d in _doc_ids(groups)})


def _doc_ids(groups: Sequence[Group]) -> Iterable[str]:
    return dict.fromkeys(d for g in groups for d in (*g.positives, *g.negatives))


def write_examples(examples: Examples, path: str | Path) -> None:
    """Write one line for each (query, positive), with ids, so that other positives of a query can be masked by id.

    A teacher's scores of the positive and the negatives are written as `scores`; those of other documents are not.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        for group in examples.groups:
            for positive in group.positives:
                line: dict[str, Any] = {
                    "query": examples.queries[group.query_id],
                    "positive": examples.documents[positive],
                    "negatives": [examples.documents[d] for d in group.negatives],
                    "query_id": group.query_id,
                    "positive_id": positive,
                    "negative_ids": list(group.negatives),
                    "sources": list(group.sources),
                    "relevant_ids": sorted(group.relevant),
                }
                scores = [group.teacher.get(d) for d in (positive, *group.negatives)]
                if scores != [None] * len(scores):
                    line["scores"] = scores
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    os.replace(partial, path)


def read_examples(path: str | Path) -> Examples:
    """Read a file of examples, written by `write_examples` or another tool; only `query` and `positive` are required.

    Where ids are missing they are made from the texts, so that equal texts are one document; all positives that a query
    has in the file are its relevant ones. `scores`, where a line has them, are a teacher's: the positive's, then each
    negative's. Raises InputError with file and line.
    """
    path = Path(path)
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    relevant: dict[str, set[str]] = {}
    groups: list[Group] = []
    for where, item in json_lines(path, _REMEDY):
        _check(item, where)
        query_id = str(item.get("query_id", text_id(item["query"])))
        positive = str(item.get("positive_id", text_id(item["positive"])))
        texts = item.get("negatives", [])
        negatives = tuple(map(str, item.get("negative_ids", [text_id(t) for t in texts])))
        named = [(queries, query_id, item["query"]), (documents, positive, item["positive"])]
        for known, name, text in named + [(documents, *pair) for pair in zip(negatives, texts, strict=True)]:
            if known.setdefault(name, text) != text:
                problem = f"the id {name!r} has two different texts"
                raise InputError(problem, where=where, remedy="Give each text its own id, or leave the ids out")
        relevant.setdefault(query_id, set()).update([positive, *map(str, item.get("relevant_ids", []))])
        scored = zip((positive, *negatives), item.get("scores", ()), strict=False)
        teacher = {doc_id: float(score) for doc_id, score in scored if score is not None}
        groups.append(Group(query_id, (positive,), negatives, tuple(item.get("sources", ())), teacher=teacher))
    if not groups:
        raise InputError("there are no training examples", where=str(path), remedy=_REMEDY)
    all_relevant = {query_id: frozenset(ids) for query_id, ids in relevant.items()}
    return Examples(tuple(replace(g, relevant=all_relevant[g.query_id]) for g in groups), queries, documents)


def _check(item: Mapping[str, Any], where: str) -> None:
    check_whole_characters(json.dumps(item, ensure_ascii=False), where)
    for name in ("query", "positive"):
        if not isinstance(item.get(name), str) or not item[name].strip():
            raise InputError(f"{name!r} is missing, empty or not a text", where=where, remedy=_REMEDY)
    texts = item.get("negatives", [])
    if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        raise InputError("'negatives' is not a list of texts", where=where, remedy=_REMEDY)
    for name in ("negative_ids", "relevant_ids", "sources"):
        if not isinstance(item.get(name, []), list):
            raise InputError(f"{name!r} is not a list", where=where, remedy=_REMEDY)
    if len(item.get("negative_ids", texts)) != len(texts):
        raise InputError("'negative_ids' and 'negatives' differ in number", where=where, remedy=_REMEDY)
    if item["positive"] in texts:
        raise InputError("the positive is among its own negatives", where=where, remedy="Remove it there")
    if "scores" in item:
        _check_scores(item["scores"], 1 + len(texts), where)


def _check_scores(scores: Any, candidates: int, where: str) -> None:
    if not isinstance(scores, list):
        raise InputError("'scores' is not a list", where=where, remedy=_SCORES)
    if len(scores) != candidates:
        problem = f"{len(scores)} scores for a positive and {candidates - 1} negatives"
        raise InputError(problem, where=where, remedy=_SCORES)
    for score in scores:
        number = isinstance(score, (int, float)) and not isinstance(score, bool)
        if score is not None and not (number and abs(score) <= _LARGEST):
            raise InputError(f"the score {str(score)[:40]!r} is not a finite number", where=where, remedy=_SCORES)


def text_id(text: str) -> str:
    """The id of a text that has none: 16 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
