"""Search in two stages as a call: candidates of one model, or BM25, in the order of a late-interaction model."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models
from small_collection import DOCUMENTS, TEST, small_collection

import strop
from strop.models.late_interaction import Late
from strop.records.errors import InputError
from strop.records.runs import read_run

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stages")
    small_collection(folder / "small")
    dense = tiny_models.build(folder, markers=True)
    Late(query_length=12, document_length=40).convert(dense, folder / "late")
    return folder


@pytest.fixture(autouse=True)
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_HOME", str(folder / "home"))


def search(folder: Path, out: Path, prefilter: str = "", candidates: int = DOCUMENTS) -> float:
    return strop.search_two_stages(
        str(folder / "small"), out, str(folder / "late"), prefilter or str(folder / "model"), candidates
    )


def test_with_every_document_a_candidate_the_run_is_the_exact_one(folder: Path, tmp_path: Path) -> None:
    assert search(folder, tmp_path / "two.trec") == 1.0
    strop.search(str(folder / "small"), tmp_path / "one.trec", str(folder / "late"))
    two, one = (read_run(tmp_path / name) for name in ("two.trec", "one.trec"))
    assert len(one) == TEST
    assert {q: (r.doc_ids, r.scores.tolist()) for q, r in two.items()} == {
        q: (r.doc_ids, r.scores.tolist()) for q, r in one.items()
    }


@pytest.mark.parametrize("prefilter", ["", "bm25"])
def test_recall_is_the_mean_share_of_the_exact_ten_best_among_the_candidates(
    folder: Path, tmp_path: Path, prefilter: str
) -> None:
    recall = search(folder, tmp_path / "two.trec", prefilter, 12)
    small = str(folder / "small")
    strop.search(small, tmp_path / "first.trec", prefilter or str(folder / "model"), depth=12)
    strop.search(small, tmp_path / "exact.trec", str(folder / "late"), depth=10)
    first, exact, two = (read_run(tmp_path / f"{name}.trec") for name in ("first", "exact", "two"))
    shares = [len(set(first[q].doc_ids) & set(exact[q].doc_ids)) / 10 for q in exact]
    assert recall == pytest.approx(sum(shares) / TEST)
    assert 0 < recall < 1
    assert all(set(two[q].doc_ids) == set(first[q].doc_ids) for q in two)


def test_what_cannot_be_done_is_said_before_the_collection_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr("strop.commands.search.load", never)
    dense, late = str(folder / "model"), str(folder / "late")
    with pytest.raises(InputError, match="needs no second stage"):
        strop.search_two_stages(str(folder / "small"), tmp_path / "out", dense, "bm25")
    with pytest.raises(InputError):
        strop.search_two_stages(str(folder / "small"), tmp_path / "out", late, str(tmp_path / "none"))
    with pytest.raises(InputError):
        strop.search_two_stages(str(folder / "small"), tmp_path / "out", str(tmp_path / "none"), "bm25")
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="this exists already"):
        strop.search_two_stages(str(folder / "small"), tmp_path / "out", late, "bm25")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"
