"""sentence-transformers' own trainer as the peer of a tuning: that it trains what we say it trains."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from tiny_models import RECIPE, build, toy_examples

from strop.artifacts.store import Store
from strop.bench import library_training
from strop.bench.library_training import BATCH, library_default, library_trained
from strop.losses.contrastive import InfoNCE
from strop.models.dense import Dense
from strop.models.pretrained import Pretrained, resolve
from strop.models.scoring import Cosine
from strop.records.errors import InputError
from strop.training import loop
from strop.training.batches import Batching, assemble
from strop.training.forwards import forward_of
from strop.training.optimizers import AdamW, WarmupLinear
from strop.training.stage import texts_of, tuned_model

pytestmark = pytest.mark.usefixtures("one_thread")


def base_of(folder: Path, **options: Any) -> Pretrained:
    return resolve(str(build(folder, dropout=0.0, **options)))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def moved(folder: Path, base: Pretrained) -> torch.Tensor:
    """How far each weight is from the base's, in one row."""
    before, after = weights(base.path), weights(folder)
    return torch.cat([(after[name] - before[name]).flatten() for name in before])


def metrics_of(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """What the trainer will have measured, call by call."""
    kept, fit = [], library_training.fit

    def watched(*args: Any, **settings: Any) -> dict[str, float]:
        kept.append(fit(*args, **settings))
        return kept[-1]

    monkeypatch.setattr(library_training, "fit", watched)
    return kept


@pytest.mark.parametrize("prompts", [None, {"query": "bat bet: ", "document": "dan: "}])
def test_its_loss_is_in_batch_infonce_of_cosines_at_a_temperature_of_a_twentieth(
    prompts: dict[str, str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    base, examples, kept = base_of(tmp_path, prompts=prompts), toy_examples(BATCH), metrics_of(monkeypatch)
    library_default(base, examples, tmp_path / "tuned", seed=0)  # one batch, whatever its order

    encoder = Dense.load(base.path)
    batch = assemble([replace(g, negatives=(), sources=()) for g in examples.groups], in_batch=True)
    forward = forward_of(encoder, batch, *texts_of(encoder, examples), Cosine())
    with torch.inference_mode():
        scores = forward.scores(forward.represent(np.arange(len(forward.lengths))))

    def expected(temperature: float) -> float:
        return float(InfoNCE(temperature)(scores, batch.targets, batch.mask))

    assert kept[0]["train_loss"] == pytest.approx(expected(0.05), rel=1e-4)
    assert kept[0]["train_loss"] != pytest.approx(expected(0.06), rel=1e-2)


def test_our_own_loop_moves_the_weights_the_same_way_by_the_same_recipe(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    base, examples = base_of(tmp_path), toy_examples(BATCH)
    library_default(base, examples, tmp_path / "theirs", seed=0, epochs=4)
    groups = [replace(g, negatives=(), sources=()) for g in examples.groups]
    recipe = replace(RECIPE, scoring=Cosine(), loss=InfoNCE(0.05), batching=Batching(BATCH, in_batch=True), updates=4)

    def ours(rate: float, warmup: float) -> torch.Tensor:
        schedule = WarmupLinear(warmup)
        value = replace(recipe, optimizer=AdamW(rate, weight_decay=0.0), schedule=schedule)
        encoder, folder = Dense.load(base.path), tmp_path / f"ours {rate} {warmup}"
        folder.mkdir()
        loop.train(encoder, value, groups, *texts_of(encoder, examples), 0, folder)
        encoder.save(folder / "model")
        return moved(folder / "model", base)

    theirs = moved(tmp_path / "theirs", base)

    def off(mine: torch.Tensor) -> float:
        return float((theirs - mine).norm() / theirs.norm())

    assert off(ours(5e-5, warmup=0.0)) < 0.01
    assert off(ours(4e-5, warmup=0.0)) > 0.1
    assert off(ours(5e-5, warmup=0.5)) > 0.1


def test_every_positive_of_a_query_is_a_row_and_no_batch_holds_a_text_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    base, examples = base_of(tmp_path), toy_examples(BATCH)
    twice = tuple(replace(g, positives=(f"d{i}", f"d{(i + 1) % BATCH}")) for i, g in enumerate(examples.groups))
    batches, updates, loss = [], [], MultipleNegativesRankingLoss.forward

    def watched(self: Any, features: Any, labels: Any) -> torch.Tensor:
        batches.append([[tuple(row[row > 0].tolist()) for row in column["input_ids"]] for column in features])
        return loss(self, features, labels)

    monkeypatch.setattr(MultipleNegativesRankingLoss, "forward", watched)
    library_default(base, replace(examples, groups=twice), tmp_path / "tuned", 0, 1, updates.append)
    pairs = [pair for queries, documents in batches for pair in zip(queries, documents, strict=True)]
    assert BATCH < len(pairs) == len(set(pairs)) <= 2 * BATCH  # smaller batches, and what is left then is left out
    assert len(batches) == sum(updates) == 2
    assert all(len(set(column)) == len(column) for batch in batches for column in batch)


def test_a_stage_trains_once_and_is_found_again_without_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("datasets")
    base, examples, store = base_of(tmp_path), toy_examples(20), Store(tmp_path / "store")
    capsys.readouterr()
    trained = library_trained(store, base, examples, seed=0)
    assert capsys.readouterr() == ("", "")
    tuned = tuned_model(trained)
    assert tuned.identity != base.identity
    assert Dense.load(tuned.path).dimension == Dense.load(base.path).dimension
    assert trained.record["pairs"] == 20
    assert 0 < trained.record["train_seconds"] <= trained.record["wall_seconds"] + 0.01

    assert library_trained(store, base, examples, seed=1).key != trained.key
    again = library_trained(Store(tmp_path / "another"), base, examples, seed=0)
    assert moved(again.path / "model", base).equal(moved(trained.path / "model", base))

    monkeypatch.setitem(sys.modules, "datasets", None)
    assert library_trained(store, base, examples, seed=0) == trained
    with pytest.raises(InputError, match=r"needs the package datasets.*strop\[bench\]"):
        library_trained(store, base, examples, seed=2)
