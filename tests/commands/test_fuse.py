from __future__ import annotations

from pathlib import Path

import pytest
from small_collection import TEST, small_collection
from trec_qrels import write_qrels

import strop
from strop.records.errors import InputWarning
from strop.records.judgments import read_qrels
from strop.records.runs import Run, read_run, write_run
from strop.retrieval.fuse import ReciprocalRank, ZScore
from strop.retrieval.fusion_weights import tuned, weight_grid


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A collection with its BM25 runs over train and test, and the same run turned round beside each."""
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    small_collection(tmp_path / "small")
    for split in ("train", "test"):
        strop.search(str(tmp_path / "small"), tmp_path / f"{split}.trec", "bm25", split, depth=20)
        run = read_run(tmp_path / f"{split}.trec")
        turned = Run({q: (r.doc_ids, [-float(s) for s in r.scores]) for q, r in run.items()})
        write_run(turned, tmp_path / f"{split}.turned.trec", "turned")
    return tmp_path


def test_fusing_files_is_fusing_runs(folder: Path) -> None:
    paths = [folder / "test.trec", folder / "test.turned.trec"]
    assert strop.fuse(folder / "out.trec", paths) is None
    runs = [read_run(path) for path in paths]
    fused, expected = read_run(folder / "out.trec"), ReciprocalRank()(runs)
    assert {q: fused[q].doc_ids for q in fused} == {q: expected[q].doc_ids for q in expected}
    assert len(fused) == TEST
    assert (folder / "out.trec").read_text().split()[5] == "rrf"


def test_weights_are_tuned_on_dev_runs_and_used_on_the_others(folder: Path) -> None:
    paths, dev = ([folder / f"{split}{kind}.trec" for kind in ("", ".turned")] for split in ("test", "train"))
    collection = str(folder / "small")
    choice = strop.fuse(folder / "out.trec", paths, "zscore", (), collection, dev, "train", "RR@10")
    qrels = {f"q{i}": {f"d{i}": 1} for i in range(24)}
    write_qrels(folder / "dev.qrels", qrels)
    by_file = strop.fuse(folder / "again.trec", paths, "zscore", (), str(folder / "dev.qrels"), dev, measure="RR@10")
    by_hand = tuned(ZScore(), [read_run(p) for p in dev], read_qrels(folder / "dev.qrels"), "RR@10", weight_grid(2))
    assert choice == by_file == by_hand
    assert choice is not None
    assert choice.method.weights[0] > 0.5, "the run that knows something gets more"
    assert (folder / "out.trec").read_text() == (folder / "again.trec").read_text()
    fused, expected = read_run(folder / "out.trec"), choice.method([read_run(p) for p in paths])
    assert {q: fused[q].doc_ids for q in fused} == {q: expected[q].doc_ids for q in expected}


def test_a_run_that_lacks_queries_is_warned_of(folder: Path) -> None:
    (folder / "part.trec").write_text("q24 Q0 d24 1 1.0 x\n", encoding="utf-8")
    with pytest.warns(InputWarning, match="part.trec: 7 of 8 queries are not in it; the other runs alone rank those"):
        strop.fuse(folder / "out.trec", [folder / "test.trec", folder / "part.trec"])
