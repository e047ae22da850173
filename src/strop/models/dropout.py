"""Dropout on a processor, where torch's draws take longer than what they drop: four of them from one of its numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Dropout):
    """As `nn.Dropout`, its rate met to 2**-17, and what is left scaled by the rate that was met."""

    def forward(self, given: Tensor) -> Tensor:
        if not (self.training and 0 < self.p < 1) or given.device.type != "cpu":
            return super().forward(given)
        kept, share = drawn(given.shape, self.p)
        return given * kept.to(given.dtype).div_(share)


def draw_faster(module: nn.Module) -> None:
    """Put `Dropout` in the place of every `nn.Dropout` inside; neither has weights."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, Dropout(child.p).train(child.training))


def drawn(shape: torch.Size, rate: float) -> tuple[Tensor, float]:
    """What is kept, bool, and the exact share that is expected to be: a draw takes 16 bits of the generator's 64."""
    count, steps = shape.numel(), round(rate * 2**16)
    bits = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    return (bits.view(torch.int16)[:count] >= steps - 2**15).view(shape), 1 - steps / 2**16
