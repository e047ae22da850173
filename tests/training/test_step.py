from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from chunked_steps import SETTINGS, TEXTS, WHOLE, pieces, plain, step
from tiny_models import dense
from torch import Tensor

from strop.models.chunks import vectors
from strop.models.encoder import represent_rows
from strop.models.scoring import Representation
from strop.models.tokens import Ints
from strop.training import step as chunks


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("budget", [1, 30, 90, 10**6])
def test_without_dropout_loss_and_every_gradient_are_those_of_one_plain_batch(name: str, budget: int) -> None:
    encoder = dense(dropout=0.0)
    encoder.module.train()
    for double, tolerance in ((False, 1e-5), (True, 1e-12)):
        if double:
            encoder.module.double()  # so that a gradient that is zero but for rounding can be compared as well
        expected, wanted = plain(encoder, name)
        loss, found = step(encoder, name, pieces(encoder, budget))
        assert loss == pytest.approx(expected, rel=tolerance)
        assert found.keys() == wanted.keys()
        size = sum(float(g.norm()) ** 2 for g in wanted.values()) ** 0.5
        assert size > 0.1
        for parameter, gradient in found.items():
            assert (gradient - wanted[parameter]).norm() <= tolerance * max(wanted[parameter].norm(), size / 100)
    assert len(pieces(encoder, 90)) > 2


def test_the_vectors_come_back_in_position_order_and_gradients_are_added_not_replaced() -> None:
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    seen: list[Tensor] = []

    def loss(texts: Representation) -> Tensor:
        seen.append(texts.vectors.detach().clone())
        return (texts.vectors.squeeze(1) * torch.tensor([1.0, 10.0, 100.0, 1000.0])).sum()

    def represent(positions: Ints) -> Representation:
        return Representation(weight * torch.from_numpy(positions).float().unsqueeze(1))

    cuts = [np.array([3, 1]), np.array([0, 2])]
    assert chunks.gradient(represent, cuts, loss) == 2 * (10 + 200 + 3000)
    assert seen[0].squeeze(1).tolist() == [0.0, 2.0, 4.0, 6.0]
    assert weight.grad is not None
    assert weight.grad.item() == 3210.0
    chunks.gradient(represent, cuts, loss)
    assert weight.grad.item() == 2 * 3210.0


def test_vectors_without_a_graph_are_in_position_order_for_any_budget() -> None:
    encoder = dense()
    encoder.module.eval()
    tokens = encoder.tokenize(TEXTS, "document")
    represent = partial(represent_rows, encoder, [tokens.row(i) for i in range(len(tokens))], role="document")
    expected = represent(WHOLE[0]).vectors.detach()
    for budget in (1, 60, 10**6):
        found = vectors(represent, tokens.lengths, budget).vectors
        assert not found.requires_grad
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (expected[1:] - expected[:-1]).norm(dim=1).min() > 0.1


@pytest.mark.parametrize("name", SETTINGS)
def test_with_dropout_a_step_is_finite_and_fixed_by_seed_and_cut(name: str) -> None:
    encoder = dense(dropout=0.2)
    encoder.module.train()

    def seeded(seed: int, budget: int) -> tuple[float, dict[str, Tensor]]:
        torch.manual_seed(seed)
        return step(encoder, name, pieces(encoder, budget))

    (loss, first), (again, second), (other, _), (recut, _) = (
        seeded(1, 60),
        seeded(1, 60),
        seeded(2, 60),
        seeded(1, 90),
    )
    assert np.isfinite(loss)
    assert all(torch.isfinite(g).all() for g in first.values())
    assert loss == again
    assert all(torch.equal(first[n], second[n]) for n in first)
    assert len({loss, other, recut}) == 3  # dropout is on; another cut draws other masks, as the docstring admits


def test_with_dropout_the_mean_gradient_is_the_same_for_every_cut_within_its_noise() -> None:
    """Equal in distribution: means over seeds agree along fixed directions; a wrong gradient would not."""
    encoder = dense(dropout=0.1)
    encoder.module.train()
    directions: dict[str, Tensor] = {}
    generator = torch.Generator().manual_seed(0)

    def projections(cuts: list[Ints], seeds: range) -> np.ndarray:
        rows = []
        for seed in seeds:
            torch.manual_seed(seed)
            loss, gradients = step(encoder, "InfoNCE, cosine", cuts)
            for n, g in gradients.items():
                directions.setdefault(n, torch.randn(6, g.numel(), generator=generator) / g.numel() ** 0.5)
            parts = [directions[n] @ g.flatten() for n, g in gradients.items()]
            rows.append([loss, *torch.stack(parts).sum(0).tolist()])
        return np.array(rows)

    def z(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        noise = np.sqrt(a.var(0, ddof=1) / len(a) + b.var(0, ddof=1) / len(b))
        result: np.ndarray = np.abs(a.mean(0) - b.mean(0)) / noise
        return result

    whole = projections(WHOLE, range(80))
    fine = projections(pieces(encoder, 60), range(1000, 1080))
    assert z(whole, fine).max() < 4  # seven normal quantities: bad luck in 0.04 %, and seeds are fixed
    halved = fine * np.array([1.0, *[0.5] * 6])
    assert z(whole, halved).max() > 6  # the test has the power to see a gradient that is half as large
