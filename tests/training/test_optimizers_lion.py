"""Lion, the cosine and chained schedules: what they do, and what the libraries behind them do."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lion_pytorch import Lion as TheirLion
from tiny_models import RECIPE, dense, toy_groups, toy_texts
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from transformers import get_cosine_schedule_with_warmup

from strop.artifacts.keys import canonical
from strop.records.errors import InputError
from strop.training import checkpoint
from strop.training.loop import train
from strop.training.optimizers import AdamW, Chained, Cosine, Lion, Schedule, WarmupLinear, held_bytes


def stepped(optimizer: torch.optim.Optimizer, weight: nn.Parameter, gradient: float = 1.0) -> None:
    weight.grad = torch.full_like(weight, gradient)
    optimizer.step()


# --- what we rely upon in lion-pytorch ----------------------------------------------------------------------------


@pytest.mark.parametrize("gradient", [1e-6, 3.0, 1e6])
def test_lion_pytorch_moves_a_weight_by_the_rate_whatever_the_gradient_s_size(gradient: float) -> None:
    weight = nn.Parameter(torch.tensor([5.0], dtype=torch.float64))
    stepped(TheirLion([weight], lr=0.25), weight, gradient)
    assert weight.item() == 4.75


def test_lion_pytorch_decays_by_the_rate_times_the_decay_before_it_moves() -> None:
    weight = nn.Parameter(torch.tensor([8.0], dtype=torch.float64))
    stepped(TheirLion([weight], lr=0.25, weight_decay=0.5), weight)
    assert weight.item() == 8.0 * (1 - 0.25 * 0.5) - 0.25


def test_lion_pytorch_takes_the_rate_that_its_group_has_now_for_decay_too() -> None:
    weight = nn.Parameter(torch.tensor([8.0], dtype=torch.float64))
    optimizer = TheirLion([weight], lr=0.25, weight_decay=0.5)
    optimizer.param_groups[0]["lr"] = 0.0
    stepped(optimizer, weight)
    assert weight.item() == 8.0


def test_lion_pytorch_keeps_one_moment_and_no_step_count() -> None:
    weight = nn.Parameter(torch.zeros(3, 2))
    optimizer = TheirLion([weight], lr=0.1)
    stepped(optimizer, weight)
    assert {name: kept.shape for name, kept in optimizer.state[weight].items()} == {"exp_avg": (3, 2)}


# --- Lion ---------------------------------------------------------------------------------------------------------


def test_lion_s_updates_are_the_paper_s_formula_and_decay_spares_one_dimensional_weights() -> None:
    weight = nn.Parameter(torch.tensor([[2.0, -1.0]], dtype=torch.float64))
    bias = nn.Parameter(torch.tensor([4.0], dtype=torch.float64))
    optimizer = Lion(learning_rate=0.1, betas=(0.8, 0.9), weight_decay=0.5).build([("weight", weight), ("bias", bias)])
    gradients = [([[0.3, -0.2]], [0.5]), ([[-2.0, 0.01]], [-0.3]), ([[0.0, 0.4]], [-0.9])]
    expected = [np.array([[2.0, -1.0]]), np.array([4.0])]
    moments = [np.zeros((1, 2)), np.zeros(1)]
    for pair in gradients:
        weight.grad, bias.grad = (torch.tensor(g, dtype=torch.float64) for g in pair)
        optimizer.step()
        for k, (g, decay) in enumerate(zip(map(np.array, pair), (0.5, 0.0), strict=True)):
            sign = np.sign(0.8 * moments[k] + 0.2 * g)
            expected[k] = expected[k] - 0.1 * (sign + decay * expected[k])
            moments[k] = 0.9 * moments[k] + 0.1 * g
    np.testing.assert_allclose(weight.detach().numpy(), expected[0], rtol=1e-12)
    np.testing.assert_allclose(bias.detach().numpy(), expected[1], rtol=1e-12)


def test_lion_leaves_out_what_is_frozen_and_decays_what_adamw_decays() -> None:
    module = dense().module
    frozen = next(p for p in module.parameters() if p.ndim == 2)
    frozen.requires_grad_(False)
    decays = []
    for value in (AdamW(weight_decay=0.3), Lion(weight_decay=0.3)):
        groups = value.build(module.named_parameters()).param_groups
        decays.append({id(p): group["weight_decay"] for group in groups for p in group["params"]})
    assert decays[0] == decays[1]
    assert id(frozen) not in decays[1]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (lambda: Lion(learning_rate=0), "the learning rate is 0"),
        (lambda: Lion(betas=(0.9, 1.0)), "betas are"),
        (lambda: Lion(weight_decay=-1), "weight_decay is -1"),
        (lambda: Cosine(warmup=2), "warmup is 2"),
        (lambda: Cosine(stretch=0.5), "stretch is 0.5"),
        (lambda: Cosine(stretch=math.nan), "stretch is nan"),
        (lambda: Chained(Cosine(), rounds=0), "rounds are 0"),
    ],
)
def test_values_that_mean_nothing_are_refused(value: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        value()


# --- schedules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", [1, 2, 7, 40])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.25])
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_the_cosine_equals_transformers_at_every_step(warmup: float, total: int) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_cosine_schedule_with_warmup(optimizer, round(warmup * total), total)
    for step in range(total):
        assert Cosine(warmup).factor(step, total) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        theirs.step()


def test_a_horizon_of_93_750_updates_leaves_three_quarters_of_the_rate_after_31_092() -> None:
    """O7. The recurrence of torch's own scheduler, step by step, and the stretched cosine agree."""
    horizon, real = 93_750, 31_092
    stretched = Cosine(stretch=horizon / real)
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    theirs = CosineAnnealingLR(optimizer, T_max=horizon)
    rates = []
    optimizer.step()
    for _ in range(real):
        rates.append(theirs.get_last_lr()[0])
        theirs.step()
    found = [stretched.factor(step, real) for step in range(real)]
    np.testing.assert_allclose(found, rates, atol=1e-9)
    assert found[-1] == pytest.approx(0.7523, abs=1e-4)
    assert 2e-5 * found[28_000] == pytest.approx(1.59e-5, abs=5e-8), "as plotted"
    assert Cosine().factor(real - 1, real) < 1e-8


