"""Positives: judgments -> training groups without negatives, one for each positive."""

from __future__ import annotations

from strop.nouns import Collection, Group, InputError


def positive_groups(collection: Collection, first_only: bool = False) -> list[Group]:
    """A group for each judged positive of each query, documents reserved for other splits left out.

    `first_only` keeps the first of a query's positives, as the thesis' code does. Raises InputError when the
    collection has no positive to train on.
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
