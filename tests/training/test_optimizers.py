from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_models import RECIPE, dense, toy_groups, toy_texts
from torch import nn
from transformers import get_linear_schedule_with_warmup

from strop.artifacts.keys import canonical
from strop.models.adapters import LoRA
from strop.records.errors import InputError
from strop.training.loop import train
from strop.training.optimizers import AdamW, WarmupLinear


def test_biases_and_layer_norm_are_not_decayed_and_every_matrix_is() -> None:
    module = dense().module
    optimizer = AdamW(weight_decay=0.3).build(module.named_parameters())
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    found = {name: decay[id(p)] for name, p in module.named_parameters()}
    assert {name for name, d in found.items() if d == 0.0} == {
        name for name in found if name.endswith(".bias") or "LayerNorm" in name
    }
    assert {d for name, d in found.items() if "bias" not in name and "LayerNorm" not in name} == {0.3}
    assert sum(d == 0.3 for d in found.values()) > 10


def test_what_is_frozen_is_left_out_and_an_empty_group_too() -> None:
    encoder = dense()
    LoRA(r=4).prepare(encoder, 0)
    optimizer = AdamW().build(encoder.module.named_parameters())
    (group,) = optimizer.param_groups  # LoRA has matrices only
    trainable = [p for p in encoder.module.parameters() if p.requires_grad]
    assert {id(p) for p in group["params"]} == {id(p) for p in trainable}
    assert len(trainable) == 8


def test_one_update_is_the_paper_s_formula() -> None:
    weight = nn.Parameter(torch.tensor([[2.0, -1.0]], dtype=torch.float64))
    bias = nn.Parameter(torch.tensor([4.0], dtype=torch.float64))
    value = AdamW(learning_rate=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.5)
    optimizer = value.build([("weight", weight), ("bias", bias)])
    gradients = [([[0.3, -0.2]], [0.5]), ([[-0.1, 0.4]], [0.2])]
    expected = [np.array([[2.0, -1.0]]), np.array([4.0])]
    moments = [[np.zeros((1, 2)), np.zeros((1, 2))], [np.zeros(1), np.zeros(1)]]
    for t, pair in enumerate(gradients, start=1):
        weight.grad, bias.grad = (torch.tensor(g, dtype=torch.float64) for g in pair)
        optimizer.step()
        for k, (g, decay) in enumerate(zip(pair, (0.5, 0.0), strict=True)):
            m, v = moments[k]
            m[:] = 0.8 * m + 0.2 * np.array(g)
            v[:] = 0.9 * v + 0.1 * np.array(g) ** 2
            step = (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-3)
            expected[k] = expected[k] * (1 - 0.1 * decay) - 0.1 * step
    np.testing.assert_allclose(weight.detach().numpy(), expected[0], rtol=1e-12)
    np.testing.assert_allclose(bias.detach().numpy(), expected[1], rtol=1e-12)


@pytest.mark.parametrize("total", [1, 2, 7, 40, 100])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.25, 1.0])
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_the_schedule_equals_transformers_at_every_step(warmup: float, total: int) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_linear_schedule_with_warmup(optimizer, round(warmup * total), total)
    ours = WarmupLinear(warmup)
    for step in range(total):
        assert ours.factor(step, total) == theirs.get_last_lr()[0]
        theirs.step()


def test_the_schedule_starts_at_zero_peaks_at_one_and_never_leaves_the_unit_interval() -> None:
    factors = [WarmupLinear(0.1).factor(step, 100) for step in range(110)]
    assert factors[0] == 0.0
    assert factors[10] == max(factors) == 1.0
    assert factors[99] == pytest.approx(1 / 90)
    assert min(factors[100:]) == max(factors[100:]) == 0.0
    assert WarmupLinear(0.0).factor(0, 100) == 1.0


