from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from strop.records.runs import Run
from strop.retrieval import dense_search as search_file
from strop.retrieval.best_rows import Ints
from strop.retrieval.dense_search import MARGIN, search
from strop.retrieval.encode import Stack, Vectors


def ids(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{i}" for i in range(count)]


def naive(queries: Vectors, documents: Vectors, depth: int, exclude: Mapping[str, str] | None = None) -> Run:
    """Float64 inner products in a loop, cast to float32, ordered by score and then by id, both descending."""
    scored = {}
    for q, query in zip(ids("q", len(queries)), queries.astype(np.float64), strict=True):
        scores = {
            f"d{j}": np.float32(np.sum(query * document)) for j, document in enumerate(documents.astype(np.float64))
        }
        scores.pop((exclude or {}).get(q, ""), None)
        best = sorted(scores, key=lambda d: (scores[d], d), reverse=True)[:depth]
        scored[q] = (best, [float(scores[d]) for d in best])
    return Run(scored)


def assert_same(found: Run, expected: Run) -> None:
    assert list(found) == list(expected)
    for query_id in expected:
        assert found[query_id].doc_ids == expected[query_id].doc_ids
        assert np.array_equal(found[query_id].scores, expected[query_id].scores)


def found(
    queries: Vectors,
    documents: Vectors,
    depth: int,
    query_block: int = 1024,
    doc_block: int = 1024,
    **options: object,
) -> Run:
    with pytest.MonkeyPatch.context() as blocks:
        blocks.setattr(search_file, "QUERY_BLOCK", query_block)
        blocks.setattr(search_file, "DOC_BLOCK", doc_block)
        return search(queries, ids("q", len(queries)), documents, ids("d", len(documents)), depth, **options)  # type: ignore[arg-type]


def unit(vectors: np.ndarray) -> Vectors:
    result: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return result


def plain(rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    return unit(rng.normal(size=(7, 24))), unit(rng.normal(size=(500, 24)))


def duplicates(rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    """Three hundred equal vectors where the ranking is cut: far more than the margin."""
    queries, documents = plain(rng)
    documents[rng.permutation(500)[:300]] = queries[0]
    documents[5] = queries[1]
    return queries, documents


def ties_at_the_cut(rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    """For the first query nine clear winners, then three hundred equal vectors."""
    queries, documents = plain(rng)
    documents[rng.permutation(np.arange(50, 500))[:300]] = queries[0] / 2
    documents[20:29] = queries[0] * np.linspace(0.6, 1, 9, dtype=np.float32)[:, None]
    return queries, documents


def near_ties(rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    """Vectors that differ in the last bits, so that float32 products put them in an order of their own."""
    queries, documents = plain(rng)
    close = np.repeat(queries[:1].astype(np.float64), 400, axis=0) + 1e-7 * rng.normal(size=(400, 24))
    documents[:400] = close.astype(np.float32)
    return queries, documents


def crowded(rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    """Scores closer than float32 products resolve, but not than float32 itself."""
    queries, documents = plain(rng)
    documents[:400] = (queries[:1].astype(np.float64) + 1e-6 * rng.normal(size=(400, 24))).astype(np.float32)
    return queries, documents


def unequal(rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    """Lengths over ten orders of magnitude: one rounding bound does not fit all."""
    queries, documents = plain(rng)
    scale = 10.0 ** rng.uniform(-5, 5, size=(500, 1))
    return (100 * queries).astype(np.float32), (documents * scale).astype(np.float32)


def zeros(rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    queries, documents = plain(rng)
    return np.zeros_like(queries), documents


CASES = {f.__name__: f for f in (plain, duplicates, ties_at_the_cut, near_ties, crowded, unequal, zeros)}
BLOCKS = [(256, 16384), (1, 16384), (3, 7), (256, 100), (2, 499), (7, 64)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("depth", [1, 9, 10, 100])
def test_the_run_is_the_naive_one_for_every_block_size(case: str, depth: int) -> None:
    queries, documents = CASES[case](np.random.default_rng(4))
    expected = naive(queries, documents, depth)
    for query_block, doc_block in BLOCKS:
        assert_same(found(queries, documents, depth, query_block=query_block, doc_block=doc_block), expected)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shard", [1, 99, 250])
def test_the_run_is_the_naive_one_for_every_division_into_parts(case: str, shard: int) -> None:
    queries, documents = CASES[case](np.random.default_rng(4))
    stack = Stack([documents[start : start + shard] for start in range(0, 500, shard)])
    for doc_block in (16384, 100, 64):
        assert_same(found(queries, stack, 9, doc_block=doc_block), naive(queries, documents, 9))  # type: ignore[arg-type]


@pytest.mark.parametrize("rising", [True, False])
@pytest.mark.parametrize("doc_block", [7, 64, 300, 5000])
def test_the_order_in_which_documents_come_does_not_matter(rising: bool, doc_block: int) -> None:
    """Rising: every block is better than all before it. Falling: the first block holds the whole answer."""
    rng = np.random.default_rng(6)
    queries = unit(rng.normal(size=(5, 8)))
    documents = unit(rng.normal(size=(4000, 8)))
    order = np.argsort(documents @ queries[0])
    documents = documents[order if rising else order[::-1]]
    expected = naive(queries, documents, 10)
    assert_same(found(queries, documents, 10, doc_block=doc_block, query_block=3), expected)


def test_without_the_rescoring_the_hard_cases_would_come_out_wrong() -> None:
    """Guard: the cases above are hard, a plain float32 argsort fails them."""
    for case in (duplicates, near_ties):
        queries, documents = case(np.random.default_rng(4))
        expected = naive(queries, documents, 10)
        order = np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :10]
        assert any(
            [f"d{j}" for j in order[i]] != list(expected[q].doc_ids) for i, q in enumerate(ids("q", len(queries)))
        )


def test_only_where_it_must_is_a_query_rescored_against_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    rescored: list[int] = []
    products: list[torch.dtype] = []
    real_rescore, real_top = search_file._rescore, search_file._top

    def counting(query: Vectors, documents: Vectors, rows: Ints) -> search_file.Floats:
        rescored.append(len(rows))
        return real_rescore(query, documents, rows)

    def noting(queries: Vectors, documents: Vectors, kept: int, dtype: torch.dtype) -> tuple[object, ...]:
        products.extend([dtype] * len(queries))
        return real_top(queries, documents, kept, dtype)

    monkeypatch.setattr(search_file, "_rescore", counting)
    monkeypatch.setattr(search_file, "_top", noting)
    found(*plain(np.random.default_rng(4)), 10)
    assert rescored == [10 + 1] * 7, "not even the margin"
    assert products == [torch.float32] * 7
    rescored.clear()
    products.clear()
    found(*crowded(np.random.default_rng(4)), 10)
    assert 1 <= products.count(torch.float64) < 7, "which tells them apart"
    assert max(rescored) < 11 + MARGIN
    rescored.clear()
    found(*duplicates(np.random.default_rng(4)), 10)
    assert 1 <= rescored.count(500) < 4  # the query that equals 300 documents; another may have those at its own cut


def test_where_memory_runs_out_queries_are_taken_half_as_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, documents = plain(np.random.default_rng(4))
    real = search_file._top
    sizes: list[int] = []

    def scarce(block: Vectors, *arguments: Any) -> tuple[object, ...]:
        sizes.append(len(block))
        if len(block) > 2:
            raise MemoryError if len(sizes) % 2 else RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real(block, *arguments)

    monkeypatch.setattr(search_file, "_top", scarce)
    done: list[int] = []
    assert_same(found(queries, documents, 10, progress=done.append), naive(queries, documents, 10))
    assert (sizes, done) == ([7, 4, 2, 2, 2, 1], [2, 2, 2, 1])


@pytest.mark.parametrize("error", [MemoryError("one query"), RuntimeError("another fault")])
def test_what_smaller_blocks_do_not_help_against_is_raised(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(search_file, "_top", failing)
    with pytest.raises(type(error), match=str(error)):
        found(*plain(np.random.default_rng(4)), 10)


def test_products_that_overflow_float32_decide_nothing() -> None:
    """Parts of a score beyond float32 of which the whole is not: such products are infinite, and not the highest."""
    queries = np.full((1, 3), 1e30, dtype=np.float32)
    documents = np.linspace(0, 1, 300, dtype=np.float32)[:, None] * np.ones(3, dtype=np.float32)
    documents[:20] = 2e8, 2e8, -3e8
    documents[100:110, :] = 2.9e8, 0, 0
    documents[100:110, 1] = np.arange(10) * 1e4
    assert_same(found(queries, documents, 5), naive(queries, documents, 5))


@pytest.mark.parametrize("seed", range(60))
def test_any_vectors_give_the_naive_run(seed: int) -> None:
    """Of few levels, so that many scores are equal, or of any value; with vectors that come again almost the same."""
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(1, 10)), int(rng.integers(1, 301)), int(rng.integers(1, 41))
    levels, depth = (0, 1, 2, 50)[seed % 4], int(rng.choice([1, 2, 9, 60, 400]))
    query_block, doc_block = int(rng.integers(1, 10)), int(rng.integers(1, 321))
    queries, documents = rng.normal(size=(shape[0], shape[2])), rng.normal(size=shape[1:])
    if levels:
        queries, documents = np.round(queries * levels), np.round(documents * levels)
    copies = rng.integers(shape[1], size=shape[1])
    documents = np.where(rng.random((shape[1], 1)) < 0.3, documents[copies] + 1e-7 * rng.normal(), documents)
    queries, documents = queries.astype(np.float32), documents.astype(np.float32)
    stack = Stack(np.array_split(documents, int(rng.integers(1, 5))))
    exclude = {f"q{i}": f"d{copies[i % shape[1]]}" for i in range(0, shape[0], 2)}
    expected = naive(queries, documents, depth, exclude)
    run = found(queries, stack, depth, query_block=query_block, doc_block=doc_block, exclude=exclude)  # type: ignore[arg-type]
    assert_same(run, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused(value: float) -> None:
    queries, documents = plain(np.random.default_rng(1))
    documents[300, 2] = value
    with pytest.raises(ValueError, match="documents 300 to 399 is not finite"):
        found(queries, documents, 5, doc_block=100)
    queries[4, 0] = value
    with pytest.raises(ValueError, match="queries 3 to 5 is not finite"):
        found(queries, documents[:300], 5, query_block=3)


def test_an_excluded_document_is_not_found_and_its_place_is_taken_by_the_next() -> None:
    queries, documents = plain(np.random.default_rng(1))
    full = naive(queries, documents, 11)
    exclude = {"q0": full["q0"].doc_ids[0], "q1": full["q1"].doc_ids[5], "q2": "d-unknown", "absent": "d1"}
    run = found(queries, documents, 10, exclude=exclude)
    assert_same(run, naive(queries, documents, 10, exclude))
    assert run["q0"].doc_ids == full["q0"].doc_ids[1:]
    assert all(len(ranking.doc_ids) == 10 for ranking in run.values())


def test_the_next_in_an_excluded_document_s_place_is_the_right_one_of_many_equals() -> None:
    queries, documents = ties_at_the_cut(np.random.default_rng(4))
    assert naive(queries, documents, 9)["q0"].doc_ids == tuple(f"d{j}" for j in range(28, 19, -1))
    run = found(queries, documents, 9, exclude={"q0": "d28"})
    assert_same(run, naive(queries, documents, 9, {"q0": "d28"}))


@pytest.mark.parametrize("documents", [1, 2, 9])
def test_a_depth_beyond_the_collection_returns_all_of_it(documents: int) -> None:
    queries, vectors = plain(np.random.default_rng(2))
    run = found(queries, vectors[:documents], 50, doc_block=4)
    assert_same(run, naive(queries, vectors[:documents], 50))
    assert all(len(ranking.doc_ids) == documents for ranking in run.values())
    excluded = found(queries, vectors[:documents], documents, exclude={"q0": "d0"})
    assert len(excluded["q0"].doc_ids) == documents - 1


def test_no_queries_and_no_documents_make_an_empty_run() -> None:
    queries, documents = plain(np.random.default_rng(2))
    assert len(found(queries[:0], documents, 5)) == 0
    assert found(queries, documents[:0], 5)["q0"].doc_ids == ()


def test_vectors_may_be_memory_mapped_and_progress_counts_queries(tmp_path: object) -> None:
    queries, documents = plain(np.random.default_rng(3))
    np.save(f"{tmp_path}/d.npy", documents)
    mapped = np.load(f"{tmp_path}/d.npy", mmap_mode="r")
    done: list[int] = []
    run = found(queries, mapped, 5, query_block=3, progress=done.append)
    assert_same(run, naive(queries, documents, 5))
    assert done == [3, 3, 1]
