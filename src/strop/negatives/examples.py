"""Training groups as JSON lines of query, positive and negatives, texts included: any other trainer can read them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from strop.records.documents import Collection, Group
from strop.records.errors import InputError

_REMEDY = 'A line reads: {"query": "…", "positive": "…", "negatives": ["…"]}'
_SCORES = "A teacher reads: \"scores\": [the positive's, each negative's in their order], null where there is none"
_LARGEST = 3.4e38  # float32's, which batches hold them in


@dataclass(frozen=True, slots=True)
class Examples:
    """Groups and the texts of every id in them."""

    groups: tuple[Group, ...]
    queries: Mapping[str, str]
    documents: Mapping[str, str]

    @classmethod
    def of(cls, groups: Sequence[Group], collection: Collection) -> Examples:
        used = {d: None for g in groups for d in (*g.positives, *g.negatives)}
        return cls(
            tuple(groups),
            {g.query_id: collection.queries[g.query_id].text for g in groups},
            {d: collection.documents[d].contents for d in used},
        )

    def only(self, groups: Sequence[Group]) -> Examples:
        """These of its groups, with their texts alone."""
        used = dict.fromkeys(d for g in groups for d in (*g.positives, *g.negatives))
        queries = {g.query_id: self.queries[g.query_id] for g in groups}
        return Examples(tuple(groups), queries, {d: self.documents[d] for d in used})


def write_examples(examples: Examples, path: str | Path) -> None:
    """One line for each (query, positive). The ids are there too, so that strop masks sibling positives by id.

    A teacher's scores of the positive and the negatives are kept as `scores`, those of other documents are not.
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
    """Read what `write_examples` or another tool wrote; only `query` and `positive` are required.

    Where ids are missing a text is its own id, so that equal texts are one document; all positives a query has in the
    file are its relevant ones. `scores`, where a line has them, are a teacher's: the positive's, then each negative's.
    Raises InputError with file and line.
    """
    path = Path(path)
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    relevant: dict[str, set[str]] = {}
    groups: list[Group] = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # splitlines would cut at U+2028 inside a text
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), remedy="Check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 ({error.reason})", where=str(path), remedy="Save it as UTF-8") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        item = _checked(line, f"{path}:{number}")
        query_id = str(item.get("query_id", _text_id(item["query"])))
        positive = str(item.get("positive_id", _text_id(item["positive"])))
        texts = item.get("negatives", [])
        negatives = tuple(map(str, item.get("negative_ids", [_text_id(t) for t in texts])))
        known_texts = [(queries, query_id, item["query"]), (documents, positive, item["positive"])]
        for held, text_id, text in known_texts + [(documents, *pair) for pair in zip(negatives, texts, strict=True)]:
            if held.setdefault(text_id, text) != text:
                raise InputError(
                    f"the id {text_id!r} has two different texts",
                    where=f"{path}:{number}",
                    remedy="Give each text its own id, or leave the ids out",
                )
        relevant.setdefault(query_id, set()).update([positive, *map(str, item.get("relevant_ids", []))])
        scored = zip((positive, *negatives), item.get("scores", ()), strict=False)
        teacher = {doc_id: float(score) for doc_id, score in scored if score is not None}
        groups.append(Group(query_id, (positive,), negatives, tuple(item.get("sources", ())), teacher=teacher))
    if not groups:
        raise InputError("there are no training examples", where=str(path), remedy=_REMEDY)
    known = {query_id: frozenset(ids) for query_id, ids in relevant.items()}
    return Examples(
        tuple(replace(g, relevant=known[g.query_id]) for g in groups),
        queries,
        documents,
    )


def _checked(line: str, where: str) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"broken JSON ({error.msg} at column {error.colno})", where=where, remedy=_REMEDY) from None
    if not isinstance(item, dict):
        raise InputError("not a JSON object", where=where, remedy=_REMEDY)
    try:
        json.dumps(item, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InputError("half a surrogate pair", where=where, remedy="Save the texts as whole UTF-8") from None
    for name in ("query", "positive"):
        if not isinstance(item.get(name), str) or not item[name].strip():
            raise InputError(f"{name!r} is missing, empty or no text", where=where, remedy=_REMEDY)
    texts = item.get("negatives", [])
    if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        raise InputError("'negatives' is not a list of texts", where=where, remedy=_REMEDY)
    for name in ("negative_ids", "relevant_ids", "sources"):
        if not isinstance(item.get(name, []), list):
            raise InputError(f"{name!r} is not a list", where=where, remedy=_REMEDY)
    if len(item.get("negative_ids", texts)) != len(texts):
        raise InputError("'negative_ids' and 'negatives' differ in number", where=where, remedy=_REMEDY)
    if item["positive"] in texts:
        raise InputError("the positive stands among its own negatives", where=where, remedy="Remove it there")
    if "scores" in item:
        _check_scores(item["scores"], 1 + len(texts), where)
    return item


def _check_scores(scores: Any, candidates: int, where: str) -> None:
    if not isinstance(scores, list):
        raise InputError("'scores' is not a list", where=where, remedy=_SCORES)
    if len(scores) != candidates:
        said = f"{len(scores)} scores for a positive and {candidates - 1} negatives"
        raise InputError(said, where=where, remedy=_SCORES)
    for score in scores:
        number = isinstance(score, (int, float)) and not isinstance(score, bool)
        if score is not None and not (number and abs(score) <= _LARGEST):
            raise InputError(f"the score {str(score)[:40]!r} is not a finite number", where=where, remedy=_SCORES)


def _text_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
