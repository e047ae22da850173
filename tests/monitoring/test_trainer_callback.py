"""The callback in sentence-transformers' own trainer: the same rows, the same stop, the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_collection import small_collection
from tiny_models import dense

from strop.collection import door
from strop.monitoring import trainer_callback
from strop.monitoring.logbook import read_logbook
from strop.monitoring.probe import of_collection
from strop.monitoring.selection import EarlyStop, WithinDrift
from strop.monitoring.trainer_callback import Monitored
from strop.records.documents import Collection
from strop.records.errors import InputError

datasets = pytest.importorskip("datasets")
pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Collection:
    monkeypatch.setattr(trainer_callback, "of_collection", lambda c: of_collection(c, 8, 50))
    return door.load(str(small_collection(tmp_path / "small")), "test", tmp_path)


def trained(folder: Path, callbacks: list[Any], steps: int = 12, rate: float = 1e-3) -> dict[str, torch.Tensor]:
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    model = dense().model
    words = [f"bat bet {i}" for i in range(48)]
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder / "out"),
        max_steps=steps,
        per_device_train_batch_size=4,
        learning_rate=rate,
        report_to=[],
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=True,
    )
    SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict({"anchor": words, "positive": [f"{w} dat" for w in words]}),
        loss=MultipleNegativesRankingLoss(model),
        callbacks=callbacks,
    ).train()
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def test_the_trainer_s_run_is_logged_as_ours_and_its_weights_stay_the_same(
    tmp_path: Path, collection: Collection
) -> None:
    alone = trained(tmp_path, [])
    watched = trained(tmp_path, [Monitored(tmp_path / "run", collection)])
    assert all(torch.equal(alone[name], watched[name]) for name in alone)
    course = read_logbook(tmp_path / "run")
    assert course.done
    assert [step for step, _ in course.series["train/loss"]] == list(range(12))
    looks = [step for step, _ in course.series["geometry/overlap@10/document"]]
    assert looks[0] == 0
    assert looks[-1] == 12
    assert course.about["monitor_share"] > 0


def test_the_trainer_stops_when_the_rule_says_so(tmp_path: Path, collection: Collection) -> None:
    rule = EarlyStop(WithinDrift(tolerance=0.01), share=1 / 6, patience=1)
    trained(tmp_path, [Monitored(tmp_path / "run", collection, stop=rule)], rate=1e-2)
    course = read_logbook(tmp_path / "run")
    assert course.step < 12
    assert "which is kept" in course.about["stopped"]


def test_half_precision_weights_are_refused(tmp_path: Path, collection: Collection) -> None:
    watching = Monitored(tmp_path / "run", collection)
    with pytest.raises(InputError, match="not in float32"):
        watching.on_train_begin(None, type("S", (), {"is_world_process_zero": True})(), None, dense().model.half())  # type: ignore[arg-type]
