"""The ledger counts models, not commands, and knows a test split by its queries."""

from __future__ import annotations

from pathlib import Path

from strop.artifacts.store import Store
from strop.collection.fingerprint import with_fingerprint
from strop.records.documents import Collection, Document, Query
from strop.tuning.ledger import look, looks


def split(first: int, last: int) -> Collection:
    queries = {str(i): Query(str(i), f"question {i}") for i in range(first, last)}
    qrels = {q: {"d": 1} for q in queries}
    return with_fingerprint(Collection("c", "test", {"d": Document("d", "answer")}, queries, qrels, ""))


def test_each_new_model_is_a_look_and_the_same_model_keeps_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert looks(store, split(0, 20)) == 0
    assert [look(store, split(0, 20), model) for model in ("a", "b", "a", "c", "b")] == [1, 2, 1, 3, 2]
    assert looks(store, split(0, 20)) == 3


def test_another_test_split_has_looks_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    look(store, split(0, 20), "a")
    assert look(store, split(20, 40), "b") == 1


def test_a_split_with_queries_added_or_taken_away_is_no_fresh_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    look(store, split(0, 20), "a")
    assert look(store, split(0, 30), "b") == 2
    assert look(store, split(15, 20), "c") == 3
    assert look(store, split(0, 20), "a") == 1
