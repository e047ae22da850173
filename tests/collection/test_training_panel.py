from __future__ import annotations

from dataclasses import replace

import pytest

from strop.collection.lazy_documents import Contents
from strop.collection.panel import cut, training_panel
from strop.records.errors import InputError

from .folders import small


def test_a_training_panel_holds_the_first_open_positive_of_each_query_and_distractors() -> None:
    collection = small(queries=40, documents=300, relevant=3)
    drawn = training_panel(collection, queries=10, documents=60, seed=1, closed=frozenset())
    assert len(drawn.queries) == 10
    assert len(drawn.documents) == 60
    assert all(next(iter(collection.qrels[q])) in drawn.documents for q in drawn.queries if q != "q0")
    assert drawn.qrels == {q: collection.qrels[q] for q in drawn.queries}, "siblings outside the pool stay known"
    assert not drawn.reserved


def test_nothing_that_the_test_needs_or_that_is_reserved_is_in_the_training_panel() -> None:
    collection = small(queries=40, documents=300, relevant=3)
    closed = frozenset(f"d{i}" for i in range(60))
    drawn = training_panel(collection, queries=40, documents=200, seed=1, closed=closed)
    assert not drawn.documents.keys() & (closed | collection.reserved)
    assert set(drawn.queries) == {f"q{i}" for i in range(20, 40)}
    assert drawn.warnings == ("20 of 40 training queries have no positive that the test leaves open",)


def test_a_second_positive_serves_where_the_first_is_closed() -> None:
    collection = replace(small(queries=1, documents=9, relevant=3), reserved=frozenset())
    drawn = training_panel(collection, queries=1, documents=1, seed=1, closed=frozenset({"d0"}))
    assert set(drawn.documents) == {"d1"}


def test_no_open_positive_is_an_error() -> None:
    with pytest.raises(InputError, match="no query of small/test has a positive that is open"):
        training_panel(small(queries=2, documents=9), 2, 9, 0, closed=frozenset({"d0", "d1"}))


def test_cutting_keeps_the_first_characters_and_changes_the_fingerprint() -> None:
    collection = small(queries=2, documents=9)
    short = cut(collection, 4)
    assert {len(d.contents) for d in short.documents.values()} == {1, 2, 3, 4}
    assert short.fingerprint != cut(collection, 5).fingerprint


def test_contents_are_those_of_the_documents_in_order_without_some() -> None:
    documents = small(queries=2, documents=4).documents
    seen = Contents(documents, frozenset({"d1", "elsewhere"}))
    assert list(seen.items()) == [("d0", "x"), ("d2", "xxx"), ("d3", "xxxx")]
    assert len(seen) == 3
    with pytest.raises(KeyError):
        seen["d1"]
