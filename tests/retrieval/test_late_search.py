from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import late, sentences

from strop.models.encoder import Role
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval import late_search as late_file
from strop.retrieval import token_vectors
from strop.retrieval.encode import Vectors
from strop.retrieval.late_search import recall, rescore, search
from strop.retrieval.token_vectors import TokenVectors, encode_tokens


def texts(prefix: str, matrices: list[np.ndarray]) -> TokenVectors:
    offsets = np.cumsum([0, *map(len, matrices)], dtype=np.int64)
    return TokenVectors(
        np.concatenate(matrices).astype(np.float32), offsets, tuple(f"{prefix}{i}" for i in range(len(matrices)))
    )


def unit(vectors: np.ndarray) -> Vectors:
    result: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return result


def random(rng: np.random.Generator, count: int, longest: int, width: int = 8) -> list[np.ndarray]:
    return [unit(rng.normal(size=(rng.integers(1, longest + 1), width))) for _ in range(count)]


def naive(
    queries: TokenVectors,
    documents: TokenVectors,
    depth: int,
    exclude: Mapping[str, str] | None = None,
) -> Run:
    """A double loop over float64 vectors, cast to float32, ordered by score and then by id, both descending."""
    scored = {}
    for i, query_id in enumerate(queries.ids):
        q = queries.vectors[queries.offsets[i] : queries.offsets[i + 1]].astype(np.float64)
        scores = {}
        for j, doc_id in enumerate(documents.ids):
            d = documents.vectors[documents.offsets[j] : documents.offsets[j + 1]].astype(np.float64)
            cosine = sum(max([float(a @ b) for b in d], default=-1.0) for a in q)
            scores[doc_id] = np.float32(cosine)
        scores.pop((exclude or {}).get(query_id, ""), None)
        best = sorted(scores, key=lambda d: (scores[d], d), reverse=True)[:depth]
        scored[query_id] = (best, [float(scores[d]) for d in best])
    return Run(scored)


def assert_same(found: Run, expected: Run) -> None:
    assert list(found) == list(expected)
    for query_id in expected:
        assert found[query_id].doc_ids == expected[query_id].doc_ids
        np.testing.assert_allclose(found[query_id].scores, expected[query_id].scores, rtol=1e-6, atol=1e-6)


def plain(rng: np.random.Generator) -> tuple[TokenVectors, TokenVectors]:
    return texts("q", random(rng, 5, 6)), texts("d", random(rng, 150, 9))


def duplicates(rng: np.random.Generator) -> tuple[TokenVectors, TokenVectors]:
    """One document a hundred times where the ranking is cut: more than the margin."""
    queries, documents = random(rng, 5, 6), random(rng, 150, 9)
    for i in rng.permutation(150)[:100]:
        documents[i] = np.concatenate([queries[0], documents[0]])
    return texts("q", queries), texts("d", documents)


def near_ties(rng: np.random.Generator) -> tuple[TokenVectors, TokenVectors]:
    """Documents whose vectors differ in the last bits: float32 products order them as they like."""
    queries, documents = random(rng, 5, 6), random(rng, 150, 9)
    for i in range(100):
        documents[i] = unit(documents[0].astype(np.float64) + 3e-7 * rng.normal(size=documents[0].shape))
    return texts("q", queries), texts("d", documents)


def empty(rng: np.random.Generator) -> tuple[TokenVectors, TokenVectors]:
    """Documents, at either end too, and a query without a token that is scored."""
    queries, documents = random(rng, 5, 6), random(rng, 150, 9)
    for i in (0, 7, 8, 149):
        documents[i] = np.empty((0, 8))
    queries[2] = np.empty((0, 8))
    return texts("q", queries), texts("d", documents)


CASES = {f.__name__: f for f in (plain, duplicates, near_ties, empty)}
every_case = pytest.mark.parametrize("case", CASES)


def cut_into(monkeypatch: pytest.MonkeyPatch, **blocks: int) -> None:
    for name, size in blocks.items():
        monkeypatch.setattr(late_file, name, size)


