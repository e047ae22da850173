from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import RECIPE, TUNINGS, dense, toy_groups, toy_texts
from torch import Tensor

from strop.losses.contrastive import InfoNCE
from strop.models.dense import Dense
from strop.models.encoder import observing
from strop.models.scoring import Cosine
from strop.monitoring.selection import Best
from strop.records.documents import Group
from strop.records.errors import InputError, NonFiniteLossError
from strop.training import checkpoint
from strop.training.batches import Batching
from strop.training.held_out import CosineAccuracy, HeldOut
from strop.training.loop import Logged, train
from strop.training.optimizers import AdamW
from strop.training.recipes import Recipe

Weights = dict[str, Tensor]


def trained(
    folder: Path, recipe: Recipe = RECIPE, seed: int = 3, encoder: Dense | None = None, **options: Any
) -> tuple[Weights, list[Logged]]:
    encoder = encoder or dense()
    queries, documents = toy_texts(encoder)
    log = train(encoder, recipe, toy_groups(), queries, documents, seed, folder, **options)
    checkpoint.clear(folder)
    return {name: p.detach().clone() for name, p in encoder.module.named_parameters()}, log


def same(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def timeless(log: list[Logged]) -> list[tuple[int, str, float]]:
    return [tuple(entry) for entry in log if entry.measure != "tokens_per_second"]


def of(log: list[Logged], measure: str) -> list[float]:
    return [entry.value for entry in log if entry.measure == measure]


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the loop may catch it."""


# --- killed for good: a process of its own, SIGKILL at random moments ---------------------------------------------


def run_in_a_process(folder: Path, tuning: str) -> None:
    """What the killed process does: train to the end, then write weights and log."""
    recipe = replace(RECIPE, tuning=TUNINGS[tuning], updates=25)
    weights, log = trained(folder, recipe, observers=[Probe(every=4)], checkpoint_seconds=0)
    save_file(weights, folder / "weights.safetensors")
    (folder / "log.json").write_text(json.dumps(log), encoding="utf-8")


@pytest.fixture(scope="module")
def start() -> Callable[[Path, str], multiprocessing.process.BaseProcess]:
    """Processes forked from one that has imported everything and computed nothing."""
    context = multiprocessing.get_context("forkserver")
    # not this file: before Python 3.12.3 the server does not get our sys.path, and ignores what it cannot import
    context.set_forkserver_preload(
        ["strop.training.loop", "strop.training.held_out", "pytest", "transformers.models.bert.modeling_bert"]
    )

    def launch(folder: Path, tuning: str) -> multiprocessing.process.BaseProcess:
        process = context.Process(target=run_in_a_process, args=(folder, tuning))
        process.start()
        return process

    return launch


def newest(folder: Path) -> int:
    return max((int(p.name.removeprefix("step-")) for p in folder.glob("step-*")), default=0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("tuning", TUNINGS)
def test_killed_at_any_moment_it_goes_on_to_the_same_bits_and_the_same_log(
    tuning: str, tmp_path: Path, start: Callable[[Path, str], multiprocessing.process.BaseProcess]
) -> None:
    calm, stormy = tmp_path / "calm", tmp_path / "stormy"
    calm.mkdir()
    stormy.mkdir()
    undisturbed = start(calm, tuning)
    chance = random.Random(tuning)
    resumed_from = []
    for target in (1, 6, 11, 17):
        process = start(stormy, tuning)
        resumed_from.append(newest(stormy))
        while newest(stormy) < target and process.is_alive():
            time.sleep(0.0005)
        time.sleep(0.01 * chance.random())
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it was done before it was killed: this run shows nothing"
        assert not (stormy / "weights.safetensors").exists()
    assert resumed_from[0] == 0
    assert all(1 <= step < 25 for step in resumed_from[1:])
    last = start(stormy, tuning)
    last.join(120)
    undisturbed.join(120)
    assert (last.exitcode, undisturbed.exitcode) == (0, 0)
    assert same(load_file(calm / "weights.safetensors"), load_file(stormy / "weights.safetensors"))
    calm_log, stormy_log = ([Logged(*e) for e in json.loads((f / "log.json").read_text())] for f in (calm, stormy))
    assert timeless(calm_log) == timeless(stormy_log)
    assert len(of(calm_log, "loss")) == 25
    assert sorted(p.name for p in stormy.iterdir()) == ["log.json", "weights.safetensors"]  # no checkpoint is left


# --- killed between any two file operations, in this process ------------------------------------------------------


def kill_at(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """Die at the `moment`-th file operation of a checkpoint, torn operations included."""
    left = iter(range(moment, -1, -1))

    def dying(real: Callable[..., Any], torn: Callable[..., Any] | None = None) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            if next(left) == 0:
                if torn:
                    torn(*args)
                raise Killed
            return real(*args, **kwargs)

        return operation

    def tear_file(tensors: Weights, path: Path) -> None:
        save_file(tensors, path)
        path.write_bytes(path.read_bytes()[:100])

    def tear_folder(path: Path, *_: Any) -> None:
        for file in sorted(path.glob("*"))[:1]:
            file.unlink()

    monkeypatch.setattr(checkpoint, "save_file", dying(save_file, tear_file))
    monkeypatch.setattr(checkpoint.os, "rename", dying(os.rename))
    monkeypatch.setattr(checkpoint.shutil, "rmtree", dying(shutil.rmtree, tear_folder))


@pytest.mark.parametrize("tuning", TUNINGS)
def test_killed_at_each_file_operation_of_a_checkpoint_in_turn_it_goes_on_to_the_same_bits(
    tuning: str, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, tuning=TUNINGS[tuning], updates=3)
    (tmp_path / "calm").mkdir()
    expected, log = trained(tmp_path / "calm", recipe)
    deaths = 0
    for moment in range(40):
        folder = tmp_path / str(moment)
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, moment)
            try:
                trained(folder, recipe, checkpoint_seconds=0)
                break  # fewer operations than that: every moment was tried
            except Killed:
                deaths += 1
        weights, again = trained(folder, recipe, checkpoint_seconds=0)
        assert same(weights, expected), moment
        assert timeless(again) == timeless(log), moment
        assert list(folder.iterdir()) == [], moment
    assert 10 < deaths < 39


def test_a_torn_partial_checkpoint_is_ignored_and_cleared_away(tmp_path: Path) -> None:
    expected, log = trained(tmp_path)
    partial = tmp_path / "checkpoint.partial"
    partial.mkdir()
    (partial / "tensors.safetensors").write_bytes(b"half a fi")
    weights, again = trained(tmp_path)
    assert same(weights, expected)
    assert timeless(again) == timeless(log)
    assert not partial.exists()


def test_a_checkpoint_holds_trainable_weights_and_moments_only_in_safetensors_and_json(tmp_path: Path) -> None:
    encoder = dense()
    with pytest.raises(Killed):
        trained(
            tmp_path, replace(RECIPE, tuning=TUNINGS["LoRA"]), encoder=encoder, progress=Stop(5), checkpoint_seconds=0
        )
    (found,) = tmp_path.iterdir()
    assert found.name == "step-5"
    assert sorted(p.name for p in found.iterdir()) == ["state.json", "tensors.safetensors"]
    tensors = load_file(found / "tensors.safetensors")
    trainable = {n for n, p in encoder.module.named_parameters() if p.requires_grad}
    kinds = ("weight", "exp_avg", "exp_avg_sq", "step")
    assert set(tensors) == {f"{kind}/{name}" for kind in kinds for name in trainable}
    assert json.loads((found / "state.json").read_text())["step"] == 5


@dataclass
class Stop:
    """Progress that dies once `after` updates are done."""

    after: int
    done: int = 0

    def __call__(self, more: int) -> None:
        self.done += more
        if self.done >= self.after:
            raise Killed


def test_progress_tells_of_resumed_updates_too(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        trained(tmp_path, progress=Stop(5), checkpoint_seconds=0)
    told: list[int] = []
    trained(tmp_path, progress=told.append)
    assert told == [5, *[1] * (RECIPE.updates - 5)]


# --- what a run is ------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits_whatever_was_random_before_and_another_seed_does_not(
    tmp_path: Path,
) -> None:
    first, _ = trained(tmp_path)
    torch.manual_seed(99)
    np.random.seed(1)
    second, _ = trained(tmp_path)
    third, _ = trained(tmp_path, seed=4)
    assert same(first, second)
    assert not same(first, third)


@pytest.mark.parametrize("tuning", TUNINGS)
def test_only_what_is_tuned_moves_and_the_pooler_never_does(tuning: str, tmp_path: Path) -> None:
    encoder = dense()
    before = {n: p.detach().clone() for n, p in encoder.module.named_parameters()}
    after, _ = trained(tmp_path, replace(RECIPE, tuning=TUNINGS[tuning]), encoder=encoder)
    if tuning == "LoRA":
        lora = {n: w for n, w in after.items() if "lora" in n}
        after = {n.replace("base_model.model.", "").replace("base_layer.", ""): after[n] for n in after.keys() - lora}
        assert same(after, before)
        assert len(lora) == 8
        assert all(bool(w.any()) for w in lora.values())  # B starts at zero
    else:
        still = {n for n in before if torch.equal(before[n], after[n])}
        # a constant added to all keys cancels in the softmax, so their bias gets rounding noise only
        assert {n for n in still if "key.bias" not in n} == {n for n in before if "pooler" in n}
        assert len(before) - len(still) > 20


@dataclass
class Probe:
    """An observer that looks, draws random numbers and remembers in which state it was called."""

    every: int
    seen: list[tuple[int, bool, bool]] = field(default_factory=list)

    def __call__(self, step: int, encoder: Dense) -> Mapping[str, float]:
        torch.rand(7)
        self.seen.append((step, encoder.module.training, torch.is_grad_enabled()))
        vectors = encoder.model.encode(["bun nin"], show_progress_bar=False)
        return {"first": float(vectors[0, 0])}


@pytest.mark.parametrize("tuning", TUNINGS)
def test_an_observer_leaves_the_weights_bit_identical_and_sees_every_nth_update_and_the_end(
    tuning: str, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, tuning=TUNINGS[tuning])
    alone, log = trained(tmp_path, recipe)
    probe = Probe(every=5)
    watched, watched_log = trained(tmp_path, recipe, observers=[probe])
    assert same(alone, watched)
    assert [entry for entry in timeless(watched_log) if entry[1] != "first"] == timeless(log)
    assert probe.seen == [(step, False, False) for step in (0, 5, 10, 12)]
    assert len(set(of(watched_log, "first"))) == 4


def test_observing_gives_random_state_and_mode_back() -> None:
    encoder = dense()
    encoder.module.train()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with observing(encoder):
        torch.rand(100)
        assert not encoder.module.training
    assert torch.equal(torch.rand(3), expected)
    assert encoder.module.training


def test_everything_promised_is_logged_for_every_update(tmp_path: Path) -> None:
    _, log = trained(tmp_path)
    of_the_loss = {"loss", "active_share", "score_spread"}
    measures = of_the_loss | {"learning_rate", "gradient_norm", "padding_share", "tokens_per_second"}
    assert {entry.measure for entry in log} == measures
    for measure in measures:
        assert [entry.step for entry in log if entry.measure == measure] == list(range(12))
    schedule = [RECIPE.optimizer.learning_rate * RECIPE.schedule.factor(step, 12) for step in range(12)]
    assert of(log, "learning_rate") == schedule
    assert all(0 <= share < 1 for share in of(log, "padding_share"))
    assert min(of(log, "tokens_per_second")) > 0


def test_the_loss_falls_on_a_task_that_can_be_learned(tmp_path: Path) -> None:
    recipe = replace(
        RECIPE,
        scoring=Cosine(),
        loss=InfoNCE(0.05),
        batching=Batching(size=10, in_batch=True),
        optimizer=AdamW(learning_rate=5e-3),
        updates=40,
    )
    encoder = dense(dropout=0.0)
    queries, documents = toy_texts(encoder)
    accuracy = CosineAccuracy(toy_groups(), queries, documents, every=100)
    _, log = trained(tmp_path, recipe, encoder=encoder, observers=[accuracy])
    losses = of(log, "loss")
    assert np.mean(losses[:4]) > 0.5
    assert np.mean(losses[-4:]) < 0.1 * np.mean(losses[:4])
    start, end = of(log, "cosine_accuracy")
    assert start < end == 1.0


def test_gradients_are_clipped_to_the_recipe_s_norm_and_the_logged_norm_is_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms: list[float] = []
    step = torch.optim.AdamW.step

    def spying(self: torch.optim.AdamW, *args: Any) -> Any:
        grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.stack([g.norm() for g in grads]).norm()))
        return step(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", spying)
    _, log = trained(tmp_path, replace(RECIPE, clip=0.5))
    before = of(log, "gradient_norm")
    assert min(before) > 0.5
    assert norms == pytest.approx([0.5] * 12, rel=1e-4)
    norms.clear()
    _, log = trained(tmp_path, replace(RECIPE, clip=1e6))
    assert norms == pytest.approx(of(log, "gradient_norm"), rel=1e-4)


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_update_and_its_queries(tmp_path: Path) -> None:
    encoder = dense()
    queries, documents = toy_texts(encoder)
    batches = [RECIPE.batching.batch(toy_groups(), 3, step) for step in range(12)]
    batch = batches[2]
    only = next(d for d in batch.doc_ids if all(d not in b.doc_ids for b in batches[:2]))
    poisoned = replace_row(documents, only, encoder)
    with pytest.raises(NonFiniteLossError, match="update 2: loss nan") as caught:
        train(encoder, RECIPE, toy_groups(), queries, poisoned, 3, tmp_path)
    assert ", ".join(batch.query_ids) in str(caught.value)
    assert "Lower the learning rate" in str(caught.value)
    weights = dict(encoder.module.named_parameters())
    embeddings = weights.pop("0.model.embeddings.word_embeddings.weight")[:-1]
    assert all(torch.isfinite(w).all() for w in (embeddings, *weights.values()))  # the bad step was not taken


def replace_row(documents: Any, doc_id: str, encoder: Dense) -> Any:
    """The same texts, but this one holds a token whose embedding is not a number."""
    from strop.models.tokens import Tokens
    from strop.training.forwards import Texts

    embeddings = encoder.transformer.model.get_input_embeddings().weight
    bad = len(embeddings) - 1
    with torch.no_grad():
        embeddings[bad] = float("nan")
    rows = [documents.tokens.row(i).tolist() for i in range(len(documents.tokens))]
    assert not any(bad in row for row in rows)
    rows[documents.rows[doc_id]][1] = bad
    return Texts(Tokens.of(rows), documents.rows)


def test_a_gradient_that_overflows_stops_the_run_too(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLossError, match=r"update 0: loss \d+\.\d+, gradient norm inf; queries q"):
        trained(tmp_path, replace(RECIPE, scoring=Steep()))


@dataclass(frozen=True)
class Steep:
    """The distance, with a gradient that is far too large."""

    def __call__(self, queries: Any, documents: Any) -> Tensor:
        scores = RECIPE.scoring(queries, documents)
        return scores.detach() + 1e30 * (scores - scores.detach())


# --- held-out groups ----------------------------------------------------------------------------------------------


def test_held_out_groups_are_split_by_query_and_fixed_by_the_seed() -> None:
    groups = [Group(f"q{i % 40}", (f"d{i}",)) for i in range(100)]
    training, held = HeldOut(share=0.25).split(groups, 1)
    assert len({g.query_id for g in held}) == 10
    assert not {g.query_id for g in held} & {g.query_id for g in training}
    assert sorted(g.positives for g in training + held) == sorted(g.positives for g in groups)
    assert HeldOut(0.25).split(groups[::-1], 1)[1] == held[::-1]
    assert HeldOut(0.25).split(groups, 2)[1] != held
    assert len({g.query_id for g in HeldOut(0.9, most=7).split(groups, 1)[1]}) == 7


def test_cosine_accuracy_is_the_share_of_triplets_in_the_right_order() -> None:
    encoder = dense()
    encoder.module.eval()
    queries, documents = toy_texts(encoder)
    groups = [
        Group(f"q{i}", (f"d{i}", f"d{(i + 1) % 20}"), (f"d{(i + 5) % 20}", f"d{(i + 9) % 20}")) for i in range(20)
    ]
    vector = {
        **{t: encode_one(encoder, queries.of(t)) for t in queries.rows},
        **{t: encode_one(encoder, documents.of(t)) for t in documents.rows},
    }
    right = [
        bool(vector[g.query_id] @ vector[p] > vector[g.query_id] @ vector[n])
        for g in groups
        for p in g.positives
        for n in g.negatives
    ]
    found = CosineAccuracy(groups, queries, documents)(0, encoder)
    assert found == {"cosine_accuracy": sum(right) / 80}
    assert 0 < sum(right) < 80


def encode_one(encoder: Dense, row: Any) -> Tensor:
    ids = torch.from_numpy(np.array(row, dtype=np.int64)).unsqueeze(0)
    with torch.inference_mode():
        return torch.nn.functional.normalize(encoder.represent(ids, torch.ones_like(ids)).vectors[0], dim=0)


@dataclass(frozen=True)
class Scripted:
    """Gives the values of a script, one a look."""

    values: tuple[float, ...]
    every: int = 4

    def __call__(self, step: int, encoder: Dense) -> Mapping[str, float]:
        return {"scripted": self.values[step // self.every]}


@pytest.mark.parametrize(("values", "kept"), [((0.9, 0.1, 0.7, 0.7), 8), ((0.9, 0.8, 0.1, 0.2), 4)])
def test_the_best_look_is_kept_the_first_of_equals_and_never_the_start(
    values: tuple[float, ...], kept: int, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, selection=Best("scripted", share=1 / 3))
    best, _ = trained(tmp_path / "best", recipe, observers=[Scripted(values)])
    seen: dict[int, Weights] = {}

    @dataclass(frozen=True)
    class Copying:
        every: int = 4

        def __call__(self, step: int, encoder: Dense) -> Mapping[str, float]:
            seen[step] = {name: p.detach().clone() for name, p in encoder.module.named_parameters()}
            return {}

    trained(tmp_path / "plain", RECIPE, observers=[Copying()])
    assert same(best, seen[kept])
    assert not same(best, seen[12])
    assert not list((tmp_path / "best").iterdir()), "nothing is left lying about"


def test_a_selection_that_nothing_measures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no observer measured 'absent'"):
        trained(tmp_path, replace(RECIPE, selection=Best("absent")))


@pytest.mark.usefixtures("bfloat16")
def test_bfloat16_trains_to_nearly_the_same_loss_with_weights_in_float32(tmp_path: Path) -> None:
    encoder = dense(dropout=0.0)
    _, half = trained(tmp_path / "half", replace(RECIPE, precision="bfloat16"), encoder=encoder)
    _, full = trained(tmp_path / "full", encoder=dense(dropout=0.0))
    assert {p.dtype for p in encoder.module.parameters()} == {torch.float32}
    assert of(half, "loss") != of(full, "loss")
    assert of(half, "loss") == pytest.approx(of(full, "loss"), rel=0.02)


def test_dropout_of_a_recipe_replaces_the_model_s(tmp_path: Path) -> None:
    with_none, _ = trained(tmp_path / "a", replace(RECIPE, dropout=0.0), encoder=dense(dropout=0.5))
    assert same(with_none, trained(tmp_path / "b", encoder=dense(dropout=0.0))[0])
    assert not same(with_none, trained(tmp_path / "c", encoder=dense(dropout=0.5))[0])


@pytest.mark.parametrize(("field", "value"), [("dropout", 1.0), ("dropout", -0.1), ("precision", "float16")])
def test_a_recipe_refuses_what_it_cannot_do(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=field):
        replace(RECIPE, **{field: value})


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_a_share_of_looks_is_a_share(share: float) -> None:
    with pytest.raises(InputError, match="share"):
        Best(share=share)
