"""The one loop over a model that reads pairs: the same gradient, resumed bit by bit, with a head that LoRA trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import RECIPE, WORDS, dense, sentences, toy_groups
from tiny_rerankers import KINDS, TARGETS, plain, reranker
from torch import Tensor

from strop.losses.contrastive import InfoNCE
from strop.losses.distillation import MarginMSE
from strop.losses.pointwise import BinaryCrossEntropy
from strop.models.adapters import Full, LoRA, export
from strop.models.cross_encoder import Reranker
from strop.models.pair_scorer import PairScorer, score_pairs
from strop.models.scoring import Cosine, Joint
from strop.records.documents import Group
from strop.records.errors import InputError
from strop.training import checkpoint
from strop.training.batches import Batching
from strop.training.forwards import Texts, count_cut, forward_of
from strop.training.held_out import CosineAccuracy
from strop.training.loop import Logged, train
from strop.training.optimizers import AdamW
from strop.training.recipes import Recipe

PAIRS = replace(
    RECIPE, scoring=Joint(), loss=BinaryCrossEntropy(), batching=Batching(size=5), optimizer=AdamW(learning_rate=2e-3)
)
Weights = dict[str, Tensor]
every_kind = pytest.mark.parametrize("kind", KINDS)


def tuning(name: str, kind: str) -> Full | LoRA:
    return Full() if name == "full" else LoRA(r=4, alpha=8, targets=TARGETS[kind])


def texts(scorer: PairScorer, count: int = 20) -> tuple[Texts, Texts]:
    """Each document holds one of its query's words, and begins with a common one."""
    rng = np.random.default_rng(1)
    queries = [" ".join(rng.choice(WORDS, 2)) for _ in range(count)]
    documents = [f"{q} {rest}" for q, rest in zip(queries, sentences(count, seed=2), strict=True)]
    return (
        Texts(scorer.tokenize(queries, "query"), {f"q{i}": i for i in range(count)}),
        Texts(scorer.tokenize(documents, "document"), {f"d{i}": i for i in range(count)}),
    )


def trained(
    folder: Path, recipe: Recipe = PAIRS, scorer: Reranker | None = None, groups: list[Group] | None = None, **more: int
) -> tuple[Weights, list[Logged]]:
    scorer = scorer or reranker(dropout=0.1)
    queries, documents = texts(scorer)
    log = train(scorer, recipe, groups or toy_groups(), queries, documents, 3, folder, **more)  # type: ignore[arg-type]
    return {name: p.detach().clone() for name, p in scorer.module.named_parameters()}, log


def of(log: list[Logged], measure: str) -> list[float]:
    return [entry.value for entry in log if entry.measure == measure]


def same(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_every_query_is_read_with_its_group_s_own_candidates_and_no_other() -> None:
    scorer = reranker()
    queries, documents = texts(scorer)
    groups = [
        Group("q0", ("d0", "d1"), ("d2",), relevant=frozenset({"d0", "d1"})),
        Group("q1", ("d2",), ("d3", "d4"), relevant=frozenset({"d2", "d4"})),  # d4 is relevant: no negative
    ]
    batch = Batching(size=2).batch(groups, 0, 0)
    forward = forward_of(scorer, batch, queries, documents, Joint())
    wanted = {("q0", "d0"), ("q0", "d1"), ("q0", "d2"), ("q1", "d2"), ("q1", "d3")}
    assert len(forward.lengths) == len(wanted)
    with torch.inference_mode():
        scores = forward.scores(forward.represent(np.arange(len(wanted))))
        for i, query in enumerate(batch.query_ids):
            for j, document in enumerate(batch.doc_ids):
                row = scorer.pair(queries.of(query), documents.of(document))
                alone = score_pairs(scorer, [row], np.arange(1)).item() if (query, document) in wanted else 0.0
                assert scores[i, j].item() == pytest.approx(alone, abs=1e-5)


@every_kind
def test_a_step_in_pieces_has_the_gradient_of_one_plain_batch(kind: str, tmp_path: Path) -> None:
    losses = []
    for budget, recompute in ((10_000, False), (60, False), (60, True)):
        recipe = replace(PAIRS, token_budget=budget, recompute=recompute, updates=4)
        weights, log = trained(tmp_path / f"{budget}{recompute}", recipe, reranker(kind))
        losses.append((of(log, "loss"), of(log, "gradient_norm"), weights))
    for other in losses[1:]:
        assert other[0] == pytest.approx(losses[0][0], rel=1e-4)
        assert other[1] == pytest.approx(losses[0][1], rel=1e-3)
    assert same(losses[1][2], losses[2][2]), "recomputing changes no bit"


@every_kind
@pytest.mark.parametrize("name", ["full", "LoRA"])
def test_stopped_and_gone_on_it_ends_at_the_same_bits(kind: str, name: str, tmp_path: Path) -> None:
    recipe = replace(PAIRS, tuning=tuning(name, kind), updates=8)
    expected, log = trained(tmp_path / "calm", recipe, reranker(kind, dropout=0.1))
    for until in (3, 5):
        trained(tmp_path / "stormy", recipe, reranker(kind, dropout=0.1), until=until)
    found, again = trained(tmp_path / "stormy", recipe, reranker(kind, dropout=0.1))
    assert same(found, expected)
    assert of(again, "loss") == of(log, "loss")
    assert len(of(log, "loss")) == 8


@every_kind
def test_lora_trains_its_matrices_and_the_head_and_is_exported_merged(kind: str, tmp_path: Path) -> None:
    source = plain(tmp_path / "plain", kind)
    scorer = Reranker.from_base(source, 1)
    random = scorer.untrained
    before = {n: p.detach().clone() for n, p in scorer.module.named_parameters()}
    trained(tmp_path / "run", replace(PAIRS, tuning=tuning("LoRA", kind), updates=6), scorer)
    training = {n for n, p in scorer.module.named_parameters() if p.requires_grad}
    assert any("classifier.modules_to_save" in n for n in training)
    assert all(any(f".{m}.modules_to_save" in n for n in training) for m in random)
    assert all("lora_" in n or "modules_to_save" in n for n in training)
    export(scorer, tmp_path / "model", "base", sentences(6, seed=8))
    assert (tmp_path / "model" / "adapter" / "adapter_model.safetensors").is_file()
    again = Reranker.load(tmp_path / "model")
    assert again.untrained == ()
    after = dict(again.module.named_parameters())
    assert after.keys() == before.keys(), "nothing of the adapter is left"
    moved = {n for n in before if not torch.equal(before[n], after[n])}
    assert {n for n in before if "classifier" in n} <= moved
    assert any(any(t in n for t in TARGETS[kind]) for n in moved)
    assert not any("embeddings" in n for n in moved)


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), InfoNCE(1.0)], ids=["pointwise", "listwise"])
def test_the_loss_falls_where_a_word_tells_relevant_from_not(
    loss: BinaryCrossEntropy | InfoNCE, tmp_path: Path
) -> None:
    scorer = reranker()
    queries = scorer.tokenize([f"{w}" for w in WORDS[:20]], "query")
    documents = scorer.tokenize([f"bun {w}" for w in WORDS[:20]] + [f"gat {w}" for w in WORDS[:20]], "document")
    groups = [Group(f"q{i}", (f"d{i}",), (f"d{20 + i}",), relevant=frozenset({f"d{i}"})) for i in range(20)]
    rows = Texts(queries, {f"q{i}": i for i in range(20)}), Texts(documents, {f"d{i}": i for i in range(40)})
    recipe = replace(PAIRS, loss=loss, updates=30, optimizer=AdamW(learning_rate=5e-3))
    log = train(scorer, recipe, groups, *rows, 0, tmp_path)
    losses = of(log, "loss")
    assert np.mean(losses[:3]) > 0.4
    assert np.mean(losses[-3:]) < 0.2 * np.mean(losses[:3])