@every_case
@pytest.mark.parametrize("depth", [1, 10, 150])
def test_the_run_is_the_naive_one_for_every_block_size(case: str, depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, documents = CASES[case](np.random.default_rng(4))
    expected = naive(queries, documents, depth)
    runs = []
    for query_block, doc_block, products, width in (
        (256, 1024, 2**18, 512),
        (1, 7, 1, 1),
        (2, 60, 200, 3),
        (3, 149, 2**20, 8),
    ):
        cut_into(monkeypatch, QUERY_BLOCK=query_block, DOC_BLOCK=doc_block, PRODUCTS=products, WIDTH=width)
        runs.append(search(queries, documents, depth))
        assert_same(runs[-1], expected)
    assert all(np.array_equal(run[q].scores, runs[0][q].scores) for run in runs for q in run)


def test_what_products_in_float32_rule_out_is_not_multiplied_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    real = late_file._inner

    def counting(rows: Any, columns: Any, places: Any) -> Any:
        counts.append(len(places))
        return real(rows, columns, places)

    monkeypatch.setattr(late_file, "_inner", counting)
    cut_into(monkeypatch, DOC_BLOCK=15, PRODUCTS=1)
    queries, documents = plain(np.random.default_rng(4))
    search(queries, documents, 150)
    nearest = len(queries.vectors) * len(documents)
    assert nearest <= sum(counts) < 1.01 * nearest  # not each of a document's tokens
    counts.clear()
    search(queries, documents, 3)
    assert sum(counts) < nearest / 3  # not documents below the best so far


def test_inner_products_at_some_places_are_those_of_the_whole_product_in_float64() -> None:
    rng = np.random.default_rng(3)
    rows, columns = (torch.from_numpy(rng.normal(size=(n, 40))) for n in (5, 7))
    for places in (np.arange(35), np.array([0, 6, 7, 34]), np.array([], dtype=np.int64)):
        whole = (rows @ columns.T).flatten()[torch.from_numpy(places)]
        torch.testing.assert_close(late_file._inner(rows, columns, places), whole)


@every_case
def test_with_every_document_a_candidate_two_stages_are_one(case: str) -> None:
    queries, documents = CASES[case](np.random.default_rng(5))
    rng = np.random.default_rng(6)
    everything = Run({q: (rng.permutation(documents.ids).tolist(), rng.random(150)) for q in queries.ids})
    exact = search(queries, documents, 20, {"q1": "d3"})
    second = rescore(everything, queries, documents, 20, {"q1": "d3"})
    assert list(second) == list(exact)
    for query_id in exact:
        assert second[query_id].doc_ids == exact[query_id].doc_ids
        assert np.array_equal(second[query_id].scores, exact[query_id].scores)
    assert set(recall(everything, exact, 20).values()) == {1.0}


def test_of_fewer_candidates_the_second_stage_ranks_those_and_recall_says_what_they_lack() -> None:
    queries, documents = plain(np.random.default_rng(5))
    exact = search(queries, documents, 10)
    best = exact["q0"].doc_ids
    candidates = Run(
        {
            q: ([*exact[q].doc_ids[:6], "d0", "d1"], np.zeros(8))
            for q in queries.ids
            if not {"d0", "d1"} & set(exact[q].doc_ids)
        }
        | {"q0": ([best[3], best[0]], [1.0, 2.0])}
    )
    kept = [q for q in queries.ids if q in candidates]
    assert len(kept) > 1
    shares = recall(candidates, exact, 10)
    assert shares == {q: 0.2 if q == "q0" else 0.6 if q in kept else 0.0 for q in queries.ids}
    assert recall(candidates, exact, 1)["q0"] == 1.0
    assert recall(candidates, Run({"q0": ([], [])}), 1) == {}
    asked = TokenVectors(queries.vectors[: queries.offsets[1]], queries.offsets[:2], ("q0",))
    found = rescore(candidates, asked, documents, 10)
    assert found["q0"].doc_ids == (best[0], best[3])
    assert np.array_equal(found["q0"].scores, exact["q0"].scores[[0, 3]])
    assert rescore(candidates, asked, documents, 1)["q0"].doc_ids == (best[0],)


@pytest.mark.parametrize("failure", [MemoryError(), RuntimeError("[enforce fail] can't allocate memory: 9 bytes")])
def test_blocks_that_do_not_fit_the_memory_are_halved(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, documents = plain(np.random.default_rng(4))
    expected = search(queries, documents, 10)
    sizes: list[int] = []
    real = late_file._best

    def cramped(queries: Any, block: range, *rest: Any) -> Any:
        sizes.append(len(block))
        if len(block) > 2:
            raise failure
        return real(queries, block, *rest)

    monkeypatch.setattr(late_file, "_best", cramped)
    done: list[int] = []
    assert_same(search(queries, documents, 10, progress=done.append), expected)
    assert (sizes, sum(done)) == ([5, 2, 2, 1], 5)
    monkeypatch.setattr(late_file, "_best", lambda *_: (_ for _ in ()).throw(failure))
    with pytest.raises(type(failure)):
        search(queries, documents, 10)
    monkeypatch.setattr(late_file, "_best", lambda *_: (_ for _ in ()).throw(RuntimeError("another fault")))
    with pytest.raises(RuntimeError, match="another fault"):
        search(queries, documents, 10)


def test_an_excluded_document_is_not_found_and_its_place_is_taken_by_the_next() -> None:
    for case in (plain, duplicates):
        queries, documents = case(np.random.default_rng(1))
        full = naive(queries, documents, 11)
        exclude = {"q0": full["q0"].doc_ids[0], "q1": full["q1"].doc_ids[5], "q2": "unknown", "absent": "d1"}
        run = search(queries, documents, 10, exclude)
        assert_same(run, naive(queries, documents, 10, exclude=exclude))
        assert run["q0"].doc_ids == full["q0"].doc_ids[1:]
        assert all(len(ranking.doc_ids) == 10 for ranking in run.values())


def test_no_queries_and_no_documents_make_an_empty_run() -> None:
    queries, documents = plain(np.random.default_rng(2))
    nothing = TokenVectors(queries.vectors[:0], np.zeros(1, dtype=np.int64), ())
    assert len(search(nothing, documents, 5)) == 0
    assert search(queries, nothing, 5)["q0"].doc_ids == ()


def test_progress_counts_queries() -> None:
    queries, documents = plain(np.random.default_rng(2))
    done: list[int] = []
    run = search(queries, documents, 5, progress=done.append)
    rescore(run, queries, documents, 5, progress=done.append)
    assert sum(done) == 10


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 2.0])
def test_vectors_that_are_not_unit_vectors_are_refused(value: float) -> None:
    queries, documents = plain(np.random.default_rng(1))
    documents.vectors[200] = value
    with pytest.raises(ValueError, match="not of length 1"):
        search(queries, documents, 5)


