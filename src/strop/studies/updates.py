"""Optimiser updates of a training, and the batches that a number of updates leaves possible."""

from __future__ import annotations

import math


def updates(examples: int, epochs: int, batch: int) -> int:
    """Of so many examples and epochs, the last batch of an epoch short."""
    return epochs * math.ceil(examples / batch)


def implied_batches(per_epoch: int, examples: int) -> list[tuple[int, str]]:
    """(batch, what became of the ragged last one) that give so many updates per epoch over so many examples."""
    around = range(examples // (per_epoch + 2), examples // max(1, per_epoch - 1) + 2)
    kept = [(b, "kept") for b in around if math.ceil(examples / b) == per_epoch]
    return kept + [(b, "left out") for b in around if examples // b == per_epoch]
