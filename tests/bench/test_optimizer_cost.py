from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from small_collection import small_collection
from tiny_models import RECIPE, dense, toy_groups, toy_texts
from torch import nn

from strop.artifacts.progress import silent
from strop.bench import optimizer_cost, process_memory
from strop.bench.optimizer_cost import Cost, cost, cost_table, with_each_optimizer
from strop.models.adapters import LoRA
from strop.models.cross_encoder import FreshHead
from strop.models.random_weights import RandomWeights
from strop.records.errors import InputError
from strop.training.loop import Logged, train
from strop.training.optimizers import AdamW, Lion
from strop.training.recipes import Recipe
from strop.training.recipes import recipe as recipe_named

MIB = 2**20
pytestmark = pytest.mark.usefixtures("one_thread")


def of_training(folder: Path, recipe: Recipe) -> tuple[Cost, nn.Module]:
    encoder = dense()
    queries, documents = toy_texts(encoder)

    def work(progress: Callable[[int], None]) -> list[Logged]:
        return train(encoder, recipe, toy_groups(), queries, documents, 1, folder, progress=progress)

    return cost(work, recipe.optimizer), encoder.module


@pytest.mark.parametrize("tuning", ["full", "LoRA"])
def test_what_is_counted_from_parameters_is_what_the_state_holds_and_lion_s_is_half(
    tuning: str, tmp_path: Path
) -> None:
    found = {}
    for name, recipe in with_each_optimizer(replace(RECIPE, tuning=tiny_models.TUNINGS[tuning], updates=3)).items():
        found[name], module = of_training(tmp_path / name, recipe)
        assert found[name].counted == found[name].held > 0
    with_gradient = [p for p in module.parameters() if p.grad is not None]
    numbers = sum(p.numel() for p in with_gradient)
    assert found["Lion"].held == 4 * numbers
    assert found["AdamW"].held == 8 * numbers + 4 * len(with_gradient)
    if tuning == "full":
        assert numbers < sum(p.numel() for p in module.parameters()), "the pooler has no gradient and costs nothing"


def test_every_update_but_the_first_is_timed_by_itself() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = Lion().build([("w", weight)])

    def work(progress: Callable[[int], None]) -> Sequence[Logged]:
        progress(0)
        log = []
        for step, seconds in enumerate((0.8, 0.05, 0.3, 0.05)):
            time.sleep(seconds)
            weight.grad = torch.ones(2)
            optimizer.step()
            log += [Logged(step, "loss", 9e9), Logged(step, "tokens_per_second", 100.0 * (step + 1))]
            progress(1)
        return log

    found = cost(work, Lion())
    assert found.updates == pytest.approx((0.05, 0.3, 0.05), abs=0.1)
    assert found.tokens == 300
    assert (found.held, found.counted) == (8, 8)
    if process_memory.STATUS.exists():
        assert found.resident is not None
        assert found.resident >= process_memory.resident("VmRSS") > 50 * MIB
    if not torch.cuda.is_available():
        assert found.allocated is found.reserved is None
        assert found.busy == ()


def test_a_training_of_the_uncounted_update_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="of 1 updates the first 1 is not timed"):
        of_training(tmp_path, replace(RECIPE, updates=1))


def test_nothing_keeps_watching_when_the_training_is_over(tmp_path: Path) -> None:
    from torch.optim.optimizer import _global_optimizer_post_hooks

    before = len(_global_optimizer_post_hooks)
    with pytest.raises(ValueError, match="not timed"):
        of_training(tmp_path, replace(RECIPE, updates=1))
    assert len(_global_optimizer_post_hooks) == before


def test_the_gpu_is_looked_at_until_the_block_ends_and_not_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer_cost, "EVERY", 0.005)
    asked = []

    def read() -> float:
        asked.append(time.perf_counter())
        return 0.5

    with optimizer_cost._sampled(read) as samples:
        time.sleep(0.1)
    seen = len(asked)
    time.sleep(0.03)
    assert len(asked) == seen == len(samples) >= 3
    assert all(share == 0.5 for _, share in samples)


def test_a_gpu_whose_driver_tells_nothing_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Any:
        raise ModuleNotFoundError("nvidia-ml-py")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "utilization", none)
    assert optimizer_cost._utilisation() is None
    monkeypatch.setattr(torch.cuda, "utilization", lambda: 37)
    read = optimizer_cost._utilisation()
    assert read is not None
    assert read() == 0.37


