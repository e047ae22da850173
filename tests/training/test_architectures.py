"""Every architecture is trained, killed, watched, cut in parts and exported alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from probes import probe
from safetensors.torch import load_file
from tiny_models import ARCHITECTURES, LAYERS, RECIPE, sentences, toy_groups, toy_texts, toy_words, two_towers
from torch import Tensor

from strop.artifacts.store import Store
from strop.losses.contrastive import InfoNCE
from strop.models.adapters import Full, LoRA
from strop.models.encoder import Encoder, Role, represent_rows
from strop.models.loading import load
from strop.models.pretrained import resolve
from strop.models.scoring import Cosine, MaxSim
from strop.monitoring.monitor import Monitor
from strop.monitoring.probe import Look
from strop.monitoring.selection import Best
from strop.negatives.examples import Examples
from strop.training import checkpoint
from strop.training.batches import Batching
from strop.training.held_out import CosineAccuracy
from strop.training.loop import Logged, train
from strop.training.recipes import Recipe
from strop.training.stage import Training

UPDATES, PART = 3, 2
Weights = dict[str, Tensor]
cases = pytest.mark.parametrize(
    ("name", "method"), [(name, method) for name in ARCHITECTURES for method in ("full", "LoRA")]
)


def recipe_of(name: str, method: str, **changes: Any) -> Recipe:
    lora = LoRA(r=4, alpha=8, targets=("q_proj", "v_proj") if name == "decoder" else ("query", "value"))
    late = isinstance(ARCHITECTURES[name]().similarity, MaxSim)
    recipe = replace(
        RECIPE,
        tuning=Full() if method == "full" else lora,
        scoring=MaxSim() if late else Cosine(),
        loss=InfoNCE(1.0 if late else 0.05),
        batching=Batching(size=4, in_batch=True),
        updates=UPDATES,
    )
    return replace(recipe, **changes)


def trained(folder: Path, encoder: Encoder, recipe: Recipe, **options: Any) -> tuple[Weights, list[Logged]]:
    queries, documents = toy_texts(encoder)
    log = train(encoder, recipe, toy_groups(), queries, documents, 3, folder, **options)
    return weights_of(encoder), log


def weights_of(encoder: Encoder) -> Weights:
    return {name: p.detach().clone() for name, p in encoder.module.named_parameters()}


def same(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@cache
def calm(name: str, method: str) -> tuple[Encoder, Weights, list[Logged]]:
    """What an undisturbed training comes to; dropout is on."""
    encoder = ARCHITECTURES[name]()
    with TemporaryDirectory() as folder:
        return encoder, *trained(Path(folder), encoder, recipe_of(name, method))


@cases
def test_only_what_is_tuned_moves_in_every_tower(name: str, method: str) -> None:
    before = weights_of(ARCHITECTURES[name]())
    encoder, after, _ = calm(name, method)
    towers = len(encoder.transformers)
    if method == "LoRA":
        lora = {n: w for n, w in after.items() if "lora_" in n}
        rest = {n.replace("base_model.model.", "").replace("base_layer.", ""): after[n] for n in after.keys() - lora}
        assert same(rest, before)
        assert {n for n, p in encoder.module.named_parameters() if p.requires_grad} == lora.keys()
        assert len(lora) == towers * LAYERS * 2 * 2
        assert all(bool(w.any()) for w in lora.values())  # B starts at zero
        for tower in encoder.transformers:
            assert sum("lora_B" in n for n, _ in tower.model.named_parameters()) == LAYERS * 2
    else:
        still = {n for n in before if torch.equal(before[n], after[n])}
        # a constant added to all keys cancels in the softmax, so their bias gets rounding noise only
        assert {n for n in still if "key.bias" not in n} == {n for n in before if "pooler" in n}
        assert len(before) - len(still) >= towers * 15


@cases
def test_killed_and_resumed_or_in_two_calls_it_ends_with_the_same_bits(name: str, method: str, tmp_path: Path) -> None:
    _, expected, log = calm(name, method)
    recipe = recipe_of(name, method)

    class Killed(BaseException):
        pass

    def killing(more: int) -> None:
        if more:
            raise Killed

    with pytest.raises(Killed):  # after the first update, before the second
        trained(tmp_path, ARCHITECTURES[name](), recipe, progress=killing, checkpoint_seconds=0)
    part = ARCHITECTURES[name]()
    trained(tmp_path, part, recipe, until=PART)
    assert [p.name for p in tmp_path.iterdir()] == [f"step-{PART}"]
    weights, again = trained(tmp_path, ARCHITECTURES[name](), recipe)
    assert same(weights, expected)
    assert not same(weights_of(part), expected)
    assert [e for e in again if e.measure == "loss"] == [e for e in log if e.measure == "loss"]


@cases
def test_recomputed_its_weights_are_the_same_bits(name: str, method: str, tmp_path: Path) -> None:
    _, expected, _ = calm(name, method)
    found, _ = trained(tmp_path, ARCHITECTURES[name](), recipe_of(name, method, recompute=True))
    assert same(found, expected)
    if method == "full":
        undropped, _ = trained(tmp_path / "0", ARCHITECTURES[name](), recipe_of(name, method, dropout=0.0))
        assert not same(undropped, expected), "and dropout was on"


@cases
def test_watched_its_weights_are_the_same_bits_and_there_are_rows(name: str, method: str, tmp_path: Path) -> None:
    _, expected, _ = calm(name, method)
    encoder = ARCHITECTURES[name]()
    queries, documents = toy_texts(encoder)
    watching = [
        Monitor.of(Look.of(probe(), encoder), encoder, UPDATES, fixed=2),
        CosineAccuracy(toy_groups(), queries, documents, every=2),
    ]
    found, log = trained(tmp_path, encoder, recipe_of(name, method), observers=watching)
    assert same(found, expected)
    seen = {entry.measure for entry in log}
    overlap = [] if isinstance(encoder.similarity, MaxSim) else ["geometry/overlap@10/document"]  # a vector a text
    for measure in ("cosine_accuracy", "dev/RR@10", "geometry/auc", *overlap):
        assert [entry.step for entry in log if entry.measure == measure] == [0, 2, 3], seen
    values = np.array([entry.value for entry in log])
    assert np.isfinite(values).all()
    assert all(e.value == 1.0 for e in log if e.step == 0 and e.measure in overlap)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_first_loss_and_the_held_out_accuracy_are_those_of_the_library_s_own_vectors(
    name: str, tmp_path: Path
) -> None:
    """So that no text goes through the other role's tower, marker or expansion."""
    encoder = ARCHITECTURES[name](dropout=0.0)
    queries, documents = toy_texts(encoder)
    asked, found = texts()
    model: Any = encoder.module.eval()
    similar = model.similarity(model.encode_query(list(asked.values())), model.encode_document(list(found.values())))
    accuracy = CosineAccuracy(toy_groups(), queries, documents)(0, encoder)["cosine_accuracy"]
    assert accuracy == np.mean([bool(similar[i, i] > similar[i, (i + 7) % 20]) for i in range(20)])
    recipe = recipe_of(name, "full", updates=1)
    batch = recipe.batching.batch(toy_groups(), 3, 0)
    rows, columns = ([int(t[1:]) for t in ids] for ids in (batch.query_ids, batch.doc_ids))
    expected = recipe.loss(similar[rows][:, columns], batch.targets, batch.mask)
    _, log = trained(tmp_path, encoder, recipe)
    assert next(e.value for e in log if e.measure == "loss") == pytest.approx(float(expected), rel=1e-4)


