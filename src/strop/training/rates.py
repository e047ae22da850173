"""Rates: how many tokens a second a model encodes here, and takes through a training step, measured just now."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from torch import Tensor

from strop.models.adapters import LoRA, attention_targets
from strop.models.encoder import Encoder, represent_rows
from strop.models.loading import load
from strop.models.precision import Precision, forward_in
from strop.models.pretrained import Pretrained
from strop.models.scoring import Representation
from strop.models.tokens import cut
from strop.retrieval.encode import represented
from strop.training.step import gradient

#: Texts of the step that is measured, and its padded tokens per chunk.
STEP, BUDGET = 96, 4096


def seconds_of(work: Callable[[], object]) -> float:
    """What a call takes after a warm-up."""
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def encoding_rate(encoder: Encoder, texts: Sequence[str], precision: Precision = "float32") -> float:
    """Tokens of documents encoded per second; tokenizing them takes a few percent of that, and once."""
    tokens = encoder.tokenize(texts, "document")
    return int(tokens.offsets[-1]) / seconds_of(lambda: represented(encoder, tokens, "document", precision))


def training_rate(
    base: Pretrained, texts: Sequence[str], length: int | None, lora: bool, precision: Precision = "float32"
) -> float:
    """Tokens of documents per second through a training step of at most 96 of the texts, forward and backward, of the
    base at this length (None: its own), all of it or with low-rank adapters."""
    encoder = load(base.path, length)
    if lora:
        LoRA(targets=attention_targets(encoder)).prepare(encoder, 0)
    encoder.module.train()
    tokens = encoder.tokenize(texts[:STEP], "document")
    rows, pieces = [tokens.row(i) for i in range(len(tokens))], cut(tokens.lengths, BUDGET)

    def step() -> None:
        with forward_in(precision, encoder.device):
            gradient(lambda positions: represent_rows(encoder, rows, positions, "document"), pieces, _norm)

    return int(tokens.offsets[-1]) / seconds_of(step)


def _norm(texts: Representation) -> Tensor:
    return texts.vectors.float().square().mean()
