"""Looking at a model while it trains, and leaving no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from strop.models.encoder import Encoder
from strop.models.pair_scorer import PairScorer


@contextmanager
def observing(encoder: Encoder | PairScorer) -> Iterator[None]:
    """Eval mode, no gradients, and a forked random state: whatever happens inside leaves the run as it was."""
    was_training = encoder.module.training
    encoder.module.eval()
    with torch.random.fork_rng(), torch.inference_mode():
        yield
    encoder.module.train(was_training)
