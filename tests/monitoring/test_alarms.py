"""Every alarm provoked by a real training that goes wrong in that way, and all of them silent on healthy ones."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import RECIPE, dense, toy_groups, toy_texts
from torch import Tensor

from strop.geometry.pairs import unit
from strop.geometry.spectrum import effective_rank
from strop.losses.contrastive import InfoNCE
from strop.losses.triplet import Triplet
from strop.models.chunks import vectors as vectors_of
from strop.models.dense import Dense
from strop.models.encoder import represent_rows
from strop.models.scoring import Cosine, Dot
from strop.monitoring.alarms import ALARMS, Alarm, alarms
from strop.records.documents import Group
from strop.training.batches import Batching
from strop.training.forwards import Texts
from strop.training.loop import train
from strop.training.optimizers import AdamW, WarmupLinear
from strop.training.recipes import Recipe

Course = Mapping[str, list[tuple[int, float]]]
COUNT = 20
INFONCE = replace(
    RECIPE, scoring=Cosine(), loss=InfoNCE(), batching=Batching(6, in_batch=True), updates=60, dropout=0.0
)
TRIPLET = replace(RECIPE, updates=60, dropout=0.0)


@dataclass(frozen=True)
class Together:
    """What a loss must not be: it pulls every document to every query."""

    taught = False

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return (1 - scores).square().mean()

    def diagnostics(self, scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
        return InfoNCE().diagnostics(scores, targets, mask)

    def chance(self, candidates: int) -> float:
        return 1.0


@dataclass(frozen=True)
class Runaway(Together):
    """Scores of any sign, as large as can be: nothing holds it."""

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return -scores.square().mean()


class Look:
    """Geometry of all toy documents, and the reciprocal rank of each query's right one."""

    every = 5

    def __init__(self, texts: tuple[Texts, Texts]) -> None:
        queries, documents = texts
        self.rows = [queries.of(f"q{i}") for i in range(COUNT)] + [documents.of(f"d{i}") for i in range(COUNT)]
        self.near: Any = None

    def __call__(self, step: int, encoder: Dense) -> Mapping[str, float]:
        lengths = np.array([len(row) for row in self.rows])
        represent = partial(represent_rows, encoder, self.rows, role="document")
        vectors = unit(vectors_of(represent, lengths, budget=2048).vectors.numpy())
        queries, documents = vectors[:COUNT], vectors[COUNT:]
        own = documents @ documents.T
        near = np.argsort(-own, axis=1)[:, 1:6]
        self.near = near if self.near is None else self.near
        scores = queries @ documents.T
        ranks = (scores > np.diag(scores)[:, None]).sum(axis=1) + 1
        return {
            "geometry/effective_rank/document": effective_rank(documents),
            "geometry/mean_cosine/document": float(own[np.triu_indices(COUNT, 1)].mean()),
            "geometry/overlap@10/document": np.mean(
                [len({*a} & {*b}) / 5 for a, b in zip(near, self.near, strict=True)]
            ),
            "dev/RR@10": float(np.where(ranks <= 10, 1 / ranks, 0).mean()),
        }


def wrong_groups(shift: int = 3) -> list[Group]:
    """Labels shuffled: each query's positive is another query's document, its own may be a negative."""
    return [Group(f"q{i}", (f"d{(i + shift) % COUNT}",), (f"d{i}",)) for i in range(COUNT)]


def course(recipe: Recipe, groups: list[Group] | None = None) -> Course:
    """What a logbook of that training would hold."""
    encoder = dense(dropout=0.0, unit=not isinstance(recipe.scoring, Dot))
    texts = toy_texts(encoder)
    with tempfile.TemporaryDirectory() as folder:
        log = train(encoder, recipe, groups or toy_groups(), *texts, 3, Path(folder), observers=[Look(texts)])
    series: dict[str, list[tuple[int, float]]] = {}
    for step, measure, value in log:
        name = measure if measure.startswith(("geometry/", "dev/")) else f"train/{measure}"
        series.setdefault(name, []).append((step, value))
    return series


def at(recipe: Recipe, rate: float, warmup: float = 0.1, **changed: Any) -> Recipe:
    return replace(recipe, optimizer=AdamW(learning_rate=rate), schedule=WarmupLinear(warmup), **changed)


RUNS: dict[str, tuple[Recipe, list[Group]]] = {
    "healthy InfoNCE": (at(INFONCE, 5e-4), toy_groups()),
    "healthy Triplet": (replace(TRIPLET, updates=40), toy_groups()),
    "pulled together": (at(INFONCE, 1e-2, loss=Together()), toy_groups()),
    "rate of nearly zero, wrong labels": (at(INFONCE, 1e-9, loss=InfoNCE(1.0), updates=40), wrong_groups()),
    "wrong labels": (INFONCE, wrong_groups()),
    "no margin": (replace(TRIPLET, loss=Triplet(margin=1e-3)), toy_groups()),
    "a margin beyond all distances": (replace(TRIPLET, loss=Triplet(margin=50.0)), toy_groups()),
    "cold": (at(INFONCE, 2e-3, loss=InfoNCE(1e-3)), toy_groups()),
    "running away": (at(INFONCE, 0.5, 1.0, loss=Runaway(), scoring=Dot(), clip=float("inf"), updates=40), toy_groups()),
}


