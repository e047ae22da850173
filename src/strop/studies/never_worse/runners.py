"""Runners of the race: ways to make a model from the same training pairs, `strop tune` aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from strop.artifacts.store import Stage
from strop.bench.library_training import library_trained
from strop.models.interpolation import interpolate
from strop.models.pretrained import Pretrained, resolve
from strop.negatives.examples import Examples
from strop.training.recipes import recipe
from strop.training.stage import tuned_model
from strop.tuning.candidates import Candidate
from strop.tuning.trials import Trials
from strop.tuning.tune import Tuning

MIXED = Stage("race mixture", 1)


@dataclass(frozen=True, slots=True)
class Made:
    """A model, how many pairs it was trained on, each time counted, and the seconds of its training alone."""

    model: Pretrained
    pairs: int
    seconds: float


#: Called with the collection's tuning and the number of pairs that everyone may train on.
Runner = Callable[[Tuning, int], Made]


def _named(name: str, tuning: Tuning, pairs: int) -> Made:
    """A recipe of `strop train` at its defaults, with one mined negative a query where it has none of the batch."""
    of = recipe(name)
    store, seed, progress = tuning.store, tuning.request.seed, tuning.phases.progress
    trials = Trials(store, tuning.base, tuning.domain, of.precision, seed, pairs, _nothing, progress)
    artifact, training = trials(Candidate(name, of, negatives=0 if of.batching.in_batch else 1), pairs)
    return Made(
        tuned_model(artifact), training.recipe.updates * of.batching.size, float(artifact.record["wall_seconds"])
    )


def _nothing() -> Examples:
    return Examples((), {}, {})


def _library(tuning: Tuning, pairs: int, mined: bool = False) -> Made:
    """One epoch of the first pairs by sentence-transformers' trainer at its documented defaults."""
    examples = tuning.domain.examples
    first = examples.only(examples.groups[:pairs])
    artifact = library_trained(
        tuning.store, tuning.base, first, tuning.request.seed, tuning.phases.progress, mined=mined
    )
    return Made(tuned_model(artifact), artifact.record["pairs"], float(artifact.record["train_seconds"]))


def _mixed(share: float, tuning: Tuning, pairs: int) -> Made:
    """The library's model mixed with the base: LM-Cocktail (arXiv 2311.13534), and `SentenceTransformer.merge`, whose
    default gives both the same weight."""
    trained = _library(tuning, pairs)

    def make(folder: Path) -> None:
        interpolate(tuning.base.path, [trained.model.path], share, folder / "model")

    inputs = {"base": tuning.base.identity, "tuned": trained.model.identity}
    mixture = tuning.store.build(MIXED, share, inputs, make)
    return Made(resolve(str(mixture.path / "model")), trained.pairs, trained.seconds)


LIBRARY = "sentence-transformers' default"

#: In planned order. The third paper's recipes train cross-encoders, which a race of encoders has no place for.
RUNNERS: Mapping[str, Runner] = {
    LIBRARY: _library,
    f"{LIBRARY}, mixed with the base at 0.7": partial(_mixed, 0.7),
    f"{LIBRARY}, merged with the base": partial(_mixed, 0.5),
    f"{LIBRARY}, with its mined negatives": partial(_library, mined=True),
    "in-batch-full": partial(_named, "in-batch-full"),
    "in-batch-lora (Lee et al.)": partial(_named, "in-batch-lora"),
    "triplet-full (When Fine-Tuning Fails)": partial(_named, "triplet-full"),
    "triplet-lora (When Fine-Tuning Fails)": partial(_named, "triplet-lora"),
}
