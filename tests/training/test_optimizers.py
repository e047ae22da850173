from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import dense
from torch import nn
from transformers import get_linear_schedule_with_warmup

from strop.models.adapters import LoRA
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
