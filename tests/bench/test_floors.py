"""The floor: the arithmetic counted from a model's shapes is what torch counts as it works."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_models
import torch
from torch.utils.flop_counter import FlopCounterMode

from strop.bench import floors
from strop.bench.interleaved import Times


def test_flops_of_a_text_are_those_that_torch_counts_but_for_the_pooler() -> None:
    model = tiny_models.dense()
    ids = torch.ones(1, 20, dtype=torch.int64)
    config = model.transformer.model.config
    model.transformer.model.set_attn_implementation("eager")  # whose products torch counts
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.represent(ids, torch.ones_like(ids), "document")
    work = floors.work_of(model, np.array([20]), 1.0, 20)
    pooler = 2 * config.hidden_size**2
    assert counter.get_total_flops() in (work.flops, work.flops + pooler)
    two = floors.work_of(model, np.array([20, 20]), 1.0, 40)
    assert (two.tokens, two.flops) == (40, 2 * work.flops)


def test_a_side_at_the_rate_of_bare_products_reaches_all_of_it() -> None:
    work = floors.Work(
        tokens=floors.ROWS, flops=2.0 * floors.ROWS * 600, shapes=(((10, 20), 3),), tokenizing=0.25, tokenized=5
    )
    bare = Times((2.0, 2.0))
    assert "100% of the rate" in floors.reached("encode", 2.0, work, bare)
    line = floors.reached("encode", 4.0, work, bare)
    assert "50% of the rate" in line
    assert line.endswith("is 6% of the time; the bottleneck: matrix products (50%)")
    assert floors.reached("encode", 8.0, work, bare).endswith("the bottleneck: everything else (72%)")
    assert "150% of the rate" in floors.reached("train", 4.0, work, bare, passes=3)


@pytest.mark.usefixtures("one_thread")
def test_a_bare_pass_multiplies_each_shape_as_often_as_there_are_weights() -> None:
    one, _ = floors.bare((((64, 64), 1),), "cpu")
    many, _ = floors.bare((((64, 64), 1000),), "cpu")
    assert many() > 30 * one()
