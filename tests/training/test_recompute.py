"""A step that represents every chunk twice: the same loss, gradients and random numbers as one that keeps graphs."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from chunked_steps import SETTINGS, TEXTS, N, loss_of, pieces, plain, step
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
from tiny_models import dense
from torch import Tensor

from strop.models.dense import Dense
from strop.models.encoder import represent_rows
from strop.models.scoring import Representation
from strop.models.tokens import Ints
from strop.training import step as chunks


def one(encoder: Dense, name: str, recompute: bool, bfloat16: bool = False) -> tuple[float, dict[str, Tensor], Tensor]:
    """Loss, gradients, and the random state after the step."""
    encoder.module.train()
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        loss, gradients = step(encoder, name, pieces(encoder, 60), recompute)
    return loss, gradients, torch.get_rng_state()


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_with_dropout_value_gradients_and_random_state_are_bit_by_bit_those_of_kept_graphs(
    name: str, bfloat16: bool
) -> None:
    encoder = dense(dropout=0.1)
    kept, again = one(encoder, name, False, bfloat16), one(encoder, name, True, bfloat16)
    assert again[0] == kept[0]
    assert again[1].keys() == kept[1].keys()
    assert all(torch.equal(again[1][n], kept[1][n]) for n in kept[1])
    assert torch.equal(again[2], kept[2])
    assert one(dense(dropout=0.0), name, True, bfloat16)[0] != kept[0], "and dropout was on"


@pytest.mark.parametrize("name", SETTINGS)
def test_without_dropout_it_is_one_plain_batch(name: str) -> None:
    encoder = dense(dropout=0.0)
    encoder.module.double()
    loss, found, _ = one(encoder, name, True)
    expected, wanted = plain(encoder, name)
    assert loss == pytest.approx(expected, rel=1e-12)
    assert found.keys() == wanted.keys()
    for n, gradient in found.items():
        torch.testing.assert_close(gradient, wanted[n], rtol=1e-9, atol=1e-12)


def test_it_is_the_cached_loss_of_sentence_transformers() -> None:
    encoder = dense(dropout=0.0)
    loss, found, _ = one(encoder, "InfoNCE, cosine", True)
    encoder.module.zero_grad()
    # The documents of a batch are p0, n0, p1, n1, …: the texts after the queries.
    columns = TEXTS[:N], TEXTS[N::2], TEXTS[N + 1 :: 2]
    features = [encoder.model.preprocess(column) for column in columns]
    theirs = CachedMultipleNegativesRankingLoss(encoder.model, scale=20.0, mini_batch_size=3)(features, None)
    theirs.backward()
    wanted = {n: p.grad for n, p in encoder.module.named_parameters() if p.grad is not None}
    assert loss == pytest.approx(theirs.item(), rel=1e-5)
    assert found.keys() == wanted.keys()
    size = sum(float(g.norm()) ** 2 for g in wanted.values()) ** 0.5
    assert size > 0.1
    for n, gradient in found.items():
        assert (gradient - wanted[n]).norm() <= 1e-5 * size


def test_no_more_than_one_chunk_has_a_graph_at_a_time() -> None:
    encoder = dense()
    tokens = encoder.tokenize(TEXTS, "document")
    rows = [tokens.row(i) for i in range(len(tokens))]
    alive, most, passes = 0, 0, 0

    def represent(positions: Ints) -> Representation:
        nonlocal alive, most, passes
        found = represent_rows(encoder, rows, positions, "document")
        passes += 1
        if found.vectors.requires_grad:
            alive += 1
            most = max(most, alive)
            found.vectors.register_hook(freed)
        return found

    def freed(_: Tensor) -> None:
        nonlocal alive
        alive -= 1

    cuts = pieces(encoder, 60)
    for recompute, expected in ((False, len(cuts)), (True, 1)):
        most = passes = 0
        chunks.gradient(represent, cuts, partial(loss_of, "InfoNCE, cosine"), recompute)
        assert (alive, most, passes) == (0, expected, len(cuts) * (1 + recompute))
    assert len(cuts) > 2
