"""Initial models: what a training starts from, made of the base: another architecture, or its first layers, distilled
from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from strop.artifacts.store import Stage, Store
from strop.losses.distillation import KLDivergence
from strop.models.architecture import Architecture, Untied, keep_layers
from strop.models.cross_encoder import FreshHead
from strop.models.late_interaction import Late
from strop.models.pretrained import Pretrained, resolve
from strop.negatives.examples import Examples
from strop.negatives.from_run import RankWindow
from strop.training.optimizers import AdamW
from strop.training.recipes import DISTILL_KL
from strop.training.stage import Training

START = Stage("start", 1)
#: What a dense model can be turned into before it is tuned.
ARCHITECTURES: Mapping[str, Architecture] = {"untied": Untied(), "late": Late(), "reranker": FreshHead()}
#: What the first layers are distilled on: documents the base ranks high for a training query, with its scores.
LESSON_WINDOW = RankWindow(1, 100, count=7)
LESSON_EPOCHS, LESSON_OPTIMIZER = 2, AdamW(1e-4)
#: Both score by cosine, hence one temperature: at 1 the base would rate all documents about the same.
LESSON_LOSS = KLDivergence(temperature=0.05, teacher_temperature=0.05)


def converted(store: Store, base: Pretrained, architecture: Architecture) -> Pretrained:
    """Artifact `start`: the base in this architecture, on the same transformer weights."""

    def make(folder: Path) -> None:
        architecture.convert(base.path, folder / "model")

    return resolve(str(store.build(START, architecture, {"model": base.identity}, make).path / "model"))


def seeded(architecture: Architecture, seed: int) -> Architecture:
    """The architecture with its own random draws, if it makes any, from `seed`."""
    value: Any = architecture
    return replace(value, seed=seed) if any(f.name == "seed" for f in fields(value)) else architecture


def shortened(store: Store, base: Pretrained, layers: int) -> Pretrained:
    """Artifact `start`: the base's first layers only, as they are."""

    def make(folder: Path) -> None:
        keep_layers(base.path, folder / "model", layers)

    return resolve(str(store.build(START, layers, {"model": base.identity}, make).path / "model"))


def teaching(store: Store, base: Pretrained, layers: int, lesson: Examples, size: int, seed: int) -> Training:
    """Distillation of the base into its first layers, on `lesson`: groups with the base's scores."""
    batching = replace(DISTILL_KL.batching, size=size)
    updates = LESSON_EPOCHS * batching.per_epoch(len(lesson.groups))
    recipe = replace(
        DISTILL_KL,
        loss=LESSON_LOSS,
        optimizer=LESSON_OPTIMIZER,
        batching=batching,
        updates=updates,
        precision="bfloat16",
        token_budget=4096,
    )
    return Training(shortened(store, base, layers), recipe, lesson, {}, seed)
