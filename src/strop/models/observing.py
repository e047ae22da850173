"""Looking at a model while it trains, and leaving no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from strop.models.encoder import Model


@contextmanager
def observing(model: Model) -> Iterator[None]:
    """Eval mode, no gradients, and a forked random state: whatever happens inside leaves the run as it was."""
    was_training = model.module.training
    model.module.eval()
    with torch.random.fork_rng(), torch.inference_mode():
        yield
    model.module.train(was_training)
