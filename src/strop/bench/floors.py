"""The floor beneath a workload: the arithmetic of its matrix products, at the rate that bare ones reach here."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from strop.bench.interleaved import Times, Turn
from strop.models.encoder import Model
from strop.models.tokens import Ints

#: The name of the side that multiplies bare matrices.
BARE = "bare products"
#: Rows of a bare product: the tokens of a chunk (`encode.BUDGET`); and products of each shape per turn.
ROWS, TIMES = 2048, 4


@dataclass(frozen=True, slots=True)
class Work:
    """What a transformer has to do for some texts: `flops` of its matrix products on their real tokens, in one forward
    pass; `shapes` `(in, out)` of its layers' weights, with how many there are; `tokenizing` seconds alone, of so many
    tokens as are `tokenized`: fewer than are read where a text is read again in another pair."""

    tokens: int
    flops: float
    shapes: tuple[tuple[tuple[int, int], int], ...]
    tokenizing: float
    tokenized: int

    @property
    def weights(self) -> int:
        """Numbers in them all."""
        return sum(n * i * o for (i, o), n in self.shapes)


def work_of(model: Model, lengths: Ints, tokenizing: float, tokenized: int) -> Work:
    """For texts of so many tokens. Counts 2 in x out per token for each linear layer of a repeated block, and 4 L D per
    token and block for attention to all L tokens; what is done once per text (a pooler, a head) is left out."""
    transformer: Any = model.transformer.model
    config = transformer.config
    linears = [m for name, m in transformer.named_modules() if isinstance(m, nn.Linear) and _repeated(name)]
    shapes = Counter((m.in_features, m.out_features) for m in linears)
    work = Work(int(lengths.sum()), 0.0, tuple(sorted(shapes.items())), tokenizing, tokenized)
    attention = 4.0 * config.num_hidden_layers * config.hidden_size * float((lengths.astype(np.float64) ** 2).sum())
    return replace(work, flops=2.0 * work.weights * work.tokens + attention)


def bare(shapes: tuple[tuple[tuple[int, int], int], ...], device: str) -> tuple[Turn, None]:
    """A side (`interleaved.Build`): a turn is the seconds in which `ROWS` tokens pass through bare products."""
    torch.manual_seed(0)
    made = [(torch.randn(ROWS, i, device=device), torch.randn(o, i, device=device), n) for (i, o), n in shapes]

    def turn() -> float:
        return sum(n * _seconds(x, weight) for x, weight, n in made)

    turn()
    return turn, None


def reached(what: str, seconds: float, work: Work, times: Times, passes: float = 1.0, read: int = 0) -> str:
    """In one line how near to the floor a side came that took so long for as many forward passes' worth of products
    (3: forward and backward), and what keeps it there."""
    rate = 2.0 * ROWS * work.weights / median(times.seconds)
    flops = passes * work.flops
    share, tokenizing = flops / rate / seconds, work.tokenizing / seconds
    parts = {"matrix products": share, "tokenizing": tokenizing}
    parts["everything else"] = max(0.0, 1 - sum(parts.values()))
    most = max(parts, key=parts.__getitem__)
    weights = f", {read / 1e9:.1f} GB read" if read else ""
    speed = f" ({work.tokenized / work.tokenizing:,.0f} tokens/s alone)"
    return (
        f"{what}: {flops / 1e9:,.0f} GFLOP for {work.tokens:,} tokens{weights} at {flops / seconds / 1e9:.1f} GFLOP/s, "
        f"{share:.0%} of the rate of bare float32 products ({rate / 1e9:.1f}); tokenizing{speed} is {tokenizing:.0%} "
        f"of the time; the bottleneck: {most} ({parts[most]:.0%})"
    )


def estimated(flops: float) -> float:
    """Seconds for so much arithmetic at half the rate of a matrix product timed now: for a plan, not for a figure."""
    a = torch.ones(1024, 1024)
    _seconds(a, a)
    return 2 * flops / (2 * 1024**3 / _seconds(a, a))


def _seconds(x: torch.Tensor, weight: torch.Tensor) -> float:
    """Of one product, the mean of `TIMES`."""
    multiply = partial(nn.functional.linear, x, weight)
    started = time.perf_counter()
    for _ in range(TIMES):
        multiply()
    if x.device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / TIMES


def _repeated(name: str) -> bool:
    """Whether a module is part of a numbered block."""
    return any(part.isdigit() for part in name.split("."))
