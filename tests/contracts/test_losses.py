"""What every loss keeps, and that ours are the library's where both exist."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from room_members import classes
from sentence_transformers.sentence_transformer.losses import (
    DistillKLDivLoss,
    MarginMSELoss,
    MultipleNegativesRankingLoss,
    TripletLoss,
)
from sentence_transformers.util import pairwise_cos_sim
from tiny_models import dense, sentences
from torch import Tensor

from strop.artifacts.keys import content_key
from strop.losses.contrastive import InfoNCE
from strop.losses.distillation import KLDivergence, MarginMSE
from strop.losses.listwise import RankNet
from strop.losses.nested import NestedLoss
from strop.losses.pairwise import PairwiseSoftmax
from strop.losses.pointwise import BinaryCrossEntropy
from strop.losses.protocol import Loss
from strop.losses.triplet import Triplet
from strop.models.dense import Dense
from strop.models.encoder import represent_rows
from strop.models.scoring import Cosine, Dot, Euclidean, Representation, Scoring
from strop.records.documents import Group
from strop.records.errors import InputError
from strop.training.batches import assemble

UNTAUGHT: dict[str, Loss] = {
    "InfoNCE": InfoNCE(),
    "InfoNCE, warm": InfoNCE(temperature=1.0),
    "InfoNCE, document": InfoNCE(temperature=1.0, direction="document"),
    "InfoNCE, both": InfoNCE(direction="both"),
    "Triplet": Triplet(),
    "Triplet, narrow": Triplet(margin=0.5),
    "PairwiseSoftmax": PairwiseSoftmax(),
    "BinaryCrossEntropy": BinaryCrossEntropy(),
    "NestedLoss": NestedLoss(InfoNCE()),
}
COPYING: dict[str, Loss] = {
    "MarginMSE": MarginMSE(),
    "MarginMSE, cosine": MarginMSE(temperature=0.05),
    "KLDivergence": KLDivergence(),
    "KLDivergence, two temperatures": KLDivergence(temperature=0.5, teacher_temperature=2.0),
}
TAUGHT = COPYING | {"RankNet": RankNet()}
LOSSES = UNTAUGHT | TAUGHT
WITH_CHANCE = {name: loss for name, loss in LOSSES.items() if loss.chance(6) is not None}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
every_untaught_loss = pytest.mark.parametrize("loss", UNTAUGHT.values(), ids=UNTAUGHT.keys())
every_copying_loss = pytest.mark.parametrize("loss", COPYING.values(), ids=COPYING.keys())
every_taught_loss = pytest.mark.parametrize("loss", TAUGHT.values(), ids=TAUGHT.keys())


def case(seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """Four queries, nine candidates; the first query has two positives, every row masks some candidates."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(4, 9, generator=generator, dtype=torch.float64).to(dtype)
    targets = torch.zeros(4, 9, dtype=torch.bool)
    targets[[0, 0, 1, 2, 3], [0, 1, 2, 3, 4]] = True
    mask = torch.rand(4, 9, generator=generator) < 0.3
    mask[:, 8], mask[:, 7] = False, True
    return scores, targets, mask & ~targets


