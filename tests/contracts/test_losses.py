"""What every loss keeps, and that ours are the library's where both exist."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss, TripletLoss
from tiny_models import dense, sentences
from torch import Tensor

from strop.batches import assemble
from strop.losses.contrastive import InfoNCE
from strop.losses.protocol import Loss
from strop.losses.triplet import Triplet
from strop.models.dense import Dense
from strop.models.encoder import represent_rows
from strop.nouns import Group
from strop.scoring import Cosine, Euclidean, Representation, Scoring

LOSSES: dict[str, Loss] = {
    "InfoNCE": InfoNCE(),
    "InfoNCE, warm": InfoNCE(temperature=1.0),
    "Triplet": Triplet(),
    "Triplet, narrow": Triplet(margin=0.5),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def case(seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """Four queries, nine candidates; the first query has two positives, every row masks some candidates."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(4, 9, generator=generator, dtype=torch.float64).to(dtype)
    targets = torch.zeros(4, 9, dtype=torch.bool)
    targets[[0, 0, 1, 2, 3], [0, 1, 2, 3, 4]] = True
    mask = torch.rand(4, 9, generator=generator) < 0.3
    mask[:, 8], mask[:, 7] = False, True
    return scores, targets, mask | targets  # assembled batches mark positives in the mask as well


def left_out(targets: Tensor, mask: Tensor) -> Tensor:
    return mask & ~targets


@every_loss
def test_a_loss_is_one_finite_float32_number_in_bfloat16_and_close_to_its_float32_value(loss: Loss) -> None:
    scores, targets, mask = case()
    scores = scores.bfloat16().requires_grad_()
    value = loss(scores, targets, mask)
    value.backward()
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()
    assert value.item() == pytest.approx(loss(scores.detach().float(), targets, mask).item(), rel=1e-6)
    huge = loss((1e4 * scores.detach()), targets, mask)
    assert torch.isfinite(huge)


@every_loss
def test_the_gradient_is_the_numerical_one_in_float64(loss: Loss) -> None:
    scores, targets, mask = case(dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: loss(s, targets, mask), (scores.requires_grad_(),))


@every_loss
def test_the_loss_falls_as_any_positive_rises_and_rises_with_a_negative(loss: Loss) -> None:
    scores, targets, mask = case()
    scores = torch.where(targets, scores - 1, scores)  # so that triplets with a narrow margin are active
    before = loss(scores, targets, mask)
    for row, column in targets.nonzero().tolist():
        raised = scores.clone()
        raised[row, column] += 0.1
        assert loss(raised, targets, mask) < before
    raised = scores.clone()
    raised[:, 8] += 3
    assert loss(raised, targets, mask) > before


@every_loss
def test_masked_candidates_get_zero_gradient_and_may_have_any_score(loss: Loss) -> None:
    scores, targets, mask = case()
    scores.requires_grad_()
    value = loss(scores, targets, mask)
    value.backward()
    assert scores.grad is not None
    out = left_out(targets, mask)
    assert out.sum() >= 5
    assert (scores.grad[out] == 0).all()
    assert (scores.grad[targets] < 0).any()
    assert (scores.grad[~out & ~targets] > 0).any()
    changed = torch.where(out, 1e6, scores.detach())
    assert torch.equal(loss(changed, targets, mask), value)


@every_loss
def test_a_positive_counts_as_one_whether_the_mask_holds_it_or_not(loss: Loss) -> None:
    scores, targets, mask = case()
    assert torch.equal(loss(scores, targets, mask), loss(scores, targets, left_out(targets, mask)))
    assert loss.diagnostics(scores, targets, mask) == loss.diagnostics(scores, targets, left_out(targets, mask))


@every_loss
def test_losses_are_values_and_their_diagnostics_are_plain_numbers(loss: Loss) -> None:
    assert hash(loss) == hash(type(loss)(*(getattr(loss, f) for f in loss.__slots__)))  # type: ignore[attr-defined]
    found = loss.diagnostics(*case())
    assert found
    assert all(type(value) is float for value in found.values())


