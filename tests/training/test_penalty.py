"""Vectors held to the base's while a model trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import ARCHITECTURES, RECIPE, toy_groups, toy_texts
from torch import Tensor
from torch.nn.functional import normalize

from strop.artifacts.keys import canonical
from strop.losses.hold_base import HoldBase
from strop.models.adapters import LoRA
from strop.models.encoder import Encoder, Role
from strop.models.scoring import Joint, MaxSim
from strop.records.errors import InputError
from strop.retrieval.encode import represented
from strop.training.batches import Batching
from strop.training.loop import Logged, train
from strop.training.optimizers import AdamW
from strop.training.recipes import Recipe, recipe

ROLES: tuple[Role, Role] = ("query", "document")
HELD = replace(RECIPE, penalty=HoldBase(5.0))


def vectors(encoder: Encoder) -> Tensor:
    """Unit vectors of all queries and documents."""
    texts = toy_texts(encoder)
    sides = [represented(encoder, side.tokens, role).vectors for side, role in zip(texts, ROLES, strict=True)]
    return normalize(torch.cat(sides), dim=1)


def tuned(folder: Path, recipe: Recipe, name: str = "tied", until: int | None = None) -> tuple[Tensor, list[Logged]]:
    encoder = ARCHITECTURES[name]()
    log = train(encoder, recipe, toy_groups(), *toy_texts(encoder), 3, folder, until=until)
    return vectors(encoder), log


def of(log: list[Logged], measure: str) -> list[float]:
    return [entry.value for entry in log if entry.measure == measure]


def test_the_penalty_is_the_mean_of_one_minus_cosine_whatever_the_lengths() -> None:
    base = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    now = torch.tensor([[5.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    value = HoldBase(0.5)(now, base)
    assert value.item() == pytest.approx(0.5 * (0 + 1 + 2) / 3)
    value.backward()
    assert now.grad is not None
    torch.testing.assert_close(now.grad, torch.tensor([[0.0, 0.0], [0.0, -0.5 / 3], [0.0, 0.0]]))
    assert HoldBase()(now.detach().bfloat16(), base).dtype == torch.float32
    for weight in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(InputError, match="penalty's weight"):
            HoldBase(weight)


@pytest.mark.parametrize("name", ["tied", "untied", "decoder"])
def test_vectors_stay_nearer_to_the_base_s_and_the_log_says_how_near(name: str, tmp_path: Path) -> None:
    before = vectors(ARCHITECTURES[name]())
    free, free_log = tuned(tmp_path / "free", RECIPE, name)
    held, held_log = tuned(tmp_path / "held", HELD, name)
    gaps = [float((1 - (after * before).sum(dim=1)).mean()) for after in (free, held)]
    assert 0 < gaps[1] < 0.7 * gaps[0]
    assert not of(free_log, "penalty")
    assert len(of(held_log, "penalty")) == HELD.updates


@pytest.mark.parametrize("name", ["tied", "untied"])
def test_each_text_of_the_batch_is_held_to_its_own_vector(name: str, tmp_path: Path) -> None:
    """Without dropout, and before anything moved, the penalty is nothing, in whatever batch a text comes."""
    still = replace(HELD, dropout=0.0, updates=4, optimizer=AdamW(learning_rate=1e-12))
    _, log = tuned(tmp_path, still, name)
    assert max(map(abs, of(log, "penalty"))) < 1e-5
    _, moving = tuned(tmp_path / "moving", replace(HELD, dropout=0.0), name)
    assert of(moving, "penalty")[-1] > 1e-3


@pytest.mark.parametrize("changed", [{}, {"tuning": LoRA(r=4)}, {"recompute": True}])
def test_killed_it_goes_on_to_the_same_weights(changed: dict[str, object], tmp_path: Path) -> None:
    held = replace(HELD, **changed)  # type: ignore[arg-type]
    whole, log = tuned(tmp_path / "whole", held)
    tuned(tmp_path / "parts", held, until=5)
    parts, again = tuned(tmp_path / "parts", held)
    assert torch.equal(whole, parts)
    assert of(log, "penalty") == of(again, "penalty")


@pytest.mark.usefixtures("bfloat16")
def test_in_bfloat16_the_base_s_vectors_are_encoded_so_too(tmp_path: Path) -> None:
    still = replace(HELD, dropout=0.0, updates=2, optimizer=AdamW(learning_rate=1e-12), precision="bfloat16")
    _, log = tuned(tmp_path, replace(still, batching=Batching(size=4)))
    assert max(map(abs, of(log, "penalty"))) < 1e-3


def test_only_a_dense_recipe_takes_a_penalty_and_without_one_its_key_is_what_it_was() -> None:
    for name, scoring in (("late-full", MaxSim()), ("rerank-bce", Joint())):
        with pytest.raises(InputError, match="does not compare one vector per text"):
            replace(recipe(name), penalty=HoldBase())
        assert recipe(name).scoring == scoring
    with pytest.raises(InputError, match=r"the penalty is 3\. Give HoldBase"):
        recipe("in-batch-full", {"penalty": "3"})
    assert "penalty" not in canonical(recipe("in-batch-full"))
    assert canonical(HELD)["penalty"] == {"type": "HoldBase", "weight": 5.0}