def test_every_weight_is_drawn_back_to_its_start_beside_adam_s_own_update() -> None:
    """A 1-d tensor and a matrix move rate * strength of their way back, and what has no gradient stays."""
    generator = torch.Generator().manual_seed(0)
    starts = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 2), (4,), (2, 2))]
    drawn, plain = ([nn.Parameter(start.clone()) for start in starts] for _ in range(2))
    plainly = AdamW(learning_rate=0.1, weight_decay=0.5)
    optimizers = [
        value.build([(str(i), p) for i, p in enumerate(weights)])
        for value, weights in ((replace(plainly, towards_start=2.0), drawn), (plainly, plain))
    ]
    assert not optimizers[0].state
    for _ in range(3):
        for ours, theirs, start in zip(drawn[:2], plain, starts, strict=False):
            gradient = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
            ours.grad, theirs.grad = gradient, gradient.clone()
            theirs.data.copy_(ours.data + 0.1 * 2.0 * (start - ours.data))  # what AdamW then goes on from
        for optimizer in optimizers:
            optimizer.step()
        for ours, theirs in zip(drawn, plain, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert all(not torch.equal(ours, start) for ours, start in zip(drawn[:2], starts, strict=False))
    assert torch.equal(drawn[2], starts[2])
    kept = [set(optimizers[0].state[weight]) for weight in drawn[:2]]
    assert kept == [{"step", "exp_avg", "exp_avg_sq", "start"}] * 2
    assert all(torch.equal(optimizers[0].state[w]["start"], start) for w, start in zip(drawn[:2], starts, strict=False))


def test_at_full_strength_only_the_last_update_is_left_and_no_strength_is_torch_s_own_adamw() -> None:
    weight = nn.Parameter(torch.tensor([[5.0]]))
    optimizer = AdamW(learning_rate=0.1, weight_decay=0, towards_start=10.0).build([("weight", weight)])
    for _ in range(20):
        weight.grad = torch.ones(1, 1)
        optimizer.step()
    assert weight.item() == pytest.approx(5.0 - 0.1, abs=1e-5)
    assert type(AdamW().build([("weight", weight)])) is torch.optim.AdamW


def test_a_strength_beyond_the_whole_way_is_an_input_error_and_none_leaves_the_key_as_it_was() -> None:
    for strength in (-1.0, 10.1, float("inf"), float("nan")):
        with pytest.raises(InputError, match="towards_start is") as caught:
            AdamW(learning_rate=0.1, towards_start=strength)
        assert "0 to 10," in caught.value.remedy
    assert "towards_start" not in canonical(AdamW())
    assert canonical(AdamW(towards_start=0.5))["towards_start"] == 0.5


@pytest.mark.parametrize("cut", [1, 5])
def test_the_start_survives_in_a_checkpoint(cut: int, tmp_path: Path) -> None:
    recipe = replace(RECIPE, optimizer=AdamW(learning_rate=2e-3, towards_start=50.0))

    def tuned(folder: Path, until: int | None = None) -> dict[str, torch.Tensor]:
        encoder = dense()
        train(encoder, recipe, toy_groups(), *toy_texts(encoder), 3, folder, until=until)
        return {name: p.detach().clone() for name, p in encoder.module.named_parameters()}

    whole = tuned(tmp_path / "whole")
    tuned(tmp_path / "parts", until=cut)
    held = load_file(tmp_path / "parts" / f"step-{cut}" / "tensors.safetensors")
    start = dict(dense().module.named_parameters())
    kept = {name.removeprefix("start/"): w for name, w in held.items() if name.startswith("start/")}
    assert kept.keys() == {name for name in start if "pooler" not in name}
    assert all(torch.equal(w, start[name]) for name, w in kept.items())
    again = tuned(tmp_path / "parts")
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_weights_stay_nearer_to_their_start_the_stronger_they_are_drawn(tmp_path: Path) -> None:
    start = {name: p.detach() for name, p in dense().module.named_parameters()}
    ways = []
    for strength in (0.0, 30.0, 300.0):
        encoder = dense()
        recipe = replace(RECIPE, optimizer=AdamW(learning_rate=2e-3, towards_start=strength))
        train(encoder, recipe, toy_groups(), *toy_texts(encoder), 3, tmp_path / str(strength))
        ways.append(sum(float((p.detach() - start[n]).square().sum()) for n, p in encoder.module.named_parameters()))
    assert ways[0] > 1.2 * ways[1] > 1.2**2 * ways[2] > 0
