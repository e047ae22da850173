"""Attention of packed texts with dropout of its weights on a processor, where torch has no fused kernel for it: a few
texts at a time, whose weights stay in the cache, in one step of the graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from strop.models.dropout import drawn

#: Weights that are computed at once (4 MB in float32), unless one text alone has more.
_HELD = 2**20


def dropping(query: Tensor, key: Tensor, value: Tensor, groups: Sequence[tuple[int, int]], rate: float) -> Tensor:
    """Heads `(T, H, d)` of texts one after another, the query scaled -> what each token gathers of its own text.

    `groups` are (texts, tokens of each), in order. The graph holds each weight once, and two bytes for whether it is
    kept.
    """
    attended: Tensor = _Attention.apply(query, key, value, groups, rate)  # type: ignore[no-untyped-call]
    return attended


class _Attention(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, groups: Sequence[tuple[int, int]], rate: float
    ) -> Tensor:
        attended, held, share = torch.empty_like(value), [], 1.0
        for part in _parts(groups, query.shape[1], query, key, value, attended):
            q, k, v, out = part
            weights = torch.softmax(q @ k.mT, dim=-1)
            kept, share = drawn(weights.shape, rate)
            torch.mul(kept.to(weights.dtype).mul_(weights) @ v, 1 / share, out=out)
            held += [weights, kept]
        ctx.save_for_backward(query, key, value, *held)
        ctx.groups, ctx.share = groups, share
        return attended

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *held = ctx.saved_tensors
        gradients = [torch.empty_like(x) for x in (query, key, value)]
        parts = _parts(ctx.groups, query.shape[1], query, key, value, gradient / ctx.share, *gradients)
        for part, weights, kept in zip(parts, held[::2], held[1::2], strict=True):
            q, k, v, g, of_query, of_key, of_value = part
            mask = kept.to(weights.dtype)
            of_kept = (g @ v.mT).to(weights.dtype).mul_(mask)
            of_value.copy_(mask.mul_(weights).mT @ g)
            of_scores = torch._softmax_backward_data(of_kept, weights, -1, weights.dtype)
            of_query.copy_(of_scores @ k)
            of_key.copy_(of_scores.mT @ q)
        return *gradients, None, None


def _parts(groups: Sequence[tuple[int, int]], heads: int, *packed: Tensor) -> Iterator[list[Tensor]]:
    """A few equally long texts of each `(T, H, d)` at a time, as `(N, H, L, d)`, in place."""
    start = 0
    for texts, length in groups:
        most = max(1, _HELD // (heads * length**2))
        for first in range(0, texts, most):
            count = min(most, texts - first)
            stop = start + count * length
            yield [x[start:stop].view(count, length, *x.shape[1:]).transpose(1, 2) for x in packed]
            start = stop