def texts() -> tuple[dict[str, str], dict[str, str]]:
    """The toy queries and documents."""
    asked, found = toy_words()
    return {f"q{i}": text for i, text in enumerate(asked)}, {f"d{i}": text for i, text in enumerate(found)}


@dataclass(frozen=True)
class OneTower:
    """Tunes one tower in full."""

    tower: int

    def prepare(self, encoder: Encoder, seed: int) -> None:
        encoder.module.requires_grad_(False)
        encoder.transformers[self.tower].requires_grad_(True)


@pytest.mark.parametrize("tower", [0, 1])
def test_an_update_of_one_tower_moves_one_role_s_vectors_only(tower: int, tmp_path: Path) -> None:
    encoder = two_towers()
    roles: tuple[Role, Role] = ("query", "document")
    before = [seen(encoder, role) for role in roles]
    trained(tmp_path, encoder, recipe_of("untied", "full", tuning=OneTower(tower)))
    after = [seen(encoder, role) for role in roles]
    assert (after[tower] - before[tower]).norm(dim=1).min() > 1e-3
    assert torch.equal(after[1 - tower], before[1 - tower])


def seen(encoder: Encoder, role: Role) -> Tensor:
    encoder.module.eval()
    tokens = encoder.tokenize(sentences(5, seed=3), role)
    with torch.inference_mode():
        return represent_rows(encoder, [tokens.row(i) for i in range(5)], np.arange(5), role).vectors


@pytest.mark.parametrize(("name", "method"), [("tied", "full"), ("untied", "LoRA"), ("ColBERT", "full")])
def test_a_training_in_two_parts_is_the_undivided_one_with_what_it_selected_before_the_cut(
    name: str, method: str, tmp_path: Path
) -> None:
    ARCHITECTURES[name]().save(tmp_path / "base")
    store, examples = Store(tmp_path / "store"), Examples(tuple(toy_groups()), *texts())
    recipe = recipe_of(name, method, selection=Best("cosine_accuracy/x", share=1 / UPDATES))
    whole = Training(resolve(str(tmp_path / "base")), recipe, examples, {"x": examples}, seed=3)
    first = replace(whole, until=PART)
    parts = replace(whole, earlier=first)
    made = [training(store).path / "model" for training in (whole, parts, first)]
    assert len(set(made)) == 3
    weights = [{n: p for f in sorted(at.rglob("model.safetensors")) for n, p in named(at, f)} for at in made]
    assert same(weights[0], weights[1])
    assert type(load(made[1])) is type(ARCHITECTURES[name]())
    assert not list(made[1].parent.glob("step-*"))
    assert [p.name for p in made[2].parent.glob("step-*")] == [f"step-{PART}"]


def named(root: Path, file: Path) -> list[tuple[str, Tensor]]:
    return [(f"{file.relative_to(root)}/{name}", tensor) for name, tensor in load_file(file).items()]


def test_what_was_selected_before_the_cut_goes_over_with_the_checkpoint(tmp_path: Path) -> None:
    for name in ("from", "to"):
        (tmp_path / name).mkdir()
    encoder = ARCHITECTURES["tied"]()
    (tmp_path / "from" / "step-2").mkdir()
    checkpoint.save_weights(tmp_path / "from" / checkpoint.BEST, encoder.module)
    checkpoint.take_over(tmp_path / "from", tmp_path / "to")
    assert sorted(p.name for p in (tmp_path / "to").iterdir()) == [checkpoint.BEST, "step-2"]


def test_a_part_that_is_done_may_be_called_again(tmp_path: Path) -> None:
    """Its checkpoint may have come by the clock at its very last update too."""
    recipe = recipe_of("tied", "full")
    first, _ = trained(tmp_path, ARCHITECTURES["tied"](), recipe, until=PART, checkpoint_seconds=0)
    second, _ = trained(tmp_path, ARCHITECTURES["tied"](), recipe, until=PART)
    assert same(first, second)