def test_what_does_not_fit_is_refused_in_a_sentence() -> None:
    queries, documents = plain(np.random.default_rng(1))
    with pytest.raises(InputError, match="'q1' has no candidates"):
        rescore(Run({"q0": (["d1"], [1.0])}), queries, documents, 5)
    with pytest.raises(InputError, match="'x' is no document"):
        rescore(Run({"q0": (["d1", "x"], [1.0, 2.0])}), queries, documents, 5)


@pytest.mark.parametrize("block", [1, 4, 512])
def test_tokens_are_written_block_by_block_and_load_as_the_library_encodes_them(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_vectors, "TEXTS", block)
    encoder = late()
    written = [*sentences(9, seed=3), "", "nin, bat. ten!"]
    loaded = {}
    roles: tuple[Role, Role] = ("query", "document")
    for role in roles:
        folder = tmp_path / role
        folder.mkdir()
        done: list[int] = []
        ids = [f"{role}-{i}" for i in range(11)]
        encode_tokens(encoder, encoder.tokenize(written, role), ids, role, folder, done.append)
        assert sum(done) == 11
        found = loaded[role] = TokenVectors.load(folder)
        assert found.ids == tuple(ids) == tuple(json.loads((folder / "ids.json").read_text(encoding="utf-8")))
        assert isinstance(found.vectors, np.memmap)
        encode: Any = encoder.model.encode_query if role == "query" else encoder.model.encode_document
        theirs = [matrix.cpu().numpy() for matrix in encode(written)]
        assert found.lengths.tolist() == [len(matrix) for matrix in theirs]
        np.testing.assert_allclose(found.vectors, np.concatenate(theirs), atol=1e-5)
        assert found.vectors.shape == (found.offsets[-1], encoder.dimension)
    run = search(loaded["query"], loaded["document"], 11)
    with torch.inference_mode():
        table = encoder.model.similarity(encoder.model.encode_query(written), encoder.model.encode_document(written))
    for i in range(11):
        expected = {f"document-{j}": score for j, score in enumerate(table[i].tolist())}
        ranking = run[f"query-{i}"]
        np.testing.assert_allclose(ranking.scores, [expected[d] for d in ranking.doc_ids], atol=1e-5)


def test_no_text_at_all_is_written_and_loaded_too(tmp_path: Path) -> None:
    encoder = late()
    encode_tokens(encoder, encoder.tokenize([], "query"), [], "query", tmp_path)
    found = TokenVectors.load(tmp_path)
    assert (found.vectors.shape, len(found)) == ((0, encoder.dimension), 0)
