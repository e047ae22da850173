"""Optimisers and schedules as values. A schedule is a function of (step, total): it cannot step the wrong optimiser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from strop.nouns import InputError


@dataclass(frozen=True, slots=True)
class AdamW:
    """AdamW with decay on matrices only: biases and LayerNorm weights (every 1-d tensor) are left alone.

    Raises InputError unless 0 < learning_rate < inf, eps > 0, weight_decay >= 0 and both betas are in [0, 1).
    Source: Loshchilov & Hutter 2019; the exemption is BERT's own and what sentence-transformers' `fit` did.
    """

    learning_rate: float = 2e-5
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"the learning rate is {self.learning_rate}", remedy="Give a number above 0, like 2e-5")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise InputError(f"betas are {self.betas}", remedy="Give two numbers from 0 to below 1, like 0.9,0.999")
        if not self.eps > 0 or not self.weight_decay >= 0:
            raise InputError(
                f"eps is {self.eps} and weight_decay {self.weight_decay}", remedy="Give eps > 0 and weight_decay >= 0"
            )

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.AdamW:
        trainable = [p for _, p in parameters if p.requires_grad]
        groups = [
            {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": self.weight_decay},
            {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(
            [g for g in groups if g["params"]], lr=self.learning_rate, betas=self.betas, eps=self.eps
        )


@dataclass(frozen=True, slots=True)
class WarmupLinear:
    """Up from zero over the first `warmup` share of all updates, then linearly to zero at the last.

    The first update has rate zero, as in transformers' `get_linear_schedule_with_warmup`, which the thesis used.
    Raises InputError unless 0 <= warmup <= 1.
    """

    warmup: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.warmup <= 1:
            raise InputError(f"warmup is {self.warmup}", remedy="Give a share of all updates, from 0 to 1")

    def factor(self, step: int, total: int) -> float:
        """The multiplier of the learning rate at 0-based `step` of `total` updates, in [0, 1]."""
        rise = round(self.warmup * total)
        if step < rise:
            return step / rise
        return max(0.0, (total - step) / max(1, total - rise))
