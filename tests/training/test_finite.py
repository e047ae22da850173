"""A training that has no numbers any more ends in one line, and never in a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import RECIPE, TUNINGS, dense, toy_groups, toy_texts

from strop.losses.contrastive import InfoNCE
from strop.models.adapters import export
from strop.models.scoring import Cosine
from strop.records.errors import NonFiniteLossError
from strop.training import finite, optimizers
from strop.training.forwards import forward_of
from strop.training.loop import train
from strop.training.optimizers import AdamW, Constant, Lion, Optimizer
from strop.training.recipes import Recipe

EXPLODING = replace(RECIPE, schedule=Constant(), updates=1)
RATES: dict[str, Callable[[], Optimizer]] = {
    "AdamW": lambda: AdamW(1e38),
    "AdamW, decay": lambda: AdamW(1e30, weight_decay=1e30),
    "Lion": lambda: Lion(1e38),
    "AdamW, 1e25": lambda: AdamW(1e25),
}


@pytest.fixture(autouse=True)
def any_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates are refused long before a single update overflows, which a long training reaches with less."""
    monkeypatch.setattr(optimizers, "FASTEST", math.inf)


def run(folder: Path, recipe: Recipe, **options: Any) -> None:
    model = dense()
    train(model, recipe, toy_groups(), *toy_texts(model), 3, folder, **options)


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("optimizer", RATES)
@pytest.mark.parametrize("updates", [1, 2])
def test_weights_that_overflow_stop_the_training_at_the_last_update_too(
    updates: int, optimizer: str, tuning: str, tmp_path: Path
) -> None:
    recipe = replace(EXPLODING, tuning=TUNINGS[tuning], optimizer=RATES[optimizer](), updates=updates)
    with pytest.raises(NonFiniteLossError, match=rf"^{tmp_path}: update \d: .*Lower the learning rate"):
        run(tmp_path, recipe)
    assert not list(tmp_path.rglob("*")), "no checkpoint holds such weights"


@pytest.mark.parametrize("options", [{"checkpoint_seconds": 0.0}, {"snapshots": (1,)}, {"until": 1}])
def test_no_such_weights_are_kept_on_the_way(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(
        NonFiniteLossError, match="update 0: the weights' norm is inf after a step at the learning rate"
    ):
        run(tmp_path, replace(EXPLODING, optimizer=AdamW(1e25), updates=5), **options)
    assert not list(tmp_path.rglob("*"))


def test_a_temperature_at_which_the_loss_overflows_stops_it(tmp_path: Path) -> None:
    recipe = replace(RECIPE, scoring=Cosine(), loss=InfoNCE(1e-45))
    with pytest.raises(NonFiniteLossError, match=f"^{tmp_path}: update 0: loss"):
        run(tmp_path, recipe)


@dataclass(frozen=True)
class Recording:
    """An observer that must never see a model without numbers."""

    seen: list[int]
    every: int = 1

    def __call__(self, step: int, encoder: Any) -> Mapping[str, float]:
        self.seen.append(step)
        encoder.transformer.model.embeddings.LayerNorm.eps = math.nan  # outputs go, while the weights are finite
        return {}


def test_a_model_whose_outputs_are_no_numbers_is_not_looked_at(tmp_path: Path) -> None:
    seen: list[int] = []
    model = dense()
    forward = forward_of(model, RECIPE.batching.batch(toy_groups(), 0, 0), *toy_texts(model), RECIPE.scoring)
    finite.check_outputs(Path("run"), 7, model, forward)
    model.transformer.model.embeddings.LayerNorm.eps = math.nan
    with pytest.raises(NonFiniteLossError, match="run: update 7: the model's outputs are no numbers any more"):
        finite.check_outputs(Path("run"), 7, model, forward)
    recipe = replace(RECIPE, optimizer=AdamW(1e10), schedule=Constant(), updates=3)
    with pytest.raises(NonFiniteLossError, match=f"^{tmp_path}: update 0: loss nan"):
        run(tmp_path, recipe, observers=[Recording(seen)])
    assert seen == [0]


def test_what_a_model_without_numbers_would_export_is_not_written(tmp_path: Path) -> None:
    for tuning in TUNINGS.values():
        model = dense()
        tuning.prepare(model, 0)
        with torch.no_grad():
            for parameter in model.module.parameters():
                if parameter.requires_grad:
                    parameter.fill_(float("nan"))
        with pytest.raises(NonFiniteLossError, match=f"{tmp_path}.*: the trained model's outputs are no numbers"):
            export(model, tmp_path / "model", "base", ["bat", "bin bon"])
    assert not list(tmp_path.iterdir())


def test_a_query_s_id_is_escaped_and_cut() -> None:
    ids = ["q\x1b[31m\r1", "two\nlines", "\u202edne", "x" * 500, *map(str, range(9))]
    with pytest.raises(NonFiniteLossError) as caught:
        finite.check_gradient(Path("run.partial"), 3, ids, float("nan"), 1.0)
    said = str(caught.value)
    assert said.startswith("run.partial: update 3: loss nan, gradient norm 1.0; queries q\\x1b[31m\\r1, two\\nlines, ")
    assert said.isprintable()
    assert f"\\u202edne, {'x' * 79}…, 0, 1, 2, 3, …. Lower" in said