def test_a_torch_scheduler_bound_to_another_optimiser_leaves_this_one_s_rate_alone() -> None:
    """O6."""
    ours, other = (torch.optim.AdamW([nn.Parameter(torch.ones(1))], lr=2e-5) for _ in range(2))
    scheduler = CosineAnnealingLR(other, T_max=10)
    for _ in range(10):
        ours.step()
        other.step()
        scheduler.step()
    assert scheduler.get_last_lr()[0] == pytest.approx(0.0), "which is what a log would show"
    assert ours.param_groups[0]["lr"] == 2e-5


class Spy:
    """Every step of the optimiser that trains: its rates, and how many weights it remembered something of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[torch.optim.Optimizer]) -> None:
        self.rates: list[set[float]] = []
        self.kept: list[int] = []
        stepping = kind.step

        def step(optimizer: torch.optim.Optimizer, *args: Any) -> Any:
            self.rates.append({group["lr"] for group in optimizer.param_groups})
            self.kept.append(len(optimizer.state))
            return stepping(optimizer, *args)

        monkeypatch.setattr(kind, "step", step)


def tuned(folder: Path, optimizer: AdamW | Lion, schedule: Schedule, **options: Any) -> tuple[dict[str, Tensor], Any]:
    encoder = dense()
    recipe = replace(RECIPE, optimizer=optimizer, schedule=schedule)
    log = train(encoder, recipe, toy_groups(), *toy_texts(encoder), 3, folder, **options)
    return {name: p.detach().clone() for name, p in encoder.module.named_parameters()}, log


@pytest.mark.parametrize("schedule", [WarmupLinear(0.25), Cosine(0.25), Cosine(stretch=3.0), Chained(Cosine(0.5), 2)])
def test_the_loop_s_own_optimiser_steps_at_the_rate_that_is_logged(
    schedule: Schedule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O6 cannot happen here."""
    spy = Spy(monkeypatch, torch.optim.AdamW)
    _, log = tuned(tmp_path, AdamW(learning_rate=1e-3), schedule)
    logged = [entry.value for entry in log if entry.measure == "learning_rate"]
    assert spy.rates == [{rate} for rate in logged]
    assert logged == [1e-3 * schedule.factor(step, RECIPE.updates) for step in range(RECIPE.updates)]
    assert len(set(logged)) > 3


