"""Attention with dropout: its mean, and its values and gradients as autograd has them, however few texts at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from strop.models import dropped_attention
from strop.models.dropped_attention import dropping

#: Two texts of five tokens, one of three.
GROUPS = [(2, 5), (1, 3)]


Heads = tuple[Tensor, Tensor, Tensor]


def heads(dtype: torch.dtype = torch.float64) -> Heads:
    query, key, value = torch.randn(3, 13, 2, 8, generator=torch.Generator().manual_seed(0), dtype=dtype).unbind(0)
    return query.requires_grad_(), key.requires_grad_(), value.requires_grad_()


def texts(*packed: Tensor) -> list[Heads]:
    """Each text's `(H, L, d)`."""
    return list(zip(*(torch.split(x.transpose(0, 1), [5, 5, 3], 1) for x in packed), strict=True))


def test_its_mean_is_attention_without_dropout() -> None:
    query, key, value = heads(torch.float32)
    torch.manual_seed(0)
    with torch.no_grad():
        draws = torch.stack([dropping(query, key, value, GROUPS, 0.25) for _ in range(4000)])
        exact = [scaled_dot_product_attention(q, k, v, scale=1.0) for q, k, v in texts(query, key, value)]
    assert float(draws.std(dim=0).mean()) > 0.1
    assert torch.allclose(draws.mean(dim=0), torch.cat(exact, dim=1).transpose(0, 1), atol=0.1)


@pytest.mark.parametrize("held", [1, 100, 2**20])
def test_values_and_gradients_are_those_of_the_formula(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropped_attention, "_HELD", held)
    kept = torch.rand(3, 2, 5, 5, generator=torch.Generator().manual_seed(1)) < 0.7
    place = iter(range(3))

    def drawn(shape: torch.Size, rate: float) -> tuple[Tensor, float]:
        assert rate == 0.3
        own = kept[[next(place) for _ in range(shape[0])], :, : shape[2], : shape[3]]
        return own.to(torch.int16), 0.7

    monkeypatch.setattr(dropped_attention, "drawn", drawn)
    inputs = heads()
    query, key, value = inputs
    ours = dropping(query, key, value, GROUPS, 0.3)
    masks = [kept[i, :, :length, :length] for i, length in enumerate((5, 5, 3))]
    rows = zip(masks, texts(*inputs), strict=True)
    products = [torch.softmax(q @ k.mT, -1) * mask / 0.7 @ v for mask, (q, k, v) in rows]
    exact = torch.cat(products, dim=1).transpose(0, 1)
    assert torch.allclose(ours, exact, rtol=0, atol=1e-12)
    weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(2), dtype=ours.dtype)
    pairs = zip(*(torch.autograd.grad((each * weights).sum(), inputs) for each in (ours, exact)), strict=True)
    assert all(torch.allclose(a, b, rtol=0, atol=1e-12) for a, b in pairs)


def test_in_bfloat16_it_is_near() -> None:
    made = []
    for dtype in (torch.bfloat16, torch.float32):
        inputs = heads(torch.float32)
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            query, key, value = (x.to(dtype) for x in inputs)
            out = dropping(query, key, value, GROUPS, 0.3)
        assert out.dtype == dtype
        made.append([out.float(), *torch.autograd.grad(out.float().sum(), inputs)])
    for low, exact in zip(*made, strict=True):
        assert torch.allclose(low, exact, rtol=0.05, atol=0.05)
        assert not torch.equal(low, exact)
