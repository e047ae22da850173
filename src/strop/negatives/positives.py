"""Positives: judgments become training groups without negatives, one for each positive."""

from __future__ import annotations

from collections.abc import Sequence

from strop.records.documents import Collection, Group
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


def without_copies(groups: Sequence[Group], collection: Collection) -> list[Group]:
    """The groups without negatives that have a positive's text: the same text under another id is no negative.

    Groups that have no other negative are left out.
    """
    kept = []
    for group in groups:
        texts = {collection.documents[d].contents for d in group.positives}
        others = [(d, source) for d, source in group.sourced if collection.documents[d].contents not in texts]
        if others or not group.negatives:
            kept.append(group.with_negatives(others))
    return kept
