"""A middle stage: any model puts the first documents of a run in the order of its own similarity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_models
from small_collection import small_collection

import strop
from strop.artifacts.store import Store
from strop.collection.door import load
from strop.collection.lazy_documents import Contents
from strop.models.architecture import Untied
from strop.models.late_interaction import Late
from strop.models.pretrained import resolve
from strop.records.errors import InputError
from strop.records.runs import Run, read_run
from strop.retrieval import encode, stages
from strop.retrieval.rerank import by_vectors, reordered
from strop.retrieval.retriever import retriever, retriever_of
from strop.retrieval.task import ById, Part, Task

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_first_documents_go_by_inner_product_and_the_others_stay_below_in_their_order() -> None:
    run = Run({"q": (list("abcde"), [5, 4, 3, 2, 1]), "p": (["c", "a"], [2, 1]), "none": ([], [])})
    queries = stages.Vectors(("q", "p", "none"), np.array([[1, 0], [0, 2], [1, 1]], dtype=np.float32))
    documents = stages.Vectors(("a", "b", "c"), np.array([[0.5, 7], [3, 1], [0.5, -1]], dtype=np.float32))
    found = by_vectors(run, 3, queries, stages.Vectors(documents.ids, encode.Stack([documents.matrix])))
    assert found["q"].doc_ids == ("b", "c", "a", "d", "e"), "of equals the later as a string comes first"
    assert found["q"].scores.tolist() == [3, 0.5, 0.5, -0.5, -1.5]
    assert (found["p"].doc_ids, found["p"].scores.tolist()) == (("a", "c"), [14, -2])
    assert found["none"].doc_ids == ()
    with pytest.raises(KeyError, match="d"):
        by_vectors(run, 4, queries, documents)
    with pytest.raises(ValueError, match="query q: a score is not finite"):
        reordered(run, 2, lambda query_id, ranked: np.full(len(ranked), np.nan, dtype=np.float32))


def test_a_part_of_a_mapping_is_read_when_asked_for_in_the_order_asked_for() -> None:
    part = Part({"a": "x", "b": "y", "c": "z"}, ["c", "a", "c"])
    assert list(part.items()) == [("c", "z"), ("a", "x")]
    assert "b" not in part


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("middle")
    small_collection(folder / "small")
    dense = tiny_models.build(folder, markers=True)
    Late(query_length=12, document_length=40).convert(dense, folder / "late")
    Untied().convert(dense, folder / "untied")
    return folder


@pytest.fixture(autouse=True)
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_HOME", str(folder / "home"))


def texts(folder: Path) -> tuple[ById, ById]:
    data = load(str(folder / "small"), "test", folder / "cache")
    return {q.id: q.text for q in data.queries.values()}, Contents(data.documents)


@pytest.mark.parametrize("kind", ["model", "late", "untied"])
def test_over_its_own_candidates_a_model_finds_the_order_it_gave_them(folder: Path, tmp_path: Path, kind: str) -> None:
    small, model = str(folder / "small"), str(folder / kind)
    strop.search(small, tmp_path / "own.trec", model, depth=9)
    strop.search(small, tmp_path / "bm25.trec", "bm25", depth=15)
    own, bm25 = read_run(tmp_path / "own.trec"), read_run(tmp_path / "bm25.trec")
    cost = strop.rerank(tmp_path / "own.trec", tmp_path / "again.trec", model, small, depth=9)
    again = read_run(tmp_path / "again.trec")
    for query_id, ranking in own.items():
        # Texts are encoded in another company, which moves a score by float rounding.
        np.testing.assert_allclose(again[query_id].scores, ranking.scores, rtol=0, atol=1e-5)
        shuffled = dict(zip(again[query_id].doc_ids, again[query_id].scores.tolist(), strict=True))
        assert all(
            shuffled[d] == pytest.approx(s, abs=1e-5) for d, s in zip(ranking.doc_ids, ranking.scores, strict=True)
        )
    assert cost.pairs == 9 * len(own)
    assert cost.cut == 0
    strop.rerank(tmp_path / "bm25.trec", tmp_path / "ordered.trec", model, small, depth=5)
    ordered = read_run(tmp_path / "ordered.trec")
    assert any(ordered[q].doc_ids[:5] != bm25[q].doc_ids[:5] for q in bm25)
    assert all(set(ordered[q].doc_ids[:5]) == set(bm25[q].doc_ids[:5]) for q in bm25)
    assert all(ordered[q].doc_ids[5:] == bm25[q].doc_ids[5:] for q in bm25)


@pytest.mark.parametrize("kind", ["model", "late"])
def test_only_the_run_s_documents_are_encoded_once_each_and_counted(folder: Path, tmp_path: Path, kind: str) -> None:
    asked, found = texts(folder)
    (q1, q2), (d1, d2, d3, *_) = list(asked)[:2], list(found)
    run = Run({q1: ([d1, d2, d3], [3, 2, 1]), q2: ([d2, d1], [2, 1])})
    store, model = Store(tmp_path / "home"), resolve(str(folder / kind))
    made = retriever_of(model).rerank(Task(store, asked, found), run, 2)
    encoder = stages.load(model.path)
    tokens = encoder.tokenize([asked[q1], asked[q2]], "query").lengths.sum()
    tokens += encoder.tokenize([found[d1], found[d2]], "document").lengths.sum()
    cost = made.record["cost"]
    assert (cost["pairs"], cost["tokens"], cost["cut"]) == (4, tokens, 0)
    assert cost["seconds"] > 0
    assert made.record["max_length"] == encoder.max_length
    sizes = sorted(len(stages._read(path)) for path in (tmp_path / "home/encode").rglob("ids.json"))
    assert sizes == [2, 2]
    assert retriever_of(model).rerank(Task(store, asked, found), run, 2).key == made.key
    assert retriever_of(model).rerank(Task(store, asked, found), run, 3).key != made.key


def test_pairs_whose_document_the_model_cuts_are_counted_and_warned_of(folder: Path, tmp_path: Path) -> None:
    asked, found = texts(folder)
    query_id, (d1, d2, *_) = next(iter(asked)), list(found)
    long = {**found, d2: " ".join(tiny_models.WORDS[:80])}
    run = Run({query_id: ([d1, d2], [2, 1])})
    made = retriever(str(folder / "model")).rerank(Task(Store(tmp_path / "home"), asked, long), run, 2)
    assert made.record["cost"]["cut"] == 1


def test_what_a_model_without_pairs_cannot_do_and_unknown_ids_are_said_before_anything_is_encoded(
    folder: Path, tmp_path: Path
) -> None:
    asked, found = texts(folder)
    query_id, doc_id = next(iter(asked)), next(iter(found))
    store, model = Store(tmp_path / "home"), resolve(str(folder / "model"))
    with pytest.raises(InputError, match="document 'd999', ranked for query"):
        retriever_of(model).rerank(Task(store, asked, found), Run({query_id: ([doc_id, "d999"], [2, 1])}), 1)
    with pytest.raises(InputError, match="query 'q999' of the run is not there"):
        retriever_of(model).rerank(Task(store, asked, found), Run({"q999": ([doc_id], [2])}), 1)
    with pytest.raises(InputError, match="only a cross-encoder reads pairs in windows"):
        retriever_of(model).rerank(Task(store, asked, found), Run({query_id: ([doc_id], [2])}), 1, precision="bfloat16")
    assert not (tmp_path / "home").exists()
