"""Training as a stage: a recipe, examples and a seed -> an artifact folder with the tuned model."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from strop.artifacts.keys import content_key
from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, Stage, Store
from strop.models.adapters import export
from strop.models.dense import parameter_ledger
from strop.models.encoder import Model, Role
from strop.models.loading import load_any
from strop.models.pretrained import Pretrained, resolve
from strop.monitoring.logbook import TRAIN, Logbook, Sink, namespaced
from strop.monitoring.monitor import Monitor
from strop.monitoring.probe import Look, Probe
from strop.monitoring.selection import Best
from strop.negatives.examples import Examples
from strop.records.errors import InputError, InputWarning
from strop.records.results import write_json
from strop.training import checkpoint, loop
from strop.training.forwards import Texts, count_cut
from strop.training.held_out import CosineAccuracy
from strop.training.recipes import Recipe

SNAPSHOT = Stage("snapshot", 1)


@dataclass(frozen=True, slots=True)
class Training:
    """One training to do: all that decides its outcome.

    Each of `held_out` is measured as `cosine_accuracy/NAME`, as often as the recipe's selection looks, else half-way.
    `probe` is what the monitor looks at, if any. Unless the recipe selects by it, it changes what is logged and never
    the weights, so that an earlier training under another probe is reused. `until` ends the training after so many
    updates of its schedule. `earlier` is a training that ended so, perhaps on other examples; this one continues it
    with the same optimiser, on negatives mined anew. Raises InputError unless 0 <= seed < 2^63.
    """

    base: Pretrained
    recipe: Recipe
    examples: Examples
    held_out: Mapping[str, Examples]
    seed: int
    probe: Probe | None = None
    snapshots: int = 0
    until: int | None = None
    earlier: Training | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise InputError(f"the seed is {self.seed:,}", remedy="Give a number from 0 to below 2^63")

    def __call__(self, store: Store, progress: Progress = silent, tracker: Sink | None = None) -> Artifact:
        """Artifact `train`: `model/` in sentence-transformers' layout (LoRA merged, its adapter in `model/adapter`),
        `log.json` of [update, measure, value], the same as a logbook, and the parameter ledger in the record.

        `tracker` gets what is logged as it comes. Killed, it goes on from its last checkpoint to the same weights.
        Raises NonFiniteLossError.
        """

        def make(folder: Path) -> dict[str, Any]:
            recipe, examples = self.recipe, self.examples
            encoder = load_any(self.base.path, recipe.max_length)
            encoder.check(recipe.scoring, recipe.batching.in_batch)
            queries, documents = texts_of(encoder, examples)
            cut, pairs = count_cut(encoder, examples.groups, queries, documents)
            if cut:
                problem = f"{cut:,} of {pairs:,} pairs are longer than the model's {encoder.max_length} tokens: cut"
                warnings.warn(problem, InputWarning, stacklevel=2)
            logbook = Logbook(folder, self._about(), self.seed, tracker)
            if self.earlier:
                checkpoint.take_over(self.earlier(store, progress).path, folder)
            with progress(f"train {recipe.updates} updates of {recipe.batching.size}", recipe.updates) as advance:
                started = time.perf_counter()
                monitor = self._monitor(encoder, logbook)
                observers = [*self._observers(encoder), *([monitor] if monitor else [])]
                log = loop.train(
                    encoder, recipe, examples.groups, queries, documents, self.seed, folder, observers, advance,
                    logbook=logbook, snapshots=self.snapshot_steps, until=self.until,
                )  # fmt: skip
                took = time.perf_counter() - started
            stopped = recipe.selection.stops(log) if recipe.selection else None
            summary = {"train_seconds": round(took, 2), "stopped": stopped, **(monitor.cost(took) if monitor else {})}
            logbook.end(**summary)
            ledger = parameter_ledger(encoder.module)
            export(encoder, folder / "model", self.base.name, self._sentences)
            write_json(log, folder / "log.json")
            if self.until is None:
                checkpoint.clear(folder)
            return {"ledger": ledger, "base": self.base.title, "groups": len(examples.groups), **summary}

        return store.build(TRAIN, self._values, self._inputs, make, resumable=True)

    @property
    def snapshot_steps(self) -> tuple[int, ...]:
        """The numbers of updates after which the weights are kept."""
        return tuple(round(self.recipe.updates * (i + 1) / self.snapshots) for i in range(self.snapshots))

    def snapshot(self, store: Store, updates: int, progress: Progress = silent) -> Artifact:
        """Artifact `snapshot`: `model/` as it was after so many updates, in sentence-transformers' layout."""
        trained = self(store, progress)

        def make(folder: Path) -> None:
            encoder = load_any(self.base.path, self.recipe.max_length)
            self.recipe.tuning.prepare(encoder, self.seed)
            checkpoint.restore_weights(loop.snapshot(trained.path, updates), encoder.module)
            export(encoder, folder / "model", self.base.name, self._sentences)

        return store.build(SNAPSHOT, updates, {"train": trained.key}, make)

    @property
    def _sentences(self) -> list[str]:
        """Some of its texts, on which a merged adapter must give what the unmerged one gave."""
        return list(self.examples.queries.values())[:8] + list(self.examples.documents.values())[:8]

    def _monitor(self, model: Model, logbook: Logbook) -> Monitor | None:
        if self.probe is None or model.encoder is None:
            return None
        fixed = self._every if self._chosen_by_the_probe else None
        look = Look.of(self.probe, model.encoder)
        return Monitor.of(look, model.encoder, self.recipe.updates, fixed=fixed, draw=logbook.project)

    @property
    def _every(self) -> int:
        return max(1, round(self.recipe.updates * (self.recipe.selection or Best()).share))

    @property
    def _chosen_by_the_probe(self) -> bool:
        """Whether the monitor decides which weights are kept: then what it looks at decides the outcome."""
        rule = self.recipe.selection
        return rule is not None and namespaced(rule.measure) == rule.measure

    def _about(self) -> dict[str, Any]:
        batch = self.recipe.batching.batch(self.examples.groups, self.seed, 0)
        candidates = 1 + round(float((~(batch.targets | batch.mask)).sum(1).float().mean()))
        return {
            "title": f"{self.base.title}, {self.recipe.tuning}",
            "updates": self.recipe.updates,
            "loss": str(self.recipe.loss),
            "chance": self.recipe.loss.chance(candidates),
            "learning_rate": self.recipe.optimizer.learning_rate,
            "batch": self.recipe.batching.size,
        }

    def _observers(self, encoder: Model) -> list[loop.Observer]:
        return [
            CosineAccuracy(watched.groups, *texts_of(encoder, watched), self._every, f"cosine_accuracy/{name}")
            for name, watched in self.held_out.items()
        ]

    @property
    def _values(self) -> dict[str, Any]:
        optional = {"snapshots": self.snapshots, "until": self.until}
        return {"recipe": self.recipe, "seed": self.seed, **{name: value for name, value in optional.items() if value}}

    @property
    def _inputs(self) -> dict[str, str]:
        return {
            **({"probe": content_key(self.probe)} if self._chosen_by_the_probe else {}),
            **({"earlier": content_key(self.earlier._values, self.earlier._inputs)} if self.earlier else {}),
            "model": self.base.identity,
            "examples": content_key(asdict_examples(self.examples)),
            "held_out": content_key({name: asdict_examples(watched) for name, watched in self.held_out.items()}),
        }


def tuned_model(artifact: Artifact) -> Pretrained:
    return resolve(str(artifact.path / "model"))


def asdict_examples(examples: Examples) -> dict[str, Any]:
    """Plain values, sets sorted, for a content key."""
    groups = [{**asdict(g), "relevant": sorted(g.relevant)} for g in examples.groups]
    for group in groups:
        if not group["teacher"]:
            del group["teacher"]  # what was made before groups had one keeps its key
    return {"groups": groups, "queries": dict(examples.queries), "documents": dict(examples.documents)}


def texts_of(encoder: Model, examples: Examples) -> tuple[Texts, Texts]:
    """The examples' queries and documents as tokens."""

    def tokenized(texts: Mapping[str, str], role: Role) -> Texts:
        return Texts(encoder.tokenize(list(texts.values()), role), {text_id: i for i, text_id in enumerate(texts)})

    return tokenized(examples.queries, "query"), tokenized(examples.documents, "document")
