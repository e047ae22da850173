"""The values in a training file's columns, checked: texts, passages, ids and a teacher's scores."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from strop.records.documents import Document
from strop.records.errors import InputError, excerpt

LINE = 'A line reads: {"query": "…", "positive": "…", "negatives": ["…"]}'
SCORES = "A teacher's \"scores\" are the positive's, then each negative's in order, null where unknown"
_PASSAGE = 'A passage reads: {"docid": "…", "title": "…", "text": "…"}'
_LARGEST = 3.4e38  # of float32, the type of scores in a batch

Text = tuple[str | None, str, Any]
"""Id, text and a teacher's score, None where there is none."""


def texts(name: str, value: Any) -> list[Text]:
    """A text, or a list of texts."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise InputError(f"{excerpt(name)} is not a text or a list of texts: {excerpt(value)}", remedy=LINE)
    return [(None, text, None) for text in found]


def passages(name: str, value: Any) -> list[Text]:
    """A list of passages; title and text are joined as those of any document."""
    if not isinstance(value, list) or not all(isinstance(passage, dict) for passage in value):
        raise InputError(f"{excerpt(name)} is not a list of passages: {excerpt(value)}", remedy=_PASSAGE)
    return [_passage(name, passage) for passage in value]


def _passage(name: str, passage: Mapping[str, Any]) -> Text:
    if unknown := passage.keys() - {"docid", "title", "text", "score"}:
        raise InputError(
            f"a passage of {excerpt(name)} has {excerpt(min(unknown))}, which is not known", remedy=_PASSAGE
        )
    doc_id, title, text = passage.get("docid"), passage.get("title"), passage.get("text")
    if not (isinstance(title, str | None) and isinstance(text, str)):
        raise InputError(f"a passage of {excerpt(name)} is not text: {excerpt(passage)}", remedy=_PASSAGE)
    contents = Document("", text, title or "").contents
    return None if doc_id is None else identifier("docid", doc_id), contents, passage.get("score")


def listed(name: str, row: Mapping[str, Any]) -> list[Any]:
    """A column that holds a list, or nothing."""
    value = row.get(name, [])
    if not isinstance(value, list):
        raise InputError(f"{excerpt(name)} is not a list: {excerpt(value)}", remedy=LINE)
    return value


def identifier(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise InputError(f"{excerpt(name)} holds {excerpt(value)}", remedy="Write ids as texts or whole numbers")
    return str(value)


def named(found: Sequence[Text], name: str, ids: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    """(id, text) of each: with the ids given, or its own, or one made from the text."""
    if ids and len(ids) != len(found):
        raise InputError(f"{excerpt(name)} and the texts differ in number: {len(ids)} and {len(found)}", remedy=LINE)
    given = [identifier(name, value) for value in ids] or [own or text_id(text) for own, text, _ in found]
    return tuple((doc_id, text) for doc_id, (_, text, _) in zip(given, found, strict=True))


def scores(name: str, row: Mapping[str, Any], found: Sequence[Text]) -> list[Any]:
    """A column of scores, one for each text; without it, what the texts themselves have."""
    if name not in row:
        return [own for _, _, own in found]
    value = [row[name]] if len(found) == 1 and not isinstance(row[name], list) else row[name]
    if not isinstance(value, list):
        raise InputError(f"{excerpt(name)} is not a list: {excerpt(value)}", remedy=SCORES)
    if len(value) != len(found):
        raise InputError(f"{excerpt(name)} has {len(value)} numbers for {len(found)} texts", remedy=SCORES)
    return value


def teacher(doc_ids: Sequence[str], given: Sequence[Any]) -> dict[str, float]:
    """Document ids with their scores, where these are known."""
    known: dict[str, float] = {}
    for doc_id, score in zip(doc_ids, given, strict=True):
        number = isinstance(score, (int, float)) and not isinstance(score, bool)
        if score is not None and not (number and abs(score) <= _LARGEST):
            raise InputError(f"the score {excerpt(str(score))} is not a finite number", remedy=SCORES)
        if score is not None and known.setdefault(doc_id, float(score)) != float(score):
            raise InputError(f"one text has two scores, {known[doc_id]} and {score}", remedy="Keep one of the two")
    return known


def text_id(text: str) -> str:
    """The id of a text that has none: 16 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
