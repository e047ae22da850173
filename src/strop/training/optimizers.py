"""Optimisers and schedules as values. A schedule is a function of (step, total): it cannot step the wrong optimiser."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from strop.artifacts.keys import ADDED
from strop.records.errors import InputError

Parameters = Iterable[tuple[str, nn.Parameter]]


@dataclass(frozen=True, slots=True)
class AdamW:
    """AdamW with decay on matrices only: biases and LayerNorm weights (every 1-d tensor) are left alone.

    `towards_start` is L2-SP: an update moves every weight, 1-d tensors too, learning_rate * towards_start of its way
    back to where the optimiser's first update found it; a chained round starts anew. It is decoupled from the moments,
    as decay is, where the source adds it to the loss; and a new head is held to its random start as all else is, where
    the source decays it. For LoRA the start is the base.

    Raises InputError unless 0 < learning_rate <= 1e30, 0 < eps < inf, 0 <= weight_decay < inf, both betas are in [0, 1)
    and 0 <= towards_start <= 1 / learning_rate. Source: Loshchilov & Hutter 2019; the exemption is BERT's own and what
    sentence-transformers' `fit` did. L2-SP: Li, Grandvalet & Davoine 2018 (arXiv 1802.01483), equation 2.
    """

    learning_rate: float = 2e-5
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01
    towards_start: float = field(default=0.0, metadata=ADDED)

    def __post_init__(self) -> None:
        _check(self.learning_rate, self.betas, self.weight_decay)
        if not 0 < self.eps < math.inf:
            raise InputError(f"eps is {self.eps}", remedy="Give a number above 0")
        if not 0 <= self.towards_start * self.learning_rate <= 1:
            problem = f"towards_start is {self.towards_start}"
            raise InputError(problem, remedy=f"Give 0 to {1 / self.learning_rate:g}, the way back in one update")

    def build(self, parameters: Parameters) -> torch.optim.AdamW:
        groups = _groups(parameters, self.weight_decay)
        settings: Any = {"lr": self.learning_rate, "betas": self.betas, "eps": self.eps, "fused": True}
        if not self.towards_start:
            return torch.optim.AdamW(groups, **settings)
        return _TowardsStart(groups, self.towards_start, settings)

    def state_bytes(self, parameters: Iterable[nn.Parameter]) -> int:
        """What it keeps of these once each has had a gradient: two moments per weight, its start where it is drawn
        there, and four bytes per tensor."""
        return sum((3 if self.towards_start else 2) * p.nbytes + 4 for p in parameters)


class _TowardsStart(torch.optim.AdamW):
    """AdamW that draws each weight to its start, which it keeps in its state as `start`."""

    def __init__(self, groups: list[dict[str, Any]], strength: float, settings: dict[str, Any]) -> None:
        super().__init__(groups, **settings)
        self._strength = strength

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        starts = {}
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                if "start" in self.state[weight]:
                    weight.lerp_(self.state[weight]["start"], float(group["lr"]) * self._strength)
                else:
                    starts[weight] = weight.detach().clone()
        taken = super().step(closure)
        for weight, start in starts.items():  # AdamW makes its moments only where the state is empty
            self.state[weight]["start"] = start
        return taken


@dataclass(frozen=True, slots=True)
class Lion:
    """Lion: every weight moves by the learning rate, in the sign of a moment; decay on matrices only, as AdamW's here.

    Decay is decoupled as AdamW's: a weight shrinks by learning_rate * weight_decay an update, so a rate ten times lower
    decays ten times less. Raises InputError as AdamW does. Source: Chen et al. 2023 (arXiv 2302.06675), algorithm 2;
    the authors advise a rate 3 to 10 times below AdamW's and a decay as much larger.
    """

    learning_rate: float = 2e-5
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        _check(self.learning_rate, self.betas, self.weight_decay)

    def build(self, parameters: Parameters) -> torch.optim.Optimizer:
        from lion_pytorch import Lion as Built

        groups = _groups(parameters, self.weight_decay)
        return Built(groups, lr=self.learning_rate, betas=self.betas)  # type: ignore[no-any-return]

    def state_bytes(self, parameters: Iterable[nn.Parameter]) -> int:
        """What it keeps of these once each has had a gradient: one moment per weight."""
        return sum(p.nbytes for p in parameters)


Optimizer = AdamW | Lion
#: No rate is of use that comes near it, and AdamW takes none that is far above it: its steps are float32.
FASTEST = 1e30


def held_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of every tensor of an optimiser's state as it is, wherever it lies."""
    return sum(value.nbytes for kept in optimizer.state.values() for value in kept.values() if torch.is_tensor(value))


