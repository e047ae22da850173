"""What a collection is made of, and what its splits share: plain counts, and a sentence on each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from strop.collection.near_duplicates import components, similar
from strop.collection.panel import first_shuffled
from strop.collection.shingles import shingles
from strop.records.documents import Collection, normal

#: Texts, each of which may be read once, -> tokens of each, as the model's tokenizer counts them, special tokens
#: included and nothing cut off.
TokenCounts = Callable[[Iterable[str]], Sequence[int]]

#: Jaccard of runs of four words from which two documents are called near-duplicates.
NEAR = 0.8

#: At most so many documents, drawn by chance, are read for duplicates and lengths: the rest stay on disk.
EXAMINED = 200_000


def audit(splits: Sequence[Collection], token_counts: TokenCounts | None = None, limit: int = 0) -> dict[str, Any]:
    """Counts over one collection's splits, ready for JSON; `readings` has them as sentences.

    `limit` is the model's maximum length in tokens; without `token_counts` lengths are left out, for `with_lengths` to
    add. Every split is compared with the one named `train`, if there is one. Duplicates and lengths are of
    `documents_examined`: all, or EXAMINED drawn by chance. Documents are read one by one, and only hashes of them are
    kept. Raises ValueError when the splits are not of one collection.
    """
    if len({(s.name, len(s.documents)) for s in splits}) != 1:
        raise ValueError("an audit takes the splits of one collection")
    train = next((s for s in splits if s.split == "train"), None)
    found: dict[str, Any] = {
        "collection": splits[0].name,
        "documents": len(splits[0].documents),
        "documents_examined": min(len(splits[0].documents), EXAMINED),
        "splits": {s.split: _judged(s) for s in splits},
        "duplicates": _duplicates(_contents(splits[0])),
        "overlap": {s.split: _overlap(train, s) for s in splits if train is not None and s is not train},
    }
    if token_counts is not None:
        return with_lengths(found, splits, token_counts, limit)
    return _told(found, splits)


def with_lengths(
    found: Mapping[str, Any], splits: Sequence[Collection], token_counts: TokenCounts, limit: int
) -> dict[str, Any]:
    """An audit of these splits with the lengths of texts in tokens."""
    texts: dict[str, Iterable[str]] = {"documents": _contents(splits[0])}
    texts |= {f"queries/{s.split}": (q.text for q in s.queries.values()) for s in splits}
    lengths = {role: _lengths(token_counts(t), limit) for role, t in texts.items()}
    return _told({**found, "lengths": {"limit": limit, **lengths}}, splits)


def _told(found: Mapping[str, Any], splits: Sequence[Collection]) -> dict[str, Any]:
    result = {name: value for name, value in found.items() if name not in ("warnings", "readings")}
    result["warnings"] = list(dict.fromkeys(warning for s in splits for warning in s.warnings))
    result["readings"] = list(_readings(result))
    return result


def _judged(split: Collection) -> dict[str, Any]:
    positives = [len(_relevant(judged)) for judged in split.qrels.values()]
    grades = Counter(grade for judged in split.qrels.values() for grade in judged.values())
    return {
        "queries": len(split.queries),
        "judgments": sum(map(len, split.qrels.values())),
        "grades": {str(grade): n for grade, n in sorted(grades.items())},
        "positives": {"min": min(positives), "median": float(np.median(positives)), "max": max(positives)},
        "queries_without_relevant": positives.count(0),
        "queries_repeated": len(split.queries) - len({normal(q.text) for q in split.queries.values()}),
        "queries_that_are_documents": sum(split.own_document(query_id) is not None for query_id in split.queries),
        "absent_documents": sum(d not in split.documents for judged in split.qrels.values() for d in judged),
        "reserved_documents": len(split.reserved),
        "fingerprint": split.fingerprint,
    }


def _relevant(judged: Mapping[str, int]) -> set[str]:
    return {doc_id for doc_id, relevance in judged.items() if relevance > 0}


def _contents(collection: Collection) -> Iterator[str]:
    """Of the documents that are examined, one by one."""
    documents = collection.documents
    if len(documents) <= EXAMINED:
        return (d.contents for d in documents.values())
    return (documents[d].contents for d in first_shuffled(documents, EXAMINED, "audit"))


def _duplicates(contents: Iterable[str]) -> dict[str, int]:
    """How many documents repeat an earlier one: but for case and white space, and nearly, by their words."""
    texts: set[bytes] = set()

    def noted() -> Iterator[str]:
        for text in contents:
            texts.add(hashlib.blake2b(normal(text).encode(), digest_size=16).digest())
            yield text

    sets = shingles(noted(), 4)
    alike = components(len(sets), similar(sets, NEAR))
    return {"exact": len(sets) - len(texts), "near": len(sets) - len(set(alike))}


def _overlap(train: Collection, other: Collection) -> dict[str, int]:
    """What a split shares with training; a known answer is a relevant document that is a training positive."""
    positives = set().union(*map(_relevant, train.qrels.values()))
    relevant = {query_id: _relevant(judged) for query_id, judged in other.qrels.items()}
    train_texts = {normal(q.text) for q in train.queries.values()}
    documents = set().union(*relevant.values())
    return {
        "queries": len(other.queries),
        "queries_asked_in_training": sum(normal(q.text) in train_texts for q in other.queries.values()),
        "relevant_documents": len(documents),
        "relevant_documents_known": len(documents & positives),
        "queries_with_relevant": sum(bool(docs) for docs in relevant.values()),
        "queries_with_a_known_answer": sum(bool(docs & positives) for docs in relevant.values()),
    }


def _lengths(counts: Sequence[int], limit: int) -> dict[str, Any]:
    """Quantiles in tokens, the share beyond the limit, and a histogram of 20 equal bins up to the 99th percentile."""
    values = np.asarray(counts)
    top = max(1, int(np.quantile(values, 0.99)))
    bins, edges = np.histogram(np.minimum(values, top), bins=20, range=(0, top))
    return {
        "median": float(np.median(values)),
        "p90": float(np.quantile(values, 0.9)),
        "max": int(values.max()),
        "truncated": int((values > limit).sum()),
        "truncated_share": float((values > limit).mean()),
        "histogram": {"edges": edges.tolist(), "counts": bins.tolist(), "last_bin": "and all longer ones"},
    }


def _readings(result: Mapping[str, Any]) -> Iterable[str]:
    queries = ", ".join(f"{name}: {split['queries']} queries" for name, split in result["splits"].items())
    yield f"{result['documents']} documents; {queries}"
    for name, split in result["splits"].items():
        low, median, high = split["positives"].values()
        spread = f"{low}" if low == high else f"{low} to {high} (median {median:g})"
        yield f"{name}: relevant documents per query: {spread}"
        if split["queries_without_relevant"]:
            yield f"{name}: {split['queries_without_relevant']} queries have no relevant document and always score 0"
        if split["queries_repeated"]:
            yield f"{name}: {split['queries_repeated']} queries repeat the text of another under an id of their own"
        if split["queries_that_are_documents"]:
            own = split["queries_that_are_documents"]
            yield f"{name}: {own} queries are documents, by id and text, and are not retrieved for themselves"
        if split["absent_documents"]:
            yield f"{name}: {split['absent_documents']} judgments name absent documents"
    duplicates, examined = result["duplicates"], result["documents_examined"]
    sample = f"of {examined} documents drawn by chance, " if examined < result["documents"] else ""
    yield (
        f"{sample}{duplicates['exact']} documents repeat another exactly under an id of their own, "
        f"{duplicates['near']} nearly ({NEAR:.0%} of their runs of four words)"
    )
    for name, shared in result["overlap"].items():
        yield (
            f"{name}: {shared['relevant_documents_known']} of {shared['relevant_documents']} relevant documents are "
            f"positives of training queries, which affects {shared['queries_with_a_known_answer']} of "
            f"{shared['queries_with_relevant']} queries"
        )
        if shared["queries_asked_in_training"]:
            yield f"{name}: {shared['queries_asked_in_training']} queries are also training queries, word for word"
    lengths = dict(result.get("lengths", {}))
    limit = lengths.pop("limit", 0)
    for role, length in lengths.items():
        yield (
            f"{role}: {length['median']:g} tokens in the median, {length['p90']:g} at the 90th percentile; "
            f"{length['truncated_share']:.1%} are cut at {limit}"
        )
