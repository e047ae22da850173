"""Training so that the first numbers of a vector serve as a vector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import RECIPE, dense, late, toy_groups, toy_texts
from torch import Tensor
from torch.nn.functional import normalize

from strop.losses.contrastive import InfoNCE
from strop.losses.nested import NestedLoss
from strop.losses.protocol import Loss
from strop.losses.triplet import Triplet
from strop.models.scoring import Cosine, Nested, Scoring
from strop.records.errors import InputError
from strop.retrieval.encode import represented
from strop.training.batches import Batching
from strop.training.loop import train
from strop.training.recipes import Recipe

IN_BATCH = replace(RECIPE, scoring=Cosine(), loss=InfoNCE(0.05), batching=Batching(6, in_batch=True), updates=20)
NESTED = replace(IN_BATCH, scoring=Nested((4, 8)), loss=NestedLoss(InfoNCE(0.05)))


def case() -> tuple[Tensor, Tensor, Tensor]:
    """Three parts of four queries."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[0, 5] = True
    return torch.randn(12, 6, generator=generator), torch.eye(4, 6, dtype=torch.bool), mask


@pytest.mark.parametrize("each", [InfoNCE(1.0), InfoNCE(1.0, "document"), InfoNCE(1.0, "both"), Triplet()])
def test_the_loss_is_the_mean_of_its_parts(each: Loss) -> None:
    """Also where documents choose among queries: those of another part are not among them."""
    scores, targets, mask = case()
    expected = torch.stack([each(scores[i : i + 4], targets, mask) for i in (0, 4, 8)])
    assert NestedLoss(each)(scores, targets, mask) == pytest.approx(expected.mean().item())
    found = NestedLoss(each).diagnostics(scores, targets, mask)
    assert found.pop("shortest_loss") == pytest.approx(expected[2].item())
    assert found == each.diagnostics(scores[:4], targets, mask)
    with pytest.raises(ValueError, match="11 rows of scores are no multiple of 4"):
        NestedLoss(each)(scores[:11], targets, mask)


def test_short_vectors_get_better_than_without(tmp_path: Path) -> None:
    def first_four(recipe: Recipe) -> float:
        """The loss of the toy queries and documents by their first four numbers."""
        encoder = dense(dropout=0.0)
        texts = toy_texts(encoder)
        train(encoder, recipe, toy_groups(), *texts, 3, tmp_path / type(recipe.loss).__name__)
        sides = [represented(encoder, t.tokens, r).vectors for t, r in zip(texts, ("query", "document"), strict=True)]
        queries, documents = (normalize(side[:, :4], dim=1) for side in sides)
        targets = torch.eye(20, dtype=torch.bool)
        return float(InfoNCE(0.05)(queries @ documents.T, targets, torch.zeros_like(targets)))

    assert first_four(NESTED) < 0.9 * first_four(IN_BATCH)


def test_the_log_has_what_it_had_and_the_shortest_part_s_loss(tmp_path: Path) -> None:
    encoder = dense()
    log = train(encoder, replace(NESTED, updates=2), toy_groups(), *toy_texts(encoder), 3, tmp_path)
    assert {"loss", "shortest_loss", "positive_probability", "negatives"} <= {entry.measure for entry in log}
    other, wide = late(), replace(NESTED, scoring=Nested((64,)))
    with pytest.raises(InputError, match="of vectors of 32"):
        train(encoder, wide, toy_groups(), *toy_texts(encoder), 3, tmp_path / "wide")
    with pytest.raises(InputError, match="the model is scored by"):
        train(other, NESTED, toy_groups(), *toy_texts(other), 3, tmp_path / "late")


def test_a_loss_that_does_not_know_of_parts_is_an_input_error() -> None:
    scoring: Scoring = Nested((4,))
    with pytest.raises(InputError, match="the loss does not know"):
        replace(IN_BATCH, scoring=scoring)
    assert NestedLoss(InfoNCE(0.05)).chance(7) == InfoNCE(0.05).chance(7)
