"""Dropout of our own draws: its rate, its scale, its independence; and everything else is torch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from strop.models.dropout import Dropout, draw_faster, drawn


@pytest.mark.parametrize("rate", [1e-9, 0.001, 0.05, 0.1, 0.5, 0.999, 1 - 1e-9])
def test_the_rate_is_met_at_each_place_and_the_share_is_exact(rate: float) -> None:
    torch.manual_seed(1)
    kept, share = drawn(torch.Size((4001, 501)), rate)
    assert abs(share - (1 - rate)) <= 2**-16
    deviation = (share * (1 - share) / (kept.numel() / 4)) ** 0.5
    for place in range(4):  # of the four draws that come from one number
        assert abs(float(kept.flatten()[place::4].double().mean()) - share) < 5 * deviation


def test_draws_are_independent_of_their_neighbours() -> None:
    torch.manual_seed(2)
    kept = drawn(torch.Size((1_000_000,)), 0.5)[0].double() - 0.5
    for distance in (1, 2, 3, 4, 8):
        assert abs(float((kept[:-distance] * kept[distance:]).mean())) < 5 * 0.25 / 1000


def test_what_is_left_is_scaled_and_gradients_pass_where_it_is() -> None:
    torch.manual_seed(0)
    given = torch.ones(100, 100, requires_grad=True)
    left = Dropout(0.25)(given)
    left.sum().backward()
    assert given.grad is not None
    assert torch.equal(given.grad, left.detach())
    assert left.unique().tolist() == [0, pytest.approx(4 / 3, abs=1e-4)]


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_nothing_and_everything_are_dropped_as_by_torch(rate: float) -> None:
    given = torch.randn(5, 5)
    assert torch.equal(Dropout(rate)(given), nn.Dropout(rate)(given))


def test_nothing_is_dropped_outside_training() -> None:
    given = torch.randn(5, 5)
    assert torch.equal(Dropout(0.5).eval()(given), given)


def test_every_dropout_inside_is_replaced_and_keeps_its_rate_and_mode() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.3)), nn.ModuleDict({"default": nn.Dropout(0.2)}))
    module.eval()
    names = [name for name, _ in module.named_modules()]
    draw_faster(module)
    found = [m for m in module.modules() if isinstance(m, nn.Dropout)]
    assert [(type(m), m.p, m.training) for m in found] == [(Dropout, 0.3, False), (Dropout, 0.2, False)]
    assert [name for name, _ in module.named_modules()] == names
