from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from strop.collection import audit as auditing
from strop.collection.audit import audit, with_lengths
from strop.collection.door import every_split, load, splits

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


def many(root: Path, documents: int, words: int) -> tuple[Path, list[str]]:
    """A folder of that many documents, of which some are nearly others or others but for case, and their texts."""
    draw = random.Random(11)
    texts: list[str] = []
    for i in range(documents):
        if i % 10 < 7:
            text = draw.choices([f"w{k}" for k in range(900)], k=words)
        else:
            text = draw.choice(texts).split()
            text[draw.randrange(len(text))] = draw.choice(["other", text[0].upper()])
        texts.append((" " if i % 3 else "  ").join(text[: draw.choice([words, words, 2])]))
    corpus = lines(*({"_id": f"d{i * 7919 % documents}", "text": text} for i, text in enumerate(texts)))
    train, test = (HEADER + f"q{i}\td{i}\t1\n" for i in (1, 2))
    return folder(root, corpus=corpus, train=train, test=test), texts


def test_duplicates_and_lengths_are_those_of_a_naive_computation(tmp_path: Path) -> None:
    root, texts = many(tmp_path, 401, 40)
    words = [text.lower().split() for text in texts]
    runs = [{tuple(w[i : i + 4]) for i in range(max(1, len(w) - 3))} for w in words]
    group = list(range(len(texts)))
    for a, b in combinations(range(len(texts)), 2):
        if len(runs[a] & runs[b]) >= 0.8 * len(runs[a] | runs[b]):
            group = [group[a] if g == group[b] else g for g in group]
    exact, near = (len(texts) - len(set(kinds)) for kinds in (map(tuple, words), group))
    assert 0 < exact < near
    counted: list[int] = []

    def counts(given: Iterable[str]) -> list[int]:
        found = [len(text.split()) for text in given]
        counted.extend(found)
        return found

    found = audit(every_split(root))
    assert found["duplicates"] == {"exact": exact, "near": near}
    measured = with_lengths(found, every_split(root), counts, 39)
    assert measured == audit([load(root, split) for split in splits(root)], counts, 39)
    assert list(measured) == list(audit(every_split(root), counts, 39))
    assert counted[: len(texts)] == [len(w) for w in words]
    lengths = measured["lengths"]["documents"]
    assert lengths["median"] == np.median([len(w) for w in words])
    assert lengths["truncated"] == sum(len(w) > 39 for w in words)


def test_a_sample_is_the_same_documents_for_duplicates_and_for_lengths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, texts = many(tmp_path, 101, 12)
    monkeypatch.setattr(auditing, "EXAMINED", 60)
    seen: list[str] = []

    def counts(given: Iterable[str]) -> list[int]:
        seen.extend(given)
        return [1] * len(seen)

    found = audit(every_split(root), counts, 10)
    assert (found["documents"], found["documents_examined"]) == (101, 60)
    sample = seen[:60]
    assert set(sample) < set(texts)
    assert found["duplicates"]["exact"] == 60 - len({" ".join(text.lower().split()) for text in sample})


def test_a_document_costs_an_audit_little_more_than_the_hashes_of_its_words(tmp_path: Path) -> None:
    words, peaks = 120, {}
    for documents in (10, 500, 1500):  # the first brings what is imported late
        root, _ = many(tmp_path / str(documents), documents, words)
        tracemalloc.start()
        try:
            audit(every_split(root), lambda texts: [len(text) for text in texts], 10)
            peaks[documents] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    each = (peaks[1500] - peaks[500]) / 1000
    assert each < 2 * 8 * words, f"{each:.0f} bytes per document"


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