def test_a_recipe_s_own_optimiser_stays_and_the_other_has_its_rate_and_decay() -> None:
    own = replace(RECIPE, optimizer=Lion(3e-4, betas=(0.5, 0.6), weight_decay=0.2), tuning=LoRA(r=2))
    found = with_each_optimizer(own)
    assert found["Lion"] == own
    assert found["AdamW"] == replace(own, optimizer=AdamW(3e-4, weight_decay=0.2))
    assert with_each_optimizer(RECIPE)["AdamW"] is RECIPE


def test_the_table_says_medians_over_repeats_and_what_the_second_optimiser_saves() -> None:
    first = Cost(
        200 * MIB, 200 * MIB, 400 * MIB, 500 * MIB, 900 * MIB, (0.0, 0.0, 0.3, 0.5, 1.0), (0.1, 0.3, 0.2), 50.0
    )
    again = replace(first, allocated=402 * MIB, updates=(0.4,), tokens=70.0)
    lion = replace(first, held=100 * MIB, allocated=None, busy=())
    rows = cost_table({"AdamW": [first, again, first], "Lion": [lion]})
    assert rows[0] == ["", "AdamW", "Lion", "saved"]
    found = {row[0]: row[1:] for row in rows}
    assert found["state held, MiB"] == ["200.0", "100.0", "+50.0\N{NARROW NO-BREAK SPACE}%"]
    assert found["peak allocated, MiB"] == ["400", "–", "–"]
    assert found["GPU busy, mean %"] == ["36.0", "–", "–"]
    assert found["GPU busy, median %"][0] == "30.0"
    assert found["GPU idle, % of looks"][0] == "40.0"
    assert found["update, ms"][:2] == ["200 [200, 400]", "200 [200, 200]"]
    assert found["tokens/s"][0] == "50"


def test_the_benchmark_measures_a_recipe_in_processes_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(optimizer_cost, "TIMED", 2)
    recipe = replace(RECIPE, tuning=LoRA(r=4))
    rows = optimizer_cost.efficiencies(
        recipe, str(tiny_models.build(tmp_path)), str(small_collection(tmp_path / "small")), 1, silent
    )
    assert rows[0] == ["", "AdamW", "Lion", "saved"]
    found = {row[0]: row[1:] for row in rows}
    assert found["state held, MiB"] == found["state counted, MiB"]
    assert float(found["tokens/s"][0].replace(",", "")) > 0
    if process_memory.STATUS.exists():
        assert 100 < float(found["peak resident, MiB"][1].replace(",", "")) < 5000


@pytest.mark.parametrize("start", ["a head of its own", "a fresh head", "random weights"])
def test_the_benchmark_measures_a_recipe_of_pairs_from_whatever_can_read_them(
    start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(optimizer_cost, "TIMED", 1)
    model, small = tiny_models.build(tmp_path), str(small_collection(tmp_path / "small"))
    if start == "a head of its own":
        FreshHead().convert(model, tmp_path / "reranker")
        model = tmp_path / "reranker"
    pairs = recipe_named("rerank-bce", {"batching.size": "4"})
    weights = RandomWeights("modernbert") if start == "random weights" else None
    rows = optimizer_cost.efficiencies(pairs, str(model), small, 1, silent, weights)
    found = {row[0]: row[1:] for row in rows}
    held, counted = found["state held, MiB"], found["state counted, MiB"]
    assert held == counted
    assert float(held[0]) > float(held[1]) > 0, "Lion keeps one moment of AdamW's two"


def test_the_benchmark_refuses_what_the_recipe_does_not_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    model = tiny_models.build(tmp_path)
    FreshHead().convert(model, tmp_path / "reranker")
    with pytest.raises(InputError, match="the model reads pairs, the recipe scores by"):
        optimizer_cost.efficiencies(RECIPE, str(tmp_path / "reranker"), "nowhere", 1, silent)
    with pytest.raises(InputError, match="random weights are of cross-encoders"):
        optimizer_cost.efficiencies(RECIPE, str(model), "nowhere", 1, silent, RandomWeights("bert"))