@every_loss
def test_chance_is_the_loss_at_equal_scores_and_their_spread_is_exactly_zero(loss: Loss) -> None:
    targets = torch.zeros(3, 7, dtype=torch.bool)
    targets[:, 2] = True
    mask = torch.zeros_like(targets)
    mask[:, 6] = True
    scores = torch.tensor([[0.1], [-7.3], [25.0]]).expand(3, 7).clone()  # queries differ, their candidates do not
    assert loss(scores, targets, mask).item() == pytest.approx(loss.chance(6), rel=1e-5)
    assert loss.diagnostics(scores, targets, mask)["score_spread"] == 0.0
    scores[:, 6] = float("nan")  # masked
    assert loss.diagnostics(scores, targets, mask)["score_spread"] == 0.0


@every_loss
def test_the_spread_of_scores_is_the_plain_standard_deviation_about_each_query_s_mean(loss: Loss) -> None:
    scores, targets, mask = case(dtype=torch.bfloat16)
    squares, count = 0.0, 0
    for row, wanted, out in zip(scores.double(), targets, left_out(targets, mask), strict=True):
        counted = row[wanted | ~out]
        squares += float((counted - counted.mean()).square().sum())
        count += len(counted)
    assert count < scores.numel()
    assert loss.diagnostics(scores, targets, mask)["score_spread"] == pytest.approx(
        math.sqrt(squares / count), rel=1e-5
    )


def test_infonce_by_hand_with_two_positives_and_a_masked_candidate() -> None:
    scores = torch.tensor([[0.9, 0.8, 0.1, 0.3]])
    targets = torch.tensor([[True, True, False, False]])
    mask = torch.tensor([[True, True, False, True]])
    first = -math.log(math.exp(1.8) / (math.exp(1.8) + math.exp(0.2)))  # neither the sibling nor the masked one counts
    second = -math.log(math.exp(1.6) / (math.exp(1.6) + math.exp(0.2)))
    assert InfoNCE(0.5)(scores, targets, mask).item() == pytest.approx((first + second) / 2)
    found = InfoNCE(0.5).diagnostics(scores, targets, mask)
    assert found["negatives"] == 1.0
    assert found["positive_probability"] == pytest.approx((math.exp(-first) + math.exp(-second)) / 2)
    assert found["score_spread"] == pytest.approx(float(np.std([0.9, 0.8, 0.1])))


def test_triplet_by_hand_is_a_mean_over_all_triplets_and_counts_the_active_ones() -> None:
    scores = torch.tensor([[-1.0, -2.0, -9.0, -3.0], [-4.0, -1.0, -2.0, -8.0]])
    targets = torch.tensor([[True, False, False, False], [False, True, False, False]])
    mask = torch.tensor([[False, False, False, True], [True, False, False, False]])
    violations = [5 + 1 - 2, 5 + 1 - 9, 5 + 1 - 2, 5 + 1 - 8]  # query 0: docs 1 and 2; query 1: docs 2 and 3
    assert Triplet(5.0)(scores, targets, mask).item() == pytest.approx(sum(max(0, v) for v in violations) / 4)
    found = Triplet(5.0).diagnostics(scores, targets, mask)
    assert found["active_share"] == 0.5
    assert found["score_spread"] == pytest.approx(math.sqrt((np.var([-1, -2, -9]) + np.var([-1, -2, -8])) / 2))


def test_a_triplet_loss_without_any_negative_says_so_instead_of_being_nan() -> None:
    scores, targets, mask = case()
    with pytest.raises(ValueError, match="needs negatives"):
        Triplet()(scores, targets, torch.ones_like(mask))


