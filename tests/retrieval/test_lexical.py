from __future__ import annotations

from collections import Counter
from math import log
from pathlib import Path

import bm25s
import numpy as np
import pytest
from real_data import unpacked

from strop.collection.door import load
from strop.evaluation.measures import evaluate, mean
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval.lexical import BM25

DOCUMENTS = {
    "d1": "Cats chase mice, and a cat catches the mouse.",
    "d2": "The mouse eats cheese; cheese is good for mice in winter.",
    "d3": "Dogs are chasing cats.",
    "d4": "7 x 7 is forty-nine",
    "d5": "",
    "d6": "the and of",
    "d7": "Dogs are chasing cats.",
}
QUERIES = {
    "plain": "cats and mice",
    "repeated": "cheese mouse cheese",
    "single": "x 7",
    "unknown": "zebra",
    "stop words": "the of",
    "empty": "",
}
STOP = {"and", "a", "the", "is", "for", "in", "are", "of"}
STEMS = {
    "cats": "cat",
    "chasing": "chase",
    "catches": "catch",
    "dogs": "dog",
    "eats": "eat",
    "mouse": "mous",
    "cheese": "chees",
}


def words(text: str, stem: bool) -> list[str]:
    kept = [w for w in text.lower().translate(str.maketrans(",.;-", "    ")).split() if w not in STOP]
    return [STEMS.get(w, w) if stem else w for w in kept]


def by_hand(query: str, k1: float, b: float, stem: bool) -> dict[str, float]:
    """Lucene's BM25 in a naive loop; documents without a shared word are left out."""
    docs = {i: words(text, stem) for i, text in DOCUMENTS.items()}
    average = sum(map(len, docs.values())) / len(docs)
    found: dict[str, float] = {}
    for word in words(query, stem):
        df = sum(word in d for d in docs.values())
        for i, d in docs.items():
            if tf := Counter(d)[word]:
                idf = log(1 + (len(docs) - df + 0.5) / (df + 0.5))
                found[i] = found.get(i, 0.0) + idf * tf / (tf + k1 * (1 - b + b * len(d) / average))
    return found


@pytest.mark.parametrize("bm25", [BM25(), BM25(stem=False), BM25(k1=1.5, b=0.75), BM25(k1=0.0, b=0.0, stem=False)])
def test_scores_are_those_of_a_naive_loop_over_lucenes_formula(bm25: BM25) -> None:
    run = bm25.search(DOCUMENTS, QUERIES, depth=10)
    for query_id, text in QUERIES.items():
        expected = by_hand(text, bm25.k1, bm25.b, bm25.stem)
        got = dict(zip(run[query_id].doc_ids, run[query_id].scores.tolist(), strict=True))
        assert got == pytest.approx(expected, rel=1e-6), query_id


def test_a_query_without_a_known_word_gets_an_empty_ranking_and_unrelated_documents_are_never_ranked() -> None:
    run = BM25().search(DOCUMENTS, QUERIES, depth=100)
    assert list(run) == list(QUERIES)
    assert run["unknown"].doc_ids == run["stop words"].doc_ids == run["empty"].doc_ids == ()
    assert run["single"].doc_ids == ("d4",)


def test_the_stemmer_is_porters_first_one_as_in_lucene() -> None:
    run = BM25().search({"d": "generously dying"}, {"same": "generous", "later": "die"}, depth=5)
    assert (run["same"].doc_ids, run["later"].doc_ids) == (("d",), ())  # Porter 2 would find both


def test_the_cut_at_depth_is_exact_under_the_runs_tie_rule() -> None:
    documents = {f"d{i}": "same words here" for i in range(40)} | {"top": "same same words"}
    full = BM25().search(documents, {"q": "same"}, depth=1000)["q"]
    assert full.doc_ids == ("top", *sorted((f"d{i}" for i in range(40)), reverse=True))
    for depth in (1, 2, 7, 41, 42):
        assert BM25().search(documents, {"q": "same"}, depth)["q"].doc_ids == full.doc_ids[:depth]


