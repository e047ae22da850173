"""Each workload with a tiny model: both sides do the same work, and say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from small_collection import small_collection
from tiny_models import toy_examples

from strop.artifacts.progress import silent
from strop.bench import encoding, evaluating, reranking, searching, training
from strop.bench.interleaved import Times
from strop.evaluation.measures import MEASURES
from strop.models.cross_encoder import FreshHead
from strop.records.errors import InputError
from strop.training.batches import Batching

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build(tmp_path_factory.mktemp("bench"))


def test_both_sides_encode_to_the_same_vectors_whatever_the_batch(model: Path) -> None:
    texts = tiny_models.sentences(40)
    ours, sides = encoding._strop(model, texts)[1], [encoding._peer(model, texts, batch)[1] for batch in (32, 3)]
    for theirs in sides:
        assert encoding._largest(ours, theirs) < 1e-6
    moved = ours.copy()
    moved[7, 2] += 0.1
    assert encoding._largest(moved, ours) > 0.01
    assert encoding._largest(3 * ours, ours) < 1e-6, "cosine does not see lengths"


@pytest.mark.usefixtures("bfloat16")
def test_bfloat16_says_how_far_each_side_is_from_its_own_float32(model: Path) -> None:
    texts = tiny_models.sentences(10)
    sides: dict[str, Any] = {
        encoding.OURS: encoding._strop(model, texts),
        encoding.PEER: encoding._peer(model, texts),
        encoding.HALF: encoding._strop(model, texts, "bfloat16"),
        encoding.PEER_HALF: encoding._peer(model, texts, precision="bfloat16"),
    }
    line = encoding._cosines({name: Times(outcome=outcome) for name, (_, outcome) in sides.items()})
    assert line.startswith("least cosine to its own float32: strop's and the peer's 0.99")


@pytest.mark.parametrize("name", training.RECIPES)
def test_both_sides_train_with_the_same_losses(name: str, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setattr(training, "BATCH", 4)  # of 40 queries, those whose documents no other has
    examples, recipe = (
        training._apart(toy_examples(40)),
        replace(training.RECIPES[name], batching=Batching(4, "in-batch" in name)),
    )
    ours, theirs = (side(model, examples, recipe)[1] for side in (training._strop, training._peer))
    assert len(ours) == len(theirs) == training.UPDATES
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert len(set(ours)) == len(ours)


def test_a_training_is_refused_in_one_line_before_it_is_measured(tmp_path: Path, model: Path) -> None:
    collection = small_collection(tmp_path / "small")
    with pytest.raises(InputError, match=r"has \d+ training queries .*\. Give a collection with 96$"):
        training.plan(str(model), str(collection), 1, silent)


def test_without_the_package_datasets_one_line_says_what_to_install(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    monkeypatch.setattr(training, "examples_of", lambda count, on: toy_examples(400))
    with pytest.raises(InputError, match=r"needs the package datasets\. Run 'make bench', or: pip install"):
        training.plan(str(model), "docstrings", 1, silent)


def test_late_search_and_maxsim_find_the_same_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "LATE_QUERIES", 3)
    monkeypatch.setattr(searching, "LATE_DEPTH", 5)
    ours, theirs = searching._strop_late(30)[1], searching._maxsim(30)[1]
    assert searching._agreement(ours, theirs, 5).startswith("the same top 5, scores by ")
    with pytest.raises(AssertionError, match="the best scores differ by 0"):
        searching._agreement(ours, (theirs[0], theirs[1] - 0.5), 5)


def test_dense_search_finds_the_largest_of_all_products(tmp_path: Path) -> None:
    for name, seed, count in (("vectors", 1, 300), ("queries", 2, 4)):
        np.save(tmp_path / f"{name}.npy", searching.clustered(count, seed))
    documents, queries = (torch.from_numpy(np.load(tmp_path / f"{name}.npy")) for name in ("vectors", "queries"))
    assert torch.allclose(documents.norm(dim=1), torch.ones(300))
    best = (queries @ documents.T).topk(7)
    _, ours = searching._strop(str(tmp_path), 7)
    assert searching._agreement(ours, (best.indices.numpy(), best.values.numpy()), 7).startswith("the same top 7")


def test_both_sides_rerank_to_the_same_order(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    folder = tmp_path / "reranker"
    FreshHead().convert(model, folder)
    monkeypatch.setattr(reranking, "DEPTH", 6)
    candidates = reranking._candidates(str(small_collection(tmp_path / "small")))
    pairs = reranking._pairs(candidates)
    assert len(pairs) > 20
    times = {
        reranking.OURS: Times(outcome=reranking._strop(folder, candidates)[1]),
        reranking.PEER: Times(outcome=reranking._peer(folder, pairs)[1]),
    }
    assert reranking._agreement(candidates.run, times, reranking.PEER).startswith("the same order, logits differ by ")
    other = {**times, reranking.PEER: Times(outcome=-times[reranking.PEER].outcome)}
    assert "another order for " in reranking._agreement(candidates.run, other, reranking.PEER)
    work = reranking._work(folder, candidates)
    assert work.tokens > 3 * len(pairs)


def test_both_commands_print_the_same_figures_of_a_made_run(tmp_path: Path) -> None:
    run, qrels = tmp_path / "run", tmp_path / "qrels"
    evaluating.write(run, qrels, queries=20, lines=200)
    _, ours = evaluating.command((*evaluating._STROP, str(run), "--qrels", str(qrels)))
    _, theirs = evaluating.command((*evaluating._IR_MEASURES, str(qrels), str(run), *MEASURES))
    assert tuple(ours) == MEASURES
    assert evaluating.agreement(ours, theirs) == "the same figures"
    assert evaluating.agreement({**ours, "AP": "0.0000"}, theirs) == "AP differ"
    assert 0 < float(ours["AP"]) < float(ours["R@1000"]) < 1