@every_loss
def test_sibling_positives_and_shared_documents_change_nothing_by_their_scores(loss: Loss) -> None:
    groups = [
        Group("q1", ("p1",), ("n1",), relevant=frozenset({"p1", "p2"})),
        Group("q1", ("p2",), ("n2",), relevant=frozenset({"p1", "p2"})),
        Group("q2", ("p3",), ("p2",), relevant=frozenset({"p3", "n1"})),  # p2 is its negative, n1 its own positive
    ]
    batch = assemble(groups, in_batch=True)
    column = batch.doc_ids.index
    scores = torch.randn(3, len(batch.doc_ids), generator=torch.Generator().manual_seed(1), requires_grad=True)
    value = loss(scores, batch.targets, batch.mask)
    value.backward()
    siblings = [(0, column("p2")), (1, column("p1")), (2, column("n1"))]
    for row, col in siblings:
        changed = scores.detach().clone()
        changed[row, col] += 100
        assert torch.equal(loss(changed, batch.targets, batch.mask), value)
        assert scores.grad is not None
        assert scores.grad[row, col] == 0
    changed = scores.detach().clone()
    changed[2, column("p2")] += 100
    assert loss(changed, batch.targets, batch.mask) > value  # a positive of another query is a negative of this one


def gradients(encoder: Dense, value: Tensor) -> dict[str, Tensor]:
    encoder.module.zero_grad()
    value.backward()
    return {n: p.grad.clone() for n, p in encoder.module.named_parameters() if p.grad is not None}


def ours(encoder: Dense, loss: Loss, scoring: Scoring, in_batch: bool, texts: list[str], n: int) -> Tensor:
    groups = [Group(f"q{i}", (f"p{i}",), (f"n{i}",)) for i in range(n)]
    batch = assemble(groups, in_batch)
    place = {f"q{i}": i for i in range(n)} | {f"p{i}": n + i for i in range(n)} | {f"n{i}": 2 * n + i for i in range(n)}
    tokens = encoder.tokenize(texts, "document")
    rows = [tokens.row(i) for i in range(len(tokens))]
    queries = represent_rows(encoder, rows, np.array([place[q] for q in batch.query_ids]))
    documents = represent_rows(encoder, rows, np.array([place[d] for d in batch.doc_ids]))
    return loss(scoring(Representation(queries), Representation(documents)), batch.targets, batch.mask)


PEERS = {
    "Triplet": (Triplet(5.0), Euclidean(), False, lambda model: TripletLoss(model, triplet_margin=5)),
    "InfoNCE": (InfoNCE(0.05), Cosine(), True, lambda model: MultipleNegativesRankingLoss(model, scale=20.0)),
}


@pytest.mark.parametrize("name", PEERS)
def test_value_and_every_gradient_equal_sentence_transformers(name: str) -> None:
    loss, scoring, in_batch, peer = PEERS[name]
    encoder = dense(unit=False, dropout=0.0)
    encoder.module.train()
    texts, n = sentences(12, seed=5), 4
    columns = [texts[:n], texts[n : 2 * n], texts[2 * n :]]
    features = [encoder.model.preprocess(column) for column in columns]
    theirs = peer(encoder.model)(features, torch.zeros(n))
    expected = gradients(encoder, theirs)
    mine = ours(encoder, loss, scoring, in_batch, texts, n)
    found = gradients(encoder, mine)
    # their pairwise_distance adds 1e-6 to every component before it takes the norm
    assert mine.item() == pytest.approx(theirs.item(), rel=2e-6)
    assert mine.item() > 0.1
    assert found.keys() == expected.keys()
    assert len(found) > 20
    for parameter in found:
        torch.testing.assert_close(found[parameter], expected[parameter], rtol=1e-4, atol=2e-6)
    assert max(float(g.abs().max()) for g in found.values()) > 1e-2


def test_the_distance_the_library_uses_differs_from_ours_by_its_epsilon_only() -> None:
    a, b = torch.zeros(1, 4, dtype=torch.float64), torch.ones(1, 4, dtype=torch.float64)
    theirs = F.pairwise_distance(a, b)
    assert theirs.item() == pytest.approx(2 * (1 - 1e-6), abs=1e-12)
    assert -Euclidean()(Representation(a), Representation(b)).item() == 2.0