def test_the_run_depends_neither_on_the_order_of_documents_nor_on_the_other_queries() -> None:
    rng = np.random.default_rng(0)
    vocabulary = [f"w{i}" for i in range(30)]
    documents = {f"d{i}": " ".join(rng.choice(vocabulary, rng.integers(1, 12))) for i in range(200)}
    queries = {f"q{i}": " ".join(rng.choice(vocabulary, 4)) for i in range(10)}
    whole = BM25().search(documents, queries, depth=20)
    shuffled = BM25().search({i: documents[i] for i in sorted(documents, reverse=True)}, queries, depth=20)
    single = {q: BM25().search(documents, {q: text}, depth=20)[q] for q, text in queries.items()}
    for q in queries:
        assert whole[q].doc_ids == shuffled[q].doc_ids == single[q].doc_ids
        assert whole[q].scores.tobytes() == shuffled[q].scores.tobytes() == single[q].scores.tobytes()
        assert len(whole[q].doc_ids) == 20


def test_the_excluded_document_is_replaced_by_the_next_and_only_for_its_query() -> None:
    queries = {"a": "cats", "b": "cats"}
    plain = BM25().search(DOCUMENTS, queries, depth=2)
    run = BM25().search(DOCUMENTS, queries, depth=2, exclude={"a": plain["a"].doc_ids[0], "c": "d1"})
    assert len(run["a"].doc_ids) == 2
    assert run["a"].doc_ids[0] == plain["a"].doc_ids[1]
    assert run["b"].doc_ids == plain["b"].doc_ids
    assert BM25().search(DOCUMENTS, queries, 2, exclude={"a": "absent"})["a"].doc_ids == plain["a"].doc_ids


def test_a_corpus_without_a_word_and_no_documents_at_all_give_empty_rankings() -> None:
    for documents in ({"d": "", "e": "the"}, {}):
        assert BM25().search(documents, {"q": "cat"}, 5)["q"].doc_ids == ()


def test_progress_counts_every_query() -> None:
    seen: list[int] = []
    BM25().search(DOCUMENTS, QUERIES, 5, progress=seen.append)
    assert sum(seen) == len(QUERIES)


@pytest.mark.parametrize("values", [{"k1": -0.1}, {"k1": float("nan")}, {"b": 1.1}, {"b": -0.1}])
def test_parameters_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match="is "):
        BM25(**values)  # type: ignore[arg-type]


def test_a_depth_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="depth 0"):
        BM25().search(DOCUMENTS, QUERIES, 0)


# What is relied upon in bm25s, and why its own retrieve is not ------------------------------------------------------


def index(rows: list[list[int]], vocabulary: dict[str, int]) -> bm25s.BM25:
    made = bm25s.BM25(k1=0.9, b=0.4, method="lucene", backend="numpy")
    made.index((rows, dict(vocabulary)), show_progress=False)
    return made


def test_bm25s_retrieve_pads_with_documents_that_score_zero() -> None:
    _, scores = index([[0], [1], [1]], {"a": 0, "b": 1}).retrieve([["a"]], k=3, show_progress=False)
    assert (scores == 0).sum() == 2


def test_bm25s_retrieve_raises_when_k_exceeds_the_corpus() -> None:
    with pytest.raises(ValueError, match="k of 4"):
        index([[0], [1], [1]], {"a": 0, "b": 1}).retrieve([["a"]], k=4, show_progress=False)


def test_bm25s_scores_equal_documents_to_the_same_bits_under_the_ids_it_was_given() -> None:
    made = index([[0, 2], [2, 1, 1], [1, 2, 1], [0, 2]], {"a": 0, "b": 1, "c": 2})
    scores = made.get_scores_from_ids([1, 2, 1])
    assert scores.dtype == np.float32
    assert scores[1].tobytes() == scores[2].tobytes()
    assert scores[0].tobytes() == scores[3].tobytes()
    assert scores[1] > scores[0] > 0


def test_bm25s_cannot_index_a_corpus_without_a_word() -> None:
    with pytest.raises((RuntimeWarning, ValueError)):  # it divides by the mean length, then asks for max()
        index([[], []], {})


# Known answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "published", "tolerance"), [("nfcorpus", 0.322, 0.008), ("arguana", 0.397, 0.015)])
def test_ndcg_is_what_beir_publishes_for_bm25(tmp_path: Path, name: str, published: float, tolerance: float) -> None:
    collection = load(next(unpacked(name, tmp_path).glob("**/corpus.jsonl")).parent)
    documents = {i: document.contents for i, document in collection.documents.items()}
    queries = {i: query.text for i, query in collection.queries.items()}
    exclude = {i: own for i in queries if (own := collection.own_document(i))}
    run: Run = BM25().search(documents, queries, 100, exclude)
    assert mean(evaluate(run, collection.qrels, ["nDCG@10"])["nDCG@10"]) == pytest.approx(published, abs=tolerance)
