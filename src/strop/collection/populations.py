"""Queries by what they share: with training, and with each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set

from strop.collection.audit import NEAR
from strop.collection.near_duplicates import components, similar
from strop.collection.panel import shuffled
from strop.collection.shingles import shingles
from strop.records.documents import Collection

#: Jaccard of the words of two queries from which they are called near-duplicates.
NEAR_QUERY = 0.8


def known_and_new(train_positives: Set[str], collection: Collection) -> tuple[frozenset[str], frozenset[str]]:
    """Query ids with a relevant document that is some training query's positive too, and those without one.

    A query without any relevant document is in neither.
    """
    relevant = {query_id: _relevant(collection, query_id) for query_id in collection.qrels}
    known = frozenset(query_id for query_id, docs in relevant.items() if docs & train_positives)
    return known, frozenset(query_id for query_id, docs in relevant.items() if docs) - known


def parts(collection: Collection, queries: Iterable[str]) -> list[frozenset[str]]:
    """Some judged queries of a collection in connected parts, in the order of their first ids.

    Two queries are connected that are near-duplicates (`NEAR_QUERY` of their words), or have a relevant document in
    common, or relevant documents that are near-duplicates (`NEAR` of their runs of four words). Raises KeyError for a
    query that is not judged.
    """
    query_ids = sorted(set(queries))
    askers: defaultdict[str, list[int]] = defaultdict(list)
    for place, query_id in enumerate(query_ids):
        for doc_id in _relevant(collection, query_id):
            askers[doc_id].append(place)
    there = sorted(doc_id for doc_id in askers if doc_id in collection.documents)
    alike = similar(shingles((collection.documents[doc_id].contents for doc_id in there), 4), NEAR)
    links = [(places[0], place) for places in askers.values() for place in places]
    links += [(askers[there[a]][0], askers[there[b]][0]) for a, b in alike]
    links += similar(shingles((collection.queries[query_id].text for query_id in query_ids), 1), NEAR_QUERY)
    members: defaultdict[int, list[str]] = defaultdict(list)
    for query_id, part in zip(query_ids, components(len(query_ids), links), strict=True):
        members[part].append(query_id)
    return [frozenset(part) for part in members.values()]


def split_parts(parts: Sequence[Set[str]], shares: Sequence[float], seed: int) -> list[frozenset[str]]:
    """Whole parts dealt out to one fold for each share: the largest first, each to the fold furthest below its share.

    Shares are relative to their sum; the furthest is counted in queries. Parts of one size come in an order drawn from
    `seed`. With fewer parts than shares, or one very large part, folds stay empty or below their share. Raises
    ValueError for shares that are not all above 0.
    """
    if not shares or min(shares) <= 0:
        raise ValueError(f"shares above 0 are needed, not {list(shares)}")
    total = sum(map(len, parts))
    wanted = [share / sum(shares) * total for share in shares]
    folds: list[set[str]] = [set() for _ in shares]
    by_first = {min(part): part for part in parts}
    for first in sorted(shuffled(by_first, f"{seed} part"), key=lambda first: -len(by_first[first])):
        missing = [want - len(fold) for want, fold in zip(wanted, folds, strict=True)]
        folds[missing.index(max(missing))] |= by_first[first]
    return [frozenset(fold) for fold in folds]


def _relevant(collection: Collection, query_id: str) -> set[str]:
    return {doc_id for doc_id, relevance in collection.qrels[query_id].items() if relevance > 0}