@dataclass(frozen=True, slots=True)
class WarmupLinear:
    """Up from zero over the first `warmup` share of all updates, then linearly to zero at the last.

    The first update has rate zero, as in transformers' `get_linear_schedule_with_warmup`, which the thesis used.
    Raises InputError unless 0 <= warmup <= 1.
    """

    warmup: float = 0.1

    def __post_init__(self) -> None:
        _check_warmup(self.warmup)

    def factor(self, step: int, total: int) -> float:
        rise = round(self.warmup * total)
        if step < rise:
            return step / rise
        return max(0.0, (total - step) / max(1, total - rise))


@dataclass(frozen=True, slots=True)
class Constant:
    """The whole learning rate at every update: no schedule, or one that was bound to another optimiser."""

    def factor(self, step: int, total: int) -> float:
        return 1.0


@dataclass(frozen=True, slots=True)
class Cosine:
    """Up from zero over the first `warmup` share of all updates, then down along half a cosine, to zero at the last.

    The half-cosine is as long as the updates that are left, times `stretch`: above 1 it is cut before it is down, as
    where its length was counted for another batch. Raises InputError unless 0 <= warmup <= 1 and 1 <= stretch < inf.
    Source: Loshchilov & Hutter 2017 (arXiv 1608.03983), without restarts.
    """

    warmup: float = 0.0
    stretch: float = 1.0

    def __post_init__(self) -> None:
        _check_warmup(self.warmup)
        if not 1 <= self.stretch < math.inf:
            raise InputError(f"stretch is {self.stretch}", remedy="Give 1 for a whole fall, more for one that is cut")

    def factor(self, step: int, total: int) -> float:
        rise = round(self.warmup * total)
        if step < rise:
            return step / rise
        share = min(1.0, (step - rise) / (max(1, total - rise) * self.stretch))
        return 0.5 * (1.0 + math.cos(math.pi * share))


@dataclass(frozen=True, slots=True)
class Chained:
    """`rounds` trainings one after the other, each a whole `schedule` from an optimiser that remembers nothing.

    What one gets who starts the next epoch from the last one's weights alone: warm-up, fall and moments begin again.
    Raises InputError when `rounds` is below 1.
    """

    schedule: Constant | WarmupLinear | Cosine
    rounds: int = 3

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise InputError(f"rounds are {self.rounds}", remedy="Give 1 or more")

    def starts(self, total: int) -> list[int]:
        """The 0-based updates that the rounds begin with, 0 among them; equal parts to one update."""
        return [round(i * total / self.rounds) for i in range(self.rounds)]

    def factor(self, step: int, total: int) -> float:
        rounds = pairwise([*self.starts(total), total])
        begin, end = next((pair for pair in rounds if step < pair[1]), (0, total))
        return self.schedule.factor(step - begin, end - begin)


#: `factor`: the multiplier of the learning rate at 0-based `step` of `total` updates, in [0, 1].
Schedule = Constant | WarmupLinear | Cosine | Chained


def restarts(schedule: Schedule, step: int, total: int) -> bool:
    """Whether the optimiser forgets its moments before 0-based `step`: at the first of each round."""
    return isinstance(schedule, Chained) and step in schedule.starts(total)


def _groups(parameters: Parameters, decay: float) -> list[dict[str, Any]]:
    """What trains, in a group that is decayed (matrices) and one that is not; an empty group is left out."""
    trainable = [p for _, p in parameters if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _check(rate: float, betas: tuple[float, float], decay: float) -> None:
    if not 0 < rate <= FASTEST:
        raise InputError(f"the learning rate is {rate}", remedy="Give a number above 0, like 2e-5")
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise InputError(f"betas are {betas}", remedy="Give two numbers from 0 to below 1, like 0.9,0.999")
    if not 0 <= decay < math.inf:
        raise InputError(f"weight_decay is {decay}", remedy="Give a number from 0")


def _check_warmup(share: float) -> None:
    if not 0 <= share <= 1:
        raise InputError(f"warmup is {share}", remedy="Give a share of all updates, from 0 to 1")