def with_teacher(seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """The same scores and mask with a teacher's scores for targets: wide apart, and NaN for about a quarter."""
    scores, targets, mask = case(seed, dtype)
    generator = torch.Generator().manual_seed(seed + 100)
    teacher = 4 * torch.randn(4, 9, generator=generator) + 6 * targets
    unknown = torch.rand(4, 9, generator=generator) < 0.25
    return scores, teacher.masked_fill(unknown, float("nan")), mask


def of(loss: Loss, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, the targets that this loss takes, and the mask."""
    return with_teacher(dtype=dtype) if loss.taught else case(dtype=dtype)


def left_out(targets: Tensor, mask: Tensor) -> Tensor:
    return mask & ~targets if targets.dtype == torch.bool else mask | targets.isnan()


def test_every_loss_of_the_room_is_held_to_this_contract() -> None:
    assert classes("losses", "__call__", "diagnostics", "chance") == {type(loss) for loss in LOSSES.values()}


@every_loss
def test_a_loss_is_one_finite_float32_number_in_bfloat16_and_close_to_its_float32_value(loss: Loss) -> None:
    scores, targets, mask = of(loss, torch.bfloat16)
    scores.requires_grad_()
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
    scores, targets, mask = of(loss, torch.float64)
    assert torch.autograd.gradcheck(lambda s: loss(s, targets, mask), (scores.requires_grad_(),))


@every_untaught_loss
def test_the_loss_falls_as_any_positive_rises_and_rises_with_the_negatives(loss: Loss) -> None:
    scores, targets, mask = case()
    scores = torch.where(targets, scores - 1, scores)  # so that triplets with a narrow margin are active
    before = loss(scores, targets, mask)
    for row, column in targets.nonzero().tolist():
        raised = scores.clone()
        raised[row, column] += 0.1
        assert loss(raised, targets, mask) < before
    assert loss(torch.where(targets | mask, scores, scores + 3), targets, mask) > before


@every_copying_loss
def test_a_taught_loss_falls_all_the_way_to_its_teacher_s_scores_and_is_zero_there_whatever_a_row_is_shifted_by(
    loss: Loss,
) -> None:
    scores, teacher, mask = with_teacher()
    unlike = (getattr(loss, "temperature") / getattr(loss, "teacher_temperature", 1.0)) * teacher.nan_to_num()  # noqa: B009
    courses = [loss(torch.lerp(scores, unlike, share), teacher, mask).item() for share in (0.0, 0.3, 0.6, 0.9)]
    assert courses == sorted(courses, reverse=True)
    assert courses[0] > courses[-1] + 1e-3
    assert loss(unlike + torch.tensor([[3.0], [-1.0], [0.0], [9.0]]), teacher, mask).item() == pytest.approx(
        0, abs=1e-5
    )


@every_loss
def test_masked_candidates_get_zero_gradient_and_may_have_any_score(loss: Loss) -> None:
    scores, targets, mask = of(loss)
    scores.requires_grad_()
    value = loss(scores, targets, mask)
    value.backward()
    assert scores.grad is not None
    out = left_out(targets, mask)
    assert out.sum() >= 5
    assert (scores.grad[out] == 0).all()
    assert (scores.grad[~out] < 0).any()
    assert (scores.grad[~out] > 0).any()
    if not loss.taught:
        assert (scores.grad[targets] < 0).any()
        assert (scores.grad[targets] <= 0).all()
    for anything in (1e6, float("nan"), float("-inf")):
        changed = torch.where(out, anything, scores.detach())
        assert torch.equal(loss(changed, targets, mask), value)


@every_untaught_loss
def test_a_positive_counts_as_one_whether_the_mask_holds_it_or_not(loss: Loss) -> None:
    scores, targets, mask = case()
    assert torch.equal(loss(scores, targets, mask), loss(scores, targets, mask | targets))
    assert loss.diagnostics(scores, targets, mask) == loss.diagnostics(scores, targets, mask | targets)


@every_loss
def test_losses_are_values_and_their_diagnostics_are_plain_numbers(loss: Loss) -> None:
    assert hash(loss) == hash(type(loss)(*(getattr(loss, f) for f in loss.__slots__)))  # type: ignore[attr-defined]
    found = loss.diagnostics(*of(loss))
    assert "score_spread" in found
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize("loss", WITH_CHANCE.values(), ids=WITH_CHANCE.keys())
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
    scores, targets, mask = of(loss, torch.bfloat16)
    squares, count = 0.0, 0
    for row, out in zip(scores.double(), left_out(targets, mask), strict=True):
        counted = row[~out]
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


@every_untaught_loss
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
    scored = LABELS.tolist()
    groups = [
        Group(f"q{i}", (f"p{i}",), (f"n{i}",), teacher=dict(zip((f"p{i}", f"n{i}"), scored[i], strict=True)))
        for i in range(n)
    ]
    batch = assemble(groups, in_batch)
    place = {f"q{i}": i for i in range(n)} | {f"p{i}": n + i for i in range(n)} | {f"n{i}": 2 * n + i for i in range(n)}
    tokens = encoder.tokenize(texts, "document")
    rows = [tokens.row(i) for i in range(len(tokens))]
    queries = represent_rows(encoder, rows, np.array([place[q] for q in batch.query_ids]), "query")
    documents = represent_rows(encoder, rows, np.array([place[d] for d in batch.doc_ids]), "document")
    targets = batch.teacher if loss.taught else batch.targets
    assert targets is not None
    return loss(scoring(queries, documents), targets, batch.mask)


#: A teacher's scores of four queries' positives and negatives.
LABELS = torch.tensor([[9.0, -3.0], [2.5, 4.0], [0.0, 0.5], [7.0, 6.0]])
BOTH_WAYS = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
PEERS: dict[str, tuple[Loss, Scoring, bool, Callable[[Any], Any]]] = {
    "Triplet": (Triplet(5.0), Euclidean(), False, lambda model: TripletLoss(model, triplet_margin=5)),
    "InfoNCE": (InfoNCE(0.05), Cosine(), True, lambda model: MultipleNegativesRankingLoss(model, scale=20.0)),
    "InfoNCE, both": (
        InfoNCE(0.05, "both"),
        Cosine(),
        True,
        lambda model: MultipleNegativesRankingLoss(model, scale=20.0, **BOTH_WAYS),
    ),
    "MarginMSE": (MarginMSE(), Dot(), False, MarginMSELoss),
    "KLDivergence": (
        KLDivergence(1.0, 2.0),
        Cosine(),
        False,
        lambda model: DistillKLDivLoss(model, pairwise_cos_sim, student_temperature=1.0, teacher_temperature=2.0),
    ),
}


@pytest.mark.parametrize("name", PEERS)
def test_value_and_every_gradient_equal_sentence_transformers(name: str) -> None:
    loss, scoring, in_batch, peer = PEERS[name]
    encoder = dense(unit=False, dropout=0.0)
    encoder.module.train()
    texts, n = sentences(12, seed=5), 4
    columns = [texts[:n], texts[n : 2 * n], texts[2 * n :]]
    features = [encoder.model.preprocess(column) for column in columns]
    theirs = peer(encoder.model)(features, LABELS if loss.taught else torch.zeros(n))
    expected = gradients(encoder, theirs)
    mine = ours(encoder, loss, scoring, in_batch, texts, n)
    found = gradients(encoder, mine)
    # their pairwise_distance adds 1e-6 to every component before it takes the norm
    assert mine.item() == pytest.approx(theirs.item(), rel=2e-6)
    assert mine.item() > 0.1
    assert found.keys() == expected.keys()
    assert len(found) > 20
    largest = max(1.0, *(float(gradient.abs().max()) for gradient in expected.values()))  # sums differ by CPU
    for parameter in found:
        torch.testing.assert_close(found[parameter], expected[parameter], rtol=1e-4, atol=5e-6 * largest)
    assert max(float(g.abs().max()) for g in found.values()) > 1e-2


def test_the_distance_the_library_uses_differs_from_ours_by_its_epsilon_only() -> None:
    a, b = torch.zeros(1, 4, dtype=torch.float64), torch.ones(1, 4, dtype=torch.float64)
    theirs = F.pairwise_distance(a, b)
    assert theirs.item() == pytest.approx(2 * (1 - 1e-6), abs=1e-12)
    assert -Euclidean()(Representation(a), Representation(b)).item() == 2.0


def test_a_student_s_temperature_is_sentence_transformers_but_for_its_factor_of_temperature_squared() -> None:
    encoder = dense(unit=False, dropout=0.0)
    texts, n = sentences(12, seed=5), 4
    features = [encoder.model.preprocess(texts[i : i + n]) for i in (0, 4, 8)]
    peer = DistillKLDivLoss(encoder.model, pairwise_cos_sim, student_temperature=0.2, teacher_temperature=3.0)
    mine = ours(encoder, KLDivergence(0.2, 3.0), Cosine(), False, texts, n)
    assert 0.2**2 * mine.item() == pytest.approx(peer(features, LABELS).item(), rel=1e-5)


def test_documents_choose_among_the_queries_of_their_column_by_hand() -> None:
    scores = torch.tensor([[0.9, 0.2, 0.4], [0.5, 0.7, 9.0], [0.1, 0.3, 9.0]])
    targets = torch.tensor([[True, False, False], [False, True, False], [True, False, False]])
    mask = torch.tensor([[False, False, False], [False, False, False], [False, True, False]])
    zero = -math.log(math.exp(0.9) / (math.exp(0.9) + math.exp(0.5)))  # query 2 shares the positive and stays out
    one = -math.log(math.exp(0.7) / (math.exp(0.7) + math.exp(0.2)))  # for query 2 document 1 is masked
    two = -math.log(math.exp(0.1) / (math.exp(0.1) + math.exp(0.5)))
    loss = InfoNCE(1.0, "document")
    assert loss(scores, targets, mask).item() == pytest.approx((zero + one + two) / 3)
    found = loss.diagnostics(scores, targets, mask)
    assert found["other_queries"] == 1.0
    assert found["negatives"] == pytest.approx(5 / 3)
    assert found["positive_probability"] == pytest.approx(sum(math.exp(-x) for x in (zero, one, two)) / 3)
    both, query = InfoNCE(1.0, "both")(scores, targets, mask), InfoNCE(1.0)(scores, targets, mask)
    assert both.item() == pytest.approx((query.item() + (zero + one + two) / 3) / 2)


@pytest.mark.parametrize("loss", [InfoNCE(direction="document"), InfoNCE(direction="both")])
def test_documents_that_no_second_query_may_have_are_refused_instead_of_teaching_nothing(loss: InfoNCE) -> None:
    groups = [Group(f"q{i}", (f"p{i}",), (f"n{i}",)) for i in range(3)]
    batch = assemble(groups, in_batch=False)
    with pytest.raises(ValueError, match="no document of this batch has a second query"):
        loss(torch.zeros(3, 6), batch.targets, batch.mask)


def test_pairwise_softmax_by_hand_is_a_mean_over_triplets_of_own_negatives() -> None:
    groups = [Group("q0", ("p0",), ("n0", "m0")), Group("q1", ("p1",), ("n1",))]
    batch = assemble(groups, in_batch=False)
    assert batch.doc_ids == ("p0", "n0", "m0", "p1", "n1")
    scores = torch.tensor([[2.0, 1.0, 5.0, 90.0, 90.0], [90.0, 90.0, 90.0, -1.0, 0.5]])
    against = [(2.0, 1.0), (2.0, 5.0), (-1.0, 0.5)]
    chosen = [math.exp(p) / (math.exp(p) + math.exp(n)) for p, n in against]
    loss = PairwiseSoftmax()
    assert loss(scores, batch.targets, batch.mask).item() == pytest.approx(-sum(map(math.log, chosen)) / 3)
    found = loss.diagnostics(scores, batch.targets, batch.mask)
    assert found["negatives"] == 1.5
    assert found["positive_probability"] == pytest.approx(sum(chosen) / 3)
    with pytest.raises(ValueError, match="needs negatives"):
        loss(scores, batch.targets, torch.ones_like(batch.mask))


def test_margin_mse_is_a_mean_over_queries_of_a_plain_loop_over_pairs() -> None:
    scores, teacher, mask = with_teacher(dtype=torch.float64)
    known = ~(mask | teacher.isnan())
    assert len(set(known.sum(1).tolist())) > 1
    rows = []
    for row, taught, counted in zip(scores, teacher.double(), known, strict=True):
        places = counted.nonzero().flatten().tolist()
        pairs = [(i, j) for i in places for j in places if i < j]
        rows.append(np.mean([((row[i] - row[j]) / 0.5 - (taught[i] - taught[j])).item() ** 2 for i, j in pairs]))
    assert MarginMSE(0.5)(scores, teacher, mask).item() == pytest.approx(np.mean(rows), rel=1e-6)


def test_kl_is_the_plain_sum_over_known_candidates() -> None:
    scores, teacher, mask = with_teacher(dtype=torch.float64)
    rows = []
    for row, taught, counted in zip(scores, teacher.double(), ~(mask | teacher.isnan()), strict=True):
        q, p = (row[counted] / 0.5).softmax(0), (taught[counted] / 2).softmax(0)
        rows.append((p * (p / q).log()).sum().item())
    assert KLDivergence(0.5, 2.0)(scores, teacher, mask).item() == pytest.approx(np.mean(rows), rel=1e-6)


def test_binary_cross_entropy_by_hand_is_a_mean_over_positives_and_own_negatives() -> None:
    batch = assemble([Group("q0", ("p0", "p1"), ("n0",)), Group("q1", ("p2",), ("n1",))], in_batch=False)
    scores = torch.tensor([[2.0, -1.0, 0.5, 90.0, 90.0], [90.0, 90.0, 90.0, 0.0, -3.0]])
    right = [1 / (1 + math.exp(-s)) for s in (2.0, -1.0, 0.0)] + [1 - 1 / (1 + math.exp(-s)) for s in (0.5, -3.0)]
    assert BinaryCrossEntropy()(scores, batch.targets, batch.mask).item() == pytest.approx(-np.mean(np.log(right)))
    found = BinaryCrossEntropy().diagnostics(scores, batch.targets, batch.mask)
    assert found["positive_probability"] == pytest.approx(np.mean(right[:3]))
    assert found["negative_probability"] == pytest.approx(1 - np.mean(right[3:]))
    assert found["negatives"] == 1.0


def test_ranknet_is_a_plain_loop_over_the_pairs_the_teacher_orders() -> None:
    scores, teacher, mask = with_teacher(dtype=torch.float64)
    teacher[0, :3] = 1.0  # ties, which count nowhere
    pairs = [
        math.log1p(math.exp(scores[q, low] - scores[q, high]))
        for q in range(4)
        for high in range(9)
        for low in range(9)
        if not mask[q, high] and not mask[q, low] and teacher[q, high] > teacher[q, low]
    ]
    assert len(pairs) > 20
    assert RankNet()(scores, teacher, mask).item() == pytest.approx(np.mean(pairs), rel=1e-6)
    with pytest.raises(ValueError, match="no two candidates of a query of this batch unequally"):
        RankNet()(scores, torch.ones_like(teacher), mask)


def test_ranknet_of_positives_and_negatives_is_pairwise_softmax_and_listnet_is_infonce_or_kl() -> None:
    scores, targets, mask = case()
    grades = targets.float()
    assert RankNet()(scores, grades, mask).item() == pytest.approx(PairwiseSoftmax()(scores, targets, mask).item())
    single, out = targets[1:], mask[1:]
    surprise = F.cross_entropy(scores[1:].masked_fill(out, -torch.inf), single.float().argmax(1))
    assert InfoNCE(1.0)(scores[1:], single, out).item() == pytest.approx(surprise.item())
    teacher = 4 * torch.randn(4, 9, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros_like(mask)
    course = scores.clone().requires_grad_()
    (listnet,) = torch.autograd.grad(F.cross_entropy(course, teacher.softmax(1)), course)
    (kl,) = torch.autograd.grad(KLDivergence()(course, teacher, nothing), course)
    torch.testing.assert_close(kl, listnet)


def test_losses_over_pairs_equal_the_cross_encoder_losses_of_sentence_transformers() -> None:
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss, ListNetLoss, RankNetLoss
    from tiny_rerankers import reranker

    model = reranker().model
    queries, lists = sentences(3, seed=1, longest=6), [sentences(4, seed=k + 2) for k in range(3)]
    labels = [torch.tensor(row) for row in ([3.0, 1.0, 0.0, 0.5], [0.0, 2.0, 5.0, 1.0], [1.0, 1.0, 0.0, -2.0])]
    pairs = [(q, d) for q, documents in zip(queries, lists, strict=True) for d in documents]
    with torch.no_grad():
        scores = model(model.preprocess(pairs))["scores"].view(3, 4)
        teacher, nothing = torch.stack(labels), torch.zeros(3, 4, dtype=torch.bool)
        ranked = RankNetLoss(model)((queries, lists), labels)
        assert RankNet()(scores, teacher, nothing).item() == pytest.approx(ranked.item() * math.log(2), rel=1e-5)
        entropy = -(teacher.softmax(1) * teacher.log_softmax(1)).sum(1).mean().item()
        listed = ListNetLoss(model)((queries, lists), labels)
        assert KLDivergence()(scores, teacher, nothing).item() == pytest.approx(listed.item() - entropy, rel=1e-4)
        wanted = teacher > 1.5
        columns = [[q for q, _ in pairs], [d for _, d in pairs]]
        judged = BinaryCrossEntropyLoss(model)(columns, wanted.flatten().float())
        assert BinaryCrossEntropy()(scores, wanted, nothing).item() == pytest.approx(judged.item(), rel=1e-5)


@every_taught_loss
def test_a_query_with_fewer_than_two_known_candidates_changes_nothing_and_a_batch_of_them_says_so(loss: Loss) -> None:
    scores, teacher, mask = with_teacher()
    kept = slice(0, 2)
    alone = loss(scores[kept], teacher[kept], mask[kept])
    teacher[2, 1:], teacher[3] = float("nan"), float("nan")
    teacher[2, 0], mask[2, 0] = 1.0, False
    scores.requires_grad_()
    value = loss(scores, teacher, mask)
    value.backward()
    assert value.item() == pytest.approx(alone.item())
    assert scores.grad is not None
    assert (scores.grad[2:] == 0).all()
    scores = scores.detach()
    assert loss.diagnostics(scores, teacher, mask) == loss.diagnostics(scores[kept], teacher[kept], mask[kept])
    for call in (loss, loss.diagnostics):
        with pytest.raises(ValueError, match="no query of this batch has two candidates it scored"):
            call(scores[2:], teacher[2:], mask[2:])


def test_agreement_with_the_teacher_is_its_share_of_pairs_and_a_tie_counts_half() -> None:
    teacher = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, float("nan")]])
    mask = torch.zeros(2, 3, dtype=torch.bool)
    found = MarginMSE().diagnostics(torch.tensor([[30.0, 10.0, 20.0], [5.0, 5.0, 9.0]]), teacher, mask)
    assert found["pair_agreement"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["taught_candidates"] == 2.5
    assert found["teacher_spread"] == pytest.approx(math.sqrt(sum([1, 0, 1, 1 / 4, 1 / 4]) / 5))
    assert found["score_spread"] == pytest.approx(math.sqrt((100 + 100) / 5))
    same = KLDivergence().diagnostics(teacher.nan_to_num() - 7, teacher, mask)
    assert same["pair_agreement"] == 1.0
    assert same["score_spread"] == pytest.approx(same["teacher_spread"])
    assert MarginMSE().diagnostics(-teacher.nan_to_num(), teacher, mask)["pair_agreement"] == 0.0


def test_only_the_losses_of_a_teacher_are_taught_and_no_value_holds_it() -> None:
    assert not any(loss.taught for loss in UNTAUGHT.values())
    assert all(loss.taught for loss in TAUGHT.values())
    assert repr(KLDivergence(0.05)) == "KLDivergence(temperature=0.05, teacher_temperature=1.0)"


def test_what_was_trained_before_losses_had_a_direction_keeps_its_key() -> None:
    assert content_key(InfoNCE(0.05)) == "f416504c503a849302575b0b69de0a0cfef685fb49ef035fe456bdc6b6c502bc"
    assert content_key(InfoNCE(0.05, "both")) != content_key(InfoNCE(0.05, "document")) != content_key(InfoNCE(0.05))


@pytest.mark.parametrize(
    "make",
    [
        lambda: InfoNCE(0.0),
        lambda: InfoNCE(direction="neither"),  # type: ignore[arg-type]
        lambda: MarginMSE(0.0),
        lambda: KLDivergence(-1.0),
        lambda: KLDivergence(1.0, float("nan")),
        lambda: KLDivergence(1.0, float("inf")),
    ],
)
def test_a_hyperparameter_that_cannot_be_is_refused_with_what_could(make: Callable[[], Loss]) -> None:
    with pytest.raises(InputError, match="Give "):
        make()


def test_at_equal_scores_the_losses_of_a_teacher_are_what_its_own_scores_make_them() -> None:
    _, teacher, mask = with_teacher()
    known = ~(mask | teacher.isnan())
    rows = [row[counted].double() for row, counted in zip(teacher, known, strict=True)]
    margins = [np.mean([(a - b).item() ** 2 for i, a in enumerate(row) for b in row[:i]]) for row in rows]
    gaps = [math.log(len(row)) + (row.softmax(0) * row.log_softmax(0)).sum().item() for row in rows]
    equal = torch.full_like(teacher, 0.3)
    assert MarginMSE()(equal, teacher, mask).item() == pytest.approx(np.mean(margins), rel=1e-5)
    assert KLDivergence()(equal, teacher, mask).item() == pytest.approx(np.mean(gaps), rel=1e-5)


def test_triplet_with_euclidean_scores_is_the_hinge_of_distances() -> None:
    queries, documents = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(2)).double()
    distance = torch.cdist(queries, documents)
    expected = [max(0.0, (distance[q, q] - distance[q, n] + 0.5).item()) for q in range(4) for n in range(4) if n != q]
    scores = Euclidean()(Representation(queries), Representation(documents))
    targets = torch.eye(4, dtype=torch.bool)
    assert Triplet(0.5)(scores, targets, targets).item() == pytest.approx(np.mean(expected), rel=1e-6)