@pytest.mark.parametrize("inner", [WarmupLinear(0.25), Cosine()])
def test_chained_rounds_are_the_inner_schedule_again_and_again(inner: WarmupLinear | Cosine) -> None:
    once = [inner.factor(step, 4) for step in range(4)]
    assert [Chained(inner, 3).factor(step, 12) for step in range(12)] == 3 * once
    assert [Chained(inner, 1).factor(step, 12) for step in range(12)] == [inner.factor(step, 12) for step in range(12)]
    assert Chained(inner, 3).starts(11) == [0, 4, 7]
    assert all(0 <= Chained(inner, 5).factor(step, 3) <= 1 for step in range(4))


@pytest.mark.parametrize("optimizer", [AdamW(learning_rate=1e-3), Lion(learning_rate=1e-4)])
def test_a_chained_training_is_trainings_that_hand_on_their_weights_alone(
    optimizer: AdamW | Lion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch, type(optimizer.build([("w", nn.Parameter(torch.ones(1)))])))
    tuned(tmp_path, optimizer, Chained(WarmupLinear(0.25), 3))
    assert [step for step, kept in enumerate(spy.kept) if kept == 0] == [0, 4, 8]
    assert spy.kept.count(0) == 3


@pytest.mark.parametrize("schedule", [Cosine(0.1), Chained(WarmupLinear(), 3)])
@pytest.mark.parametrize("cut", [3, 4, 7])
def test_lion_goes_on_from_a_checkpoint_to_the_same_bits(schedule: Schedule, cut: int, tmp_path: Path) -> None:
    lion = Lion(learning_rate=1e-3, weight_decay=0.1)
    whole, _ = tuned(tmp_path / "whole", lion, schedule)
    tuned(tmp_path / "parts", lion, schedule, until=cut)
    again, log = tuned(tmp_path / "parts", lion, schedule)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert {entry.step for entry in log} == set(range(RECIPE.updates))


def test_lion_s_moment_in_a_checkpoint_decides_what_comes_next(tmp_path: Path) -> None:
    """The test above could not tell a lost moment if none mattered."""
    lion = Lion(learning_rate=1e-3)
    whole, _ = tuned(tmp_path / "whole", lion, Cosine())
    tuned(tmp_path / "parts", lion, Cosine(), until=5)
    module = dense().module
    empty = lion.build(module.named_parameters())
    checkpoint.restore(tmp_path / "parts", module, empty)
    assert {name for kept in empty.state.values() for name in kept} == {"exp_avg"}
    empty.state.clear()
    checkpoint.save(tmp_path / "forgetful", 5, module, empty, {"log": []})
    again, _ = tuned(tmp_path / "forgetful", lion, Cosine())
    assert any(not torch.equal(whole[name], again[name]) for name in whole)


# --- bytes and keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AdamW(), 2 * 4 * (12 + 5) + 2 * 4),
        (AdamW(towards_start=0.1), 3 * 4 * (12 + 5) + 2 * 4),
        (Lion(), 4 * (12 + 5)),
    ],
)
def test_the_bytes_of_an_optimiser_s_state_are_its_moments_and_adamw_s_counts(
    value: AdamW | Lion, expected: int
) -> None:
    weights = [nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(7))]
    optimizer = value.build([(str(i), p) for i, p in enumerate(weights)])
    assert held_bytes(optimizer) == 0
    for weight in weights[:2]:
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    assert held_bytes(optimizer) == value.state_bytes(weights[:2]) == expected


def test_keys_of_recipes_made_before_there_was_a_choice_are_what_they_were() -> None:
    assert canonical(RECIPE.optimizer) == {
        "type": "AdamW", "learning_rate": 2e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01,
    }  # fmt: skip
    assert canonical(RECIPE.schedule) == {"type": "WarmupLinear", "warmup": 0.1}
    assert canonical(Chained(Cosine(), 2)) == {
        "type": "Chained", "schedule": {"type": "Cosine", "warmup": 0.0, "stretch": 1.0}, "rounds": 2,
    }  # fmt: skip