@cache
def told(name: str) -> tuple[Course, dict[str, Any]]:
    recipe, groups = RUNS[name]
    series = course(recipe, groups)
    negatives = series.get("train/negatives", [(0, 1.0)])[0][1]
    return series, {"chance": recipe.loss.chance(round(1 + negatives))}


@pytest.mark.parametrize("name", ["healthy InfoNCE", "healthy Triplet"])
def test_every_alarm_is_silent_on_a_healthy_training(name: str) -> None:
    series, about = told(name)
    dev = [value for _, value in series["dev/RR@10"]]
    assert dev[-1] > dev[0] + 0.4  # it is healthy: every diagnostic was there, and the search got better
    assert {"train/score_spread", "geometry/overlap@10/document"} <= series.keys()
    assert alarms(series, about) == ()


def raised(name: str, series: Course, about: Mapping[str, Any]) -> Alarm | None:
    return next((alarm for alarm in alarms(series, about) if alarm.name == name), None)


PROVOKED: list[tuple[str, str, str]] = [
    ("collapse", "pulled together", "geometry/effective_rank/document went from"),
    ("loss at chance", "rate of nearly zero, wrong labels", "was no better than chance (2.4)"),
    ("dev falls", "wrong labels", "while dev/RR@10 fell from"),
    ("dead triplets", "no margin", "of triplets gave a gradient"),
    ("margin out of reach", "a margin beyond all distances", "were within the margin"),
    ("constant scores", "pulled together", "all documents score alike"),
    ("saturated temperature", "cold", "the positive's mean probability was"),
    ("drift", "wrong labels", "the last look with dev/RR@10 not below the base's"),
    ("exploding norm", "running away", "being usual"),
]


@pytest.mark.parametrize(("alarm_name", "name", "part"), PROVOKED, ids=[name for name, _, _ in PROVOKED])
def test_a_training_that_goes_wrong_raises_its_alarm_and_needs_nothing_later(
    alarm_name: str, name: str, part: str
) -> None:
    series, about = told(name)
    alarm = raised(alarm_name, series, about)
    assert alarm is not None
    assert part in alarm.sentence

    def until(step: int) -> Course:
        return {m: kept for m, points in series.items() if (kept := [p for p in points if p[0] <= step])}

    assert raised(alarm_name, until(alarm.step), about) == alarm
    assert raised(alarm_name, until(alarm.step - 1), about) is None


def test_all_alarms_are_provoked_above() -> None:
    assert {name for name, _, _ in PROVOKED} == set(ALARMS)


def test_alarms_come_in_the_order_of_updates_and_nothing_is_said_of_what_was_not_measured() -> None:
    series, about = told("pulled together")
    steps = [alarm.step for alarm in alarms(series, about)]
    assert steps == sorted(steps)
    assert len(steps) >= 2
    assert alarms({"train/padding_share": [(0, 0.1)]}, {}) == ()


def noisy(seed: int, looks: int, fall: float, sd: float) -> Course:
    """A falling loss, and a dev measure that falls by `fall` a look under noise."""
    rng = np.random.default_rng(seed)
    dev = [(10 * i, 0.6 - fall * i + sd * rng.normal()) for i in range(looks)]
    return {"train/loss": [(s, 2 - s / (10 * looks)) for s in range(10 * looks)], "dev/RR@10": dev}


def test_a_dev_measure_that_only_wavers_seldom_raises_the_alarm_and_one_that_falls_does() -> None:
    wavering = [raised("dev falls", noisy(seed, looks=20, fall=0.0, sd=0.02), {}) for seed in range(100)]
    assert sum(alarm is not None for alarm in wavering) <= 10
    falling = [raised("dev falls", noisy(seed, looks=20, fall=0.01, sd=0.02), {}) for seed in range(20)]
    assert sum(alarm is not None for alarm in falling) >= 18
    rising_loss = dict(noisy(0, looks=20, fall=0.01, sd=0.0))
    assert raised("dev falls", rising_loss, {})
    rising_loss["train/loss"] = [(s, 1 + s / 100) for s in range(200)]
    assert raised("dev falls", rising_loss, {}) is None


def test_a_warm_up_and_a_slow_fall_are_not_at_chance() -> None:
    at_chance = [(s, 2.0 + 0.01 * (-1) ** s) for s in range(60)]
    falling = [(s, 2.03 - 0.001 * s) for s in range(60)]
    warm_up = {"train/loss": at_chance, "train/learning_rate": [(s, min(s, 30) * 1e-6) for s in range(60)]}
    about = {"chance": 2.0}
    assert raised("loss at chance", {"train/loss": falling}, about) is None
    alarm = raised("loss at chance", warm_up, about)
    assert alarm is not None
    assert alarm.step == 49  # the rate stands still from update 30
    assert raised("loss at chance", {"train/loss": at_chance}, {"chance": None}) is None


def test_a_norm_explodes_when_it_stays_high_or_is_no_number() -> None:
    norms = [1.0] * 30
    once, thrice, broken = norms.copy(), norms.copy(), norms.copy()
    once[20] = 50.0
    thrice[20:23] = [50.0, 30.0, 40.0]
    broken[5] = float("nan")
    explosions = [
        raised("exploding norm", {"train/gradient_norm": list(enumerate(n))}, {}) for n in (norms, once, thrice, broken)
    ]
    assert [alarm and alarm.step for alarm in explosions] == [None, None, 22, 5]
    assert isinstance(explosions[2], Alarm)
    assert explosions[2].sentence.startswith("the gradient norm is 40, 1 being usual.")
