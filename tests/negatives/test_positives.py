"""What may never be a query's negative, under whatever id: its own text, its answers, and a same query's answers."""

from __future__ import annotations

from strop.negatives.from_run import RankWindow
from strop.negatives.positives import positive_groups, with_copies
from strop.records.documents import Collection, Document, Query
from strop.records.runs import Run

DOCUMENTS = {
    "a": Document("a", "Yeast makes gas."),
    "copy of a": Document("copy of a", "yeast  makes gas."),
    "b": Document("b", "Sugar feeds it."),
    "query": Document("query", "Why does bread rise?"),
    "titled": Document("titled", "Why does bread rise?", "Baking"),
    "other": Document("other", "Iron rusts."),
}
QUERIES = {
    "q1": Query("q1", "why does bread rise?"),
    "q2": Query("q2", "Why does  bread rise?"),
    "q3": Query("q3", "x"),
}
QRELS = {"q1": {"a": 1}, "q2": {"b": 1}, "q3": {"other": 1}}
DATA = Collection("c", "train", DOCUMENTS, QUERIES, QRELS, "")


def test_copies_of_a_query_and_of_its_answers_count_as_relevant() -> None:
    relevant = {g.query_id: g.relevant for g in with_copies(positive_groups(DATA), DATA)}
    assert relevant["q1"] == relevant["q2"] == {"a", "copy of a", "b", "query", "titled"}
    assert relevant["q3"] == {"other"}


def test_a_window_never_draws_them() -> None:
    run = Run({q: (list(DOCUMENTS), [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]) for q in QUERIES})
    groups = RankWindow(1, 6, 1)(with_copies(positive_groups(DATA), DATA), run, 0)
    assert {g.query_id: g.negatives for g in groups if g.query_id != "q3"} == {"q1": ("other",), "q2": ("other",)}


def test_a_window_with_fewer_candidates_than_asked_for_gives_those_where_that_is_allowed() -> None:
    run = Run({"q1": (["a", "b", "other"], [3.0, 2.0, 1.0]), "q2": (["b"], [1.0])})
    groups = positive_groups(DATA)[:2]
    assert [g.query_id for g in RankWindow(1, 9, 2)(groups, run, 0)] == ["q1"]
    few = RankWindow(1, 9, 5, fewer=True)(groups, run, 0)
    assert [(g.query_id, set(g.negatives)) for g in few] == [("q1", {"b", "other"})], "one without any is left out"
