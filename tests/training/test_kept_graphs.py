"""Whether a batch's graphs fit the memory: what is estimated is what they hold, and the answer changes no number."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import ARCHITECTURES, RECIPE, TUNINGS, dense, toy_groups, toy_texts
from tiny_rerankers import reranker
from torch import Tensor

from strop.losses.contrastive import InfoNCE
from strop.models.chunks import Forward
from strop.models.encoder import Model
from strop.models.scoring import Cosine, Joint, MaxSim, Scoring
from strop.models.tokens import padding_share
from strop.records.errors import InputWarning
from strop.training import checkpoint, loop
from strop.training import step as chunks
from strop.training.batches import Batching
from strop.training.forwards import forward_of
from strop.training.kept_graphs import KeptGraphs
from strop.training.recipes import Recipe
from strop.training.stage import Training

MAKE: dict[str, tuple[Callable[..., Model], Scoring]] = {
    **{name: (make, Cosine()) for name, make in ARCHITECTURES.items() if name != "decoder"},
    "cross-encoder": (reranker, Joint()),
}
LATE = {name: (ARCHITECTURES[name], MaxSim()) for name in ("ColBERT", "plain late interaction")}


def trained(folder: Path, recipe: Recipe, model: Model | None = None) -> tuple[dict[str, Tensor], list[Any]]:
    """The weights, and the log without what depends on the clock."""
    model = model or dense()
    log = loop.train(model, recipe, toy_groups(), *toy_texts(model), 3, folder)  # type: ignore[arg-type]
    checkpoint.clear(folder)
    weights = {name: p.detach().clone() for name, p in model.module.named_parameters()}
    return weights, [tuple(entry) for entry in log if entry.measure != "tokens_per_second"]


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@contextmanager
def held_bytes() -> Iterator[list[int]]:
    """Bytes of every storage that graphs hold at the end of the block: counted as they are packed, by address."""
    found: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    total: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield total
    total.append(sum(found.values()))


def batch_of(model: Model, scoring: Scoring) -> Forward:
    model.module.train()
    return forward_of(model, RECIPE.batching.batch(toy_groups(), 0, 0), *toy_texts(model), scoring)  # type: ignore[arg-type]


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("architecture", MAKE)
def test_the_estimate_is_what_the_graphs_of_all_chunks_hold_beside_the_weights(
    architecture: str, tuning: str, bfloat16: bool
) -> None:
    make, scoring = {**MAKE, **LATE}[architecture]
    model = make()
    TUNINGS[tuning].prepare(model, 0)
    forward = batch_of(model, scoring)
    pieces = forward.pieces(128)
    weights = sum(p.nbytes for p in model.module.parameters())
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        estimate = KeptGraphs(0).bytes_of(forward, pieces)
        with held_bytes() as total:
            kept = [forward.represent(piece) for piece in pieces]  # all alive at once
    assert len(kept) > 1
    padded = 1 / (1 - padding_share(forward.lengths, pieces))  # counted, though most graphs do not hold it
    assert 0.9 * (total[0] - weights) <= estimate <= 1.1 * padded * total[0]


def test_the_estimate_draws_no_random_number_and_leaves_no_gradient() -> None:
    model = dense(dropout=0.3)
    forward = batch_of(model, Cosine())
    before = torch.get_rng_state()
    KeptGraphs(0).bytes_of(forward, forward.pieces(128))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.grad is None for p in model.module.parameters())


def test_it_is_measured_again_only_for_a_longer_text(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = batch_of(dense(), Cosine())
    calls: list[Any] = []
    counted = replace(forward, represent=lambda at: calls.append(at) or forward.represent(at))
    graphs = KeptGraphs(0)
    once = graphs.bytes_of(counted, forward.pieces(128))
    measured = len(calls)
    assert (once, len(calls)) == (graphs.bytes_of(counted, forward.pieces(128)), measured)
    whole = graphs.bytes_of(counted, forward.pieces(10**6))
    assert whole > once, "all in one chunk has more padding"


@pytest.fixture
def represented_twice(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each update, whether its chunks were represented twice."""
    seen: list[bool] = []
    gradient = chunks.gradient

    def spying(*args: Any, recompute: bool = False) -> float:
        seen.append(recompute)
        return gradient(*args, recompute=recompute)

    monkeypatch.setattr(chunks, "gradient", spying)
    return seen


FAMILIES: dict[str, tuple[Callable[..., Model], Recipe]] = {
    "full": (dense, RECIPE),
    "LoRA": (dense, replace(RECIPE, tuning=TUNINGS["LoRA"])),
    "late interaction": (
        ARCHITECTURES["ColBERT"],
        replace(RECIPE, scoring=MaxSim(), loss=InfoNCE(1.0), batching=Batching(6, in_batch=True)),
    ),
    "cross-encoder": (partial(reranker, dropout=0.1), replace(RECIPE, scoring=Joint(), loss=InfoNCE(1.0))),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_with_little_memory_each_chunk_is_represented_twice_with_one_notice_and_the_same_log_and_weights(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, represented_twice: list[bool]
) -> None:
    make, recipe = FAMILIES[family]
    recipe = replace(recipe, updates=4)
    kept, log = trained(tmp_path, recipe, make())
    assert represented_twice == [False] * 4
    monkeypatch.setattr(loop, "free_bytes", lambda device: 100_000)
    with pytest.warns(InputWarning, match=r"graphs of a batch would take about .* GB.*represented twice") as told:
        again, same_log = trained(tmp_path, recipe, make())
    assert len([warning for warning in told if warning.category is InputWarning]) == 1
    assert represented_twice == [False] * 4 + [True] * 4
    assert same(again, kept)
    assert same_log == log


def test_a_recipe_that_says_so_is_obeyed_whatever_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, represented_twice: list[bool]
) -> None:
    trained(tmp_path, replace(RECIPE, updates=1, recompute=True))
    monkeypatch.setattr(loop, "free_bytes", lambda device: 0)
    trained(tmp_path, replace(RECIPE, updates=1, recompute=False))
    assert represented_twice == [True, False]


@pytest.mark.parametrize("recompute", [None, False, True])
def test_where_memory_runs_out_with_graphs_kept_the_update_is_made_again_without_to_the_same_bits(
    recompute: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, log = trained(tmp_path, RECIPE)
    gradient, tries = chunks.gradient, 0

    def tight(*args: Any, recompute: bool) -> float:
        nonlocal tries
        tries += 1
        if tries == 3 or (recompute and tries == 1):
            gradient(*args, recompute=recompute)  # what it added to gradients, and drew, must not count
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return gradient(*args, recompute=recompute)

    monkeypatch.setattr(chunks, "gradient", tight)
    if recompute is None:
        with pytest.warns(InputWarning, match="out of memory with the graphs of a whole batch"):
            weights, again = trained(tmp_path, RECIPE)
        assert same(weights, expected)
        assert again == log
        assert tries == 1 + RECIPE.updates
    else:
        with warnings.catch_warnings(), pytest.raises(RuntimeError, match="out of memory"):
            trained(tmp_path, replace(RECIPE, recompute=recompute))


def test_what_is_free_is_no_part_of_a_training_s_key() -> None:
    from strop.artifacts.keys import canonical

    assert "recompute" not in canonical(RECIPE)
    assert canonical(replace(RECIPE, recompute=True))["recompute"] is True
    assert Training.__dataclass_fields__.keys().isdisjoint({"room", "free"})
