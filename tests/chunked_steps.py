"""One training step of a tiny model: its loss and gradients, cut into pieces or as one plain batch."""

from __future__ import annotations

from functools import partial

import numpy as np
from tiny_models import sentences
from torch import Tensor

from strop.losses.contrastive import InfoNCE
from strop.losses.protocol import Loss
from strop.losses.triplet import Triplet
from strop.models.dense import Dense
from strop.models.encoder import represent_rows
from strop.models.scoring import Cosine, Euclidean, Representation, Scoring
from strop.models.tokens import Ints, cut
from strop.records.documents import Group
from strop.training import step as chunks
from strop.training.batches import assemble

N = 7
SETTINGS: dict[str, tuple[Loss, Scoring, bool]] = {
    "Triplet, Euclidean": (Triplet(5.0), Euclidean(), False),
    "InfoNCE, cosine": (InfoNCE(0.05), Cosine(), True),
}
TEXTS = sentences(3 * N, seed=4)
WHOLE = [np.arange(3 * N)]


def loss_of(name: str, texts: Representation) -> Tensor:
    loss, scoring, in_batch = SETTINGS[name]
    batch = assemble([Group(f"q{i}", (f"p{i}",), (f"n{i}",)) for i in range(N)], in_batch)
    return loss(scoring(texts[:N], texts[N:]), batch.targets, batch.mask)


def step(encoder: Dense, name: str, pieces: list[Ints], recompute: bool = False) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of one step cut so."""
    tokens = encoder.tokenize(TEXTS, "document")
    rows = [tokens.row(i) for i in range(len(tokens))]
    encoder.module.zero_grad()
    represent = partial(represent_rows, encoder, rows, role="document")
    loss = chunks.gradient(represent, pieces, partial(loss_of, name), recompute)
    return loss, {n: p.grad.clone() for n, p in encoder.module.named_parameters() if p.grad is not None}


def plain(encoder: Dense, name: str) -> tuple[float, dict[str, Tensor]]:
    """The same without chunks: one padded forward, one backward."""
    tokens = encoder.tokenize(TEXTS, "document")
    rows = [tokens.row(i) for i in range(len(tokens))]
    encoder.module.zero_grad()
    loss = loss_of(name, represent_rows(encoder, rows, WHOLE[0], "document"))
    loss.backward()
    return loss.item(), {n: p.grad.clone() for n, p in encoder.module.named_parameters() if p.grad is not None}


def pieces(encoder: Dense, budget: int) -> list[Ints]:
    return cut(encoder.tokenize(TEXTS, "document").lengths, budget)
