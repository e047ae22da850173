"""Training as a stage: a recipe, examples and a seed -> an artifact folder with the tuned model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from strop import checkpoint, train
from strop.artifacts import Artifact, Stage, Store, content_key
from strop.held_out import CosineAccuracy
from strop.models.adapters import export
from strop.models.dense import Dense, parameter_ledger
from strop.models.encoder import Role
from strop.models.pretrained import Pretrained, resolve
from strop.negatives.group_files import Examples
from strop.results import write_json
from strop.stages import Progress, silent
from strop.train import Best, Recipe, Texts

TRAIN = Stage("train", 3)


@dataclass(frozen=True, slots=True)
class Training:
    """One training to do: all that decides its outcome.

    `held_out` are watched, each as `cosine_accuracy/NAME`, as often as the recipe's selection looks, else half-way.
    """

    base: Pretrained
    recipe: Recipe
    examples: Examples
    held_out: Mapping[str, Examples]
    seed: int

    def found(self, store: Store) -> Artifact | None:
        """Its artifact, if it was made before."""
        return store.find(TRAIN, store.key(TRAIN, self._values, self._inputs))

    def __call__(self, store: Store, progress: Progress = silent) -> Artifact:
        """Artifact `train`: `model/` in sentence-transformers' layout (LoRA merged, its adapter in `model/adapter`),
        `log.json` of [update, measure, value], and the parameter ledger in the record.

        Killed, it goes on from its last checkpoint to the same weights. Raises NonFiniteLossError.
        """

        def make(folder: Path) -> dict[str, Any]:
            recipe, examples = self.recipe, self.examples
            encoder = Dense.load(self.base.path, recipe.max_length)
            queries, documents = texts_of(encoder, examples, "query"), texts_of(encoder, examples, "document")
            with progress(f"train {recipe.updates} updates of {recipe.batching.size}", recipe.updates) as advance:
                watching = self._observers(encoder)
                log = train.train(
                    encoder, recipe, examples.groups, queries, documents, self.seed, folder, watching, advance
                )
            ledger = parameter_ledger(encoder.module)
            probe = list(examples.queries.values())[:8] + list(examples.documents.values())[:8]
            export(encoder, folder / "model", self.base.name, probe)
            write_json(log, folder / "log.json")
            checkpoint.clear(folder)
            return {"ledger": ledger, "base": self.base.title, "groups": len(examples.groups)}

        return store.build(TRAIN, self._values, self._inputs, make, resumable=True)

    def _observers(self, encoder: Dense) -> list[CosineAccuracy]:
        every = max(1, round(self.recipe.updates * (self.recipe.selection or Best()).share))
        return [
            CosineAccuracy(
                watched.groups,
                texts_of(encoder, watched, "query"),
                texts_of(encoder, watched, "document"),
                every,
                f"cosine_accuracy/{name}",
            )
            for name, watched in self.held_out.items()
        ]

    @property
    def _values(self) -> dict[str, Any]:
        return {"recipe": self.recipe, "seed": self.seed}

    @property
    def _inputs(self) -> dict[str, str]:
        return {
            "model": self.base.identity,
            "examples": content_key(asdict_examples(self.examples)),
            "held_out": content_key({name: asdict_examples(watched) for name, watched in self.held_out.items()}),
        }


def tuned_model(artifact: Artifact) -> Pretrained:
    return resolve(str(artifact.path / "model"))


def asdict_examples(examples: Examples) -> dict[str, Any]:
    """Plain values, sets sorted, for a content key."""
    groups = [{**asdict(g), "relevant": sorted(g.relevant)} for g in examples.groups]
    return {"groups": groups, "queries": dict(examples.queries), "documents": dict(examples.documents)}


def texts_of(encoder: Dense, examples: Examples, role: Role) -> Texts:
    """The examples' queries or documents as tokens."""
    texts = examples.queries if role == "query" else examples.documents
    return Texts(encoder.tokenize(list(texts.values()), role), {text_id: i for i, text_id in enumerate(texts)})
