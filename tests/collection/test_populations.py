from __future__ import annotations

import pytest

from strop.collection.populations import known_and_new, parts, split_parts
from strop.records.documents import Collection, Document, Qrels, Query


def collection(
    qrels: Qrels, texts: dict[str, str] | None = None, documents: dict[str, str] | None = None
) -> Collection:
    judged = {d for relevances in qrels.values() for d in relevances}
    contents = {d: f"{d} alone has these words {d}" for d in judged} | (documents or {})
    queries = {q: Query(q, (texts or {}).get(q, f"asks {q}")) for q in qrels}
    return Collection("c", "test", {d: Document(d, t) for d, t in contents.items()}, queries, qrels, "")


def test_a_query_is_known_by_one_relevant_document_and_one_without_any_is_neither() -> None:
    data = collection({"known": {"a": 1, "b": 2}, "new": {"a": 0, "c": 1}, "neither": {"a": 0}})
    assert known_and_new({"a", "z"}, data) == ({"known"}, {"new"})


def test_queries_are_connected_by_a_relevant_document_and_not_by_one_judged_irrelevant() -> None:
    data = collection({"q1": {"a": 1}, "q2": {"a": 2, "b": 1}, "q3": {"b": 1}, "q4": {"b": 0, "c": 1}, "q5": {}})
    assert parts(data, data.qrels) == [{"q1", "q2", "q3"}, {"q4"}, {"q5"}]
    assert parts(data, ["q3", "q1"]) == [{"q1"}, {"q3"}]


def test_near_duplicate_queries_and_documents_connect_too() -> None:
    words = " ".join(f"w{i}" for i in range(40))
    data = collection(
        {"q1": {"a": 1}, "q2": {"b": 1}, "q3": {"c": 1}, "q4": {"d": 1}, "q5": {"gone": 1}},
        texts={"q2": "how do I sort a list of numbers", "q3": "how do I Sort a list of numbers?"},
        documents={"a": words, "d": f"{words} end", "gone": "x"},
    )
    assert parts(data, data.qrels) == [{"q1", "q4"}, {"q2", "q3"}, {"q5"}]


def test_a_judged_document_that_is_absent_connects_its_queries() -> None:
    data = collection({"q1": {"a": 1}, "q2": {"a": 1}})
    assert parts(Collection("c", "test", {}, data.queries, data.qrels, ""), data.qrels) == [{"q1", "q2"}]


def test_whole_parts_go_to_the_fold_furthest_below_its_share() -> None:
    sizes = [6, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    dealt = [frozenset(f"p{i}-{j}" for j in range(size)) for i, size in enumerate(sizes)]
    folds = split_parts(dealt, [8, 1, 1], seed=0)
    assert [len(fold) for fold in folds] == [16, 2, 2]
    assert all(sum(part <= fold for fold in folds) == 1 for part in dealt)
    assert folds == split_parts(dealt[::-1], [0.8, 0.1, 0.1], seed=0)
    assert folds != split_parts(dealt, [8, 1, 1], seed=1)


def test_one_part_leaves_the_smaller_folds_empty_and_shares_must_be_above_zero() -> None:
    assert split_parts([frozenset("abc")], [1, 2], seed=0) == [frozenset(), frozenset("abc")]
    for shares in ([], [1, 0]):
        with pytest.raises(ValueError, match="above 0"):
            split_parts([], shares, seed=0)