def test_a_teacher_s_scores_of_a_group_s_candidates_teach_a_cross_encoder_too(tmp_path: Path) -> None:
    groups = [replace(g, teacher={g.positives[0]: 2.0, g.negatives[0]: -2.0}) for g in toy_groups()]
    recipe = replace(PAIRS, loss=MarginMSE(), updates=25, optimizer=AdamW(learning_rate=5e-3))
    _, log = trained(tmp_path, recipe, reranker(), groups)
    assert np.mean(of(log, "loss")[-3:]) < np.mean(of(log, "loss")[:3])


@pytest.mark.usefixtures("bfloat16")
def test_bfloat16_trains_to_nearly_the_same_loss_with_weights_in_float32(tmp_path: Path) -> None:
    scorer = reranker()
    _, half = trained(tmp_path / "half", replace(PAIRS, precision="bfloat16"), scorer)
    _, full = trained(tmp_path / "full", PAIRS, reranker())
    assert {p.dtype for p in scorer.module.parameters()} == {torch.float32}
    assert of(half, "loss") != of(full, "loss")
    assert of(half, "loss") == pytest.approx(of(full, "loss"), rel=0.1)


def test_snapshots_hold_the_weights_after_so_many_updates(tmp_path: Path) -> None:
    from strop.training.loop import snapshot

    expected, _ = trained(tmp_path / "short", replace(PAIRS), until=5)
    trained(tmp_path / "long", PAIRS, snapshots=(5,))  # type: ignore[arg-type]
    scorer = reranker()
    scorer.module.requires_grad_(True)
    checkpoint.restore_weights(snapshot(tmp_path / "long", 5), scorer.module)
    assert same({n: p.detach() for n, p in scorer.module.named_parameters()}, expected)


def test_a_recipe_of_another_kind_or_in_batch_negatives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the model reads pairs, the recipe scores by Cosine"):
        trained(tmp_path, replace(PAIRS, scoring=Cosine()))
    with pytest.raises(InputError, match="no in-batch negatives"):
        trained(tmp_path, replace(PAIRS, batching=Batching(size=4, in_batch=True)))
    encoder = dense()
    with pytest.raises(InputError, match=r"the model makes vectors, the recipe scores by Joint\(\)"):
        train(encoder, PAIRS, toy_groups(), *texts(reranker()), 0, tmp_path)


def test_pairs_that_the_model_s_limit_cuts_are_counted() -> None:
    scorer = reranker(max_length=12)
    queries, documents = texts(scorer)
    rows = [
        scorer.pair(queries.of(g.query_id), documents.of(d)) for g in toy_groups() for d in (*g.positives, *g.negatives)
    ]
    cut = sum(row.cut > 0 for row in rows)
    assert count_cut(scorer, toy_groups(), queries, documents) == (cut, 40)
    assert 0 < cut < 40


def test_held_out_pairs_are_in_the_right_order_as_often_as_their_scores_say() -> None:
    scorer = reranker()
    queries, documents = texts(scorer)
    groups = toy_groups()

    def score(query: str, document: str) -> float:
        with torch.inference_mode():
            return score_pairs(scorer, [scorer.pair(queries.of(query), documents.of(document))], np.arange(1)).item()

    right = [score(g.query_id, g.positives[0]) > score(g.query_id, g.negatives[0]) for g in groups]
    assert CosineAccuracy(groups, queries, documents)(0, scorer) == {"cosine_accuracy": sum(right) / 20}
    assert 0 < sum(right) < 20
