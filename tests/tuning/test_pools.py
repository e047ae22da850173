"""Pools: relevant documents, hard and uniform distractors, and nothing relevant that is not judged so."""

from __future__ import annotations

from strop.collection.fingerprint import with_fingerprint
from strop.records.documents import Collection, Document, Query
from strop.tuning.pools import RELEVANT, pool, some_queries

DOCUMENTS = {f"d{i}": Document(f"d{i}", f"word{i % 7} word{i % 11} number{i}") for i in range(200)}


def collection(qrels: dict[str, dict[str, int]]) -> Collection:
    queries = {q: Query(q, f"word{i % 7}") for i, q in enumerate(qrels)}
    return with_fingerprint(Collection("small", "dev", DOCUMENTS, queries, qrels, ""))


def test_a_pool_has_the_best_answers_and_none_of_the_others() -> None:
    graded = {f"d{i}": 1 + i % 2 for i in range(20)}
    small = pool(collection({"q0": graded}), 5, 60)
    assert set(small.qrels["q0"]) == {d for d, grade in graded.items() if grade == 2}
    assert len(small.qrels["q0"]) == RELEVANT
    assert not {d for d, grade in graded.items() if grade == 1} & small.documents.keys(), "they would be false errors"
    assert len(small.documents) == 60


def test_documents_that_share_the_query_s_words_are_in_it() -> None:
    small = pool(collection({"q0": {"d1": 1}}), 5, 10)
    assert sum("word0 " in d.text for d in small.documents.values()) >= 4


def test_a_pool_is_the_same_every_time_and_holds_at_most_so_many_queries() -> None:
    whole = collection({f"q{i}": {f"d{i}": 1} for i in range(30)})
    assert pool(whole, 10, 50).fingerprint == pool(whole, 10, 50).fingerprint
    assert len(pool(whole, 10, 50).queries) == 10


def test_some_queries_keep_their_judgments_and_all_documents() -> None:
    part = some_queries(collection({f"q{i}": {f"d{i}": 1} for i in range(5)}), ["q3", "q1"])
    assert list(part.qrels) == ["q1", "q3"]
    assert len(part.documents) == 200
