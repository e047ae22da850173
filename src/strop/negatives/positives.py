"""Positives: judgments become training groups without negatives, one for each positive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from strop.records.documents import Collection, Group, normal
from strop.records.errors import InputError


def positive_groups(collection: Collection, first_only: bool = False) -> list[Group]:
    """A group for each judged positive of each query; documents reserved for other splits are left out.

    `first_only` keeps the first of a query's positives only, as the code of arXiv 2506.18535 does. Raises InputError
    when the collection has no positive to train on.
    """
    groups = []
    for query_id, judged in collection.qrels.items():
        relevant = frozenset(d for d, relevance in judged.items() if relevance > 0)
        usable = [d for d in judged if d in relevant and d in collection.documents and d not in collection.reserved]
        groups += [Group(query_id, (d,), relevant=relevant) for d in (usable[:1] if first_only else usable)]
    if not groups:
        raise InputError(
            f"{collection.name}/{collection.split} has no judged positive that may be trained on",
            remedy="Give a training split with judgments above 0",
        )
    return groups


def with_texts(groups: Sequence[Group], collection: Collection) -> list[Group]:
    """The groups whose query and positives have a text: nothing is learned from an empty one.

    Raises InputError when there is none.
    """
    kept = [
        group
        for group in groups
        if collection.queries[group.query_id].text.strip()
        and all(collection.documents[d].contents.strip() for d in group.positives)
    ]
    if not kept:
        raise InputError(
            f"{collection.name}/{collection.split}: of every judged positive, it or its query has no text",
            remedy="Give documents and queries their texts",
        )
    return kept


def with_copies(groups: Sequence[Group], collection: Collection) -> list[Group]:
    """The groups with everything as relevant that answers the query under another id, or is the query itself.

    Ids are not texts: added are the relevant documents of every query of the same text, and the documents with the text
    of one of all these, or of the query. Texts are equal but for case and white space.
    """
    text = {q.id: normal(q.text) for q in collection.queries.values()}
    answers: dict[str, set[str]] = {}
    for query_id, judged in collection.qrels.items():
        answers.setdefault(text[query_id], set()).update(d for d, relevance in judged.items() if relevance > 0)
    for group in groups:
        answers[text[group.query_id]] |= group.relevant.union(group.positives)
    known = dict.fromkeys(d for of in answers.values() for d in of)
    contents = {d: normal(collection.documents[d].contents) for d in known if d in collection.documents}
    copies: dict[str, set[str]] = {wanted: set() for wanted in (*answers, *contents.values()) if wanted}
    for document in collection.documents.values():
        for same in {normal(document.contents), normal(document.text)} & copies.keys():
            copies[same].add(document.id)
    closed = {
        words: frozenset(of.union(copies.get(words, ()), *(copies.get(contents.get(d, ""), ()) for d in of)))
        for words, of in answers.items()
    }
    return [replace(group, relevant=closed[text[group.query_id]]) for group in groups]
