from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from strop.collection.audit import audit
from strop.collection.door import load, splits

from .folders import HEADER, folder, lines


def tiny(root: Path) -> Path:
    corpus = lines(
        {"_id": "d1", "text": "one two three four five"},
        {"_id": "d2", "text": "One  two three\nfour five"},
        {"_id": "d3", "text": "six"},
        {"_id": "d4", "text": "seven eight"},
    )
    queries = lines(
        {"_id": "a", "text": "Ask me"},
        {"_id": "b", "text": "ask  me"},
        {"_id": "c", "text": "other"},
        {"_id": "e", "text": "x"},
    )
    train = HEADER + "a\td1\t1\na\td3\t2\na\td4\t0\n"
    test = HEADER + "b\td1\t1\nb\td2\t1\nc\td4\t1\ne\td3\t0\n"
    return folder(root, corpus=corpus, queries=queries, train=train, test=test)


def test_an_audit_counts_what_is_there_and_what_training_shares(tmp_path: Path) -> None:
    found = audit(
        [load(tiny(tmp_path), s) for s in ("test", "train")], lambda texts: [len(t.split()) for t in texts], 4
    )
    assert found["documents"] == 4
    assert found["splits"]["test"]["positives"] == {"min": 0, "median": 1.0, "max": 2}
    assert found["splits"]["test"]["queries_without_relevant"] == 1
    assert found["splits"]["test"]["grades"] == {"0": 1, "1": 3}
    assert found["duplicates"] == {"exact": 1, "near": 1}
    assert [split["queries_that_are_documents"] for split in found["splits"].values()] == [0, 0]
    assert found["overlap"] == {
        "test": {
            "queries": 3,
            "queries_asked_in_training": 1,
            "relevant_documents": 3,
            "relevant_documents_known": 1,
            "queries_with_relevant": 2,
            "queries_with_a_known_answer": 1,
        }
    }
    assert found["lengths"]["documents"]["truncated"] == 2
    assert found["lengths"]["documents"]["truncated_share"] == 0.5
    assert sum(found["lengths"]["documents"]["histogram"]["counts"]) == 4
    assert found["lengths"]["queries/train"]["max"] == 2
    assert json.loads(json.dumps(found)) == found
    assert "documents: 3.5 tokens in the median, 5 at the 90th percentile; 50.0% are cut at 4" in found["readings"]
    assert "test: 1 queries have no relevant document and always score 0" in found["readings"]


def test_queries_of_one_text_and_queries_that_are_documents_are_counted(tmp_path: Path) -> None:
    texts = {"d1": "Body 1", "d2": "body  1", "d3": "other"}
    queries = lines(*({"_id": query_id, "text": text} for query_id, text in texts.items()))
    found = audit([load(folder(tmp_path, queries=queries, test=HEADER + "d1\td2\t1\nd2\td1\t1\nd3\td1\t1\n"))])
    assert found["splits"]["test"]["queries_repeated"] == 1
    assert found["splits"]["test"]["queries_that_are_documents"] == 1
    readings = " ".join(found["readings"])
    assert "test: 1 queries repeat the text of another under an id of their own" in readings
    assert "test: 1 queries are documents, by id and text, and are not retrieved for themselves" in readings


def test_without_a_tokenizer_there_are_no_lengths_and_without_train_no_overlap(tmp_path: Path) -> None:
    found = audit([load(tiny(tmp_path))])
    assert "lengths" not in found
    assert found["overlap"] == {}


def test_splits_of_two_collections_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one collection"):
        audit([load(tiny(tmp_path / "a")), load(tiny(tmp_path / "b"))])


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("nfcorpus", {"relevant_documents": 3128, "relevant_documents_known": 3115}),
        ("medquad", {"queries_with_relevant": 96, "queries_with_a_known_answer": 60}),
        ("nq_small", {"queries_with_relevant": 2655, "queries_with_a_known_answer": 240}),
    ],
)
def test_relevant_test_documents_that_training_knows_are_counted(
    name: str, known: dict[str, int], public: Callable[[str], Path]
) -> None:
    root = public(name)
    assert splits(root) == ("dev", "test", "train")
    overlap = audit([load(root, s) for s in ("train", "test")])["overlap"]["test"]
    assert {key: overlap[key] for key in known} == known


def test_absent_judged_documents_are_counted(public: Callable[[str], Path]) -> None:
    found = audit([load(public("arguana"))])
    assert found["splits"]["test"]["absent_documents"] == 5
    assert len(found["warnings"]) == 1
