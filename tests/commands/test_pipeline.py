"""Stages compose: search, fuse, rerank and measure, by Run values and by TREC files alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_candidates import candidates
from small_collection import small_collection
from tiny_rerankers import reranker

import strop
from strop.collection import door
from strop.evaluation.measures import evaluate
from strop.evaluation.reordering import ceiling
from strop.records.runs import Run, read_run, write_run
from strop.retrieval.fuse import ReciprocalRank
from strop.retrieval.rerank import rerank

pytestmark = pytest.mark.usefixtures("one_thread")

DEPTH = 8


def test_search_fuse_and_rerank_by_files_is_the_same_as_by_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    data = door.load(str(small_collection(tmp_path / "small")), "test", tmp_path / "cache")
    first = read_run(strop.search(str(tmp_path / "small"), tmp_path / "bm25.trec", "bm25", depth=20))
    second = Run(
        {q: (r.doc_ids[::2], [float(len(r.doc_ids) - i) for i in range(len(r.doc_ids[::2]))]) for q, r in first.items()}
    )
    write_run(second, tmp_path / "second.trec", "second")
    strop.fuse(tmp_path / "fused.trec", [tmp_path / "bm25.trec", tmp_path / "second.trec"])
    queries = {q.id: q.text for q in data.queries.values()}
    documents = {d.id: d.text for d in data.documents.values()}
    for folder in ("by_value", "by_file"):
        (tmp_path / folder).mkdir()
    fused = ReciprocalRank()([first, second])
    by_value, _ = rerank(candidates(fused, queries, documents, DEPTH), reranker(), tmp_path / "by_value")
    by_file, _ = rerank(
        candidates(read_run(tmp_path / "fused.trec"), queries, documents, DEPTH), reranker(), tmp_path / "by_file"
    )
    write_run(by_file, tmp_path / "reranked.trec", "reranked")
    again = read_run(tmp_path / "reranked.trec")
    assert {q: again[q].doc_ids for q in again} == {q: by_value[q].doc_ids for q in by_value}
    for q in fused:
        assert by_value[q].doc_ids != fused[q].doc_ids, "the reranker has a say"
        assert set(by_value[q].doc_ids[:DEPTH]) == set(fused[q].doc_ids[:DEPTH])
    for measure in ("nDCG@10", "AP", "RR@10", "R@100"):
        reached = evaluate(again, data.qrels, [measure])[measure]
        most = ceiling(fused, data.qrels, measure, DEPTH)
        assert all(reached[q] <= most[q] + 1e-12 for q in data.qrels)
        assert any(reached[q] < most[q] for q in data.qrels) or measure == "R@100"
