from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from strop.collection.panel import panel
from strop.records.errors import InputError

from .folders import small


def test_a_panel_holds_the_relevant_documents_of_its_queries_and_distractors_up_to_the_size() -> None:
    collection = small(queries=40, documents=300, relevant=3)
    drawn = panel(collection, queries=10, documents=60, seed=1)
    assert len(drawn.queries) == 10
    assert len(drawn.documents) == 60
    assert drawn.qrels == {q: collection.qrels[q] for q in drawn.queries}
    assert drawn.reserved == collection.reserved & drawn.documents.keys()
    assert drawn.warnings == ()


def test_a_panel_depends_on_seed_and_ids_and_not_on_their_order() -> None:
    collection = small(queries=40, documents=300)
    backwards = replace(
        collection,
        documents=dict(reversed(collection.documents.items())),
        qrels=dict(reversed(collection.qrels.items())),
    )
    first = panel(collection, 10, 60, seed=1)
    assert panel(backwards, 10, 60, seed=1).fingerprint == first.fingerprint
    assert panel(collection, 10, 60, seed=2).fingerprint != first.fingerprint
    assert sorted(first.queries) == ["q1", "q11", "q12", "q15", "q20", "q21", "q22", "q24", "q3", "q38"]


def test_distractors_are_drawn_uniformly() -> None:
    collection = small(queries=1, documents=20)
    counts = Counter(d for seed in range(600) for d in panel(collection, 1, 6, seed).documents if d != "d0")
    assert len(counts) == 19
    assert max(abs(n - 600 * 5 / 19) for n in counts.values()) < 4.5 * (600 * 5 / 19 * 14 / 19) ** 0.5


def test_drawing_stops_before_the_relevant_documents_exceed_the_size() -> None:
    drawn = panel(small(queries=40, documents=300, relevant=3), queries=10, documents=20, seed=1)
    assert len(drawn.queries) == 6
    assert len(drawn.documents) == 20
    assert drawn.warnings == ("the panel has 6 queries instead of 10: their relevant documents fill 20",)


def test_queries_without_a_relevant_document_in_the_corpus_are_not_drawn() -> None:
    collection = small(queries=3, documents=9)
    qrels = {"q0": {"d0": 0}, "q1": {"gone": 1}, "q2": {"d2": 1, "gone": 1}}
    drawn = panel(replace(collection, qrels=qrels), queries=3, documents=9, seed=1)
    assert drawn.qrels == {"q2": {"d2": 1}}
    assert drawn.warnings == ("the panel has 1 queries instead of 3: no more qualify",)


def test_a_panel_that_no_query_fits_is_an_error() -> None:
    with pytest.raises(InputError, match=r"no query of small/test fits a panel of 2 documents"):
        panel(small(queries=4, documents=30, relevant=3), queries=4, documents=2, seed=0)
