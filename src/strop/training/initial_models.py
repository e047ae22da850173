"""Initial models: what a training starts from, made of the base: another architecture, or its first layers, distilled
from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from strop.artifacts.store import Stage, Store
from strop.losses.distillation import KLDivergence
from strop.models.architecture import Architecture, Untied, keep_layers
from strop.models.cross_encoder import FreshHead
from strop.models.late_interaction import Late
from strop.models.precision import native
from strop.models.pretrained import Pretrained
from strop.negatives.examples import Examples
from strop.negatives.from_run import RankWindow
from strop.training.optimizers import AdamW
from strop.training.recipes import DISTILL_KL
from strop.training.stage import Training, tuned_model

START = Stage("start", 1)
#: What a dense model can be turned into before it is tuned.
ARCHITECTURES: Mapping[str, Architecture] = {"untied": Untied(), "late": Late(), "reranker": FreshHead()}
#: What the first layers are distilled on: documents the base ranks high for a training query, with its scores.
DISTILLATION_WINDOW = RankWindow(1, 100, count=7)
DISTILLATION_EPOCHS, DISTILLATION_OPTIMIZER = 2, AdamW(1e-4)
#: Both score by cosine, hence one temperature: at 1 the base would rate all documents about the same.
DISTILLATION_LOSS = KLDivergence(temperature=0.05, teacher_temperature=0.05)


def converted(store: Store, base: Pretrained, architecture: Architecture) -> Pretrained:
    """Artifact `start`: the base in this architecture, on the same transformer weights."""
    return _started(store, base, architecture, architecture.convert)


def seeded(architecture: Architecture, seed: int) -> Architecture:
    """The architecture with its own random draws, if it makes any, from `seed`."""
    value: Any = architecture
    return replace(value, seed=seed) if hasattr(value, "seed") else architecture


def shortened(store: Store, base: Pretrained, layers: int) -> Pretrained:
    """Artifact `start`: the base's first layers only, as they are."""
    return _started(store, base, layers, lambda source, target: keep_layers(source, target, layers))


def _started(store: Store, base: Pretrained, value: Any, write: Callable[[Path, Path], None]) -> Pretrained:
    def make(folder: Path) -> None:
        write(base.path, folder / "model")

    return tuned_model(store.build(START, value, {"model": base.identity}, make))


def distillation(store: Store, base: Pretrained, layers: int, examples: Examples, size: int, seed: int) -> Training:
    """Distillation of the base into its first layers, on groups with the base's scores, `size` in a batch."""
    batching = replace(DISTILL_KL.batching, size=size)
    recipe = replace(
        DISTILL_KL,
        loss=DISTILLATION_LOSS,
        optimizer=DISTILLATION_OPTIMIZER,
        batching=batching,
        updates=DISTILLATION_EPOCHS * batching.per_epoch(len(examples.groups)),
        precision=native("bfloat16"),
        token_budget=4096,
    )
    return Training(shortened(store, base, layers), recipe, examples, {}, seed)
