"""Updates of a training: strop, and sentence-transformers' trainer on the same batches in the same order."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strop.artifacts.progress import Progress
from strop.bench import floors
from strop.bench.comparison import Plan, Report, Row, compared
from strop.bench.examples import examples_of
from strop.bench.interleaved import Build, Times, Turn, alone, clocked, in_turns, reusing
from strop.bench.library_training import dataset_of, fit
from strop.models.adapters import LoRA
from strop.models.dense import Dense
from strop.models.pretrained import resolve
from strop.models.scoring import Euclidean
from strop.models.transformer import prompt_of
from strop.negatives.examples import Examples
from strop.records.documents import Group
from strop.records.errors import InputError
from strop.training import loop
from strop.training.optimizers import AdamW, WarmupLinear
from strop.training.recipes import IN_BATCH_FULL, TRIPLET_FULL, TRIPLET_LORA, Recipe
from strop.training.stage import texts_of

BATCH, UPDATES = 32, 3
#: The trainer's own optimizer and schedule.
_LIKE_THE_TRAINER: dict[str, Any] = {
    "optimizer": AdamW(5e-5, weight_decay=0.0),
    "schedule": WarmupLinear(0.0),
    "updates": UPDATES,
    "max_length": None,
}
#: Between unit vectors: the trainer's loss sees what comes out of the model, and most models end in these.
UNIT = Euclidean(squared=False, normalized=True)
RECIPES: dict[str, Recipe] = {
    name: replace(recipe, **_LIKE_THE_TRAINER)
    for name, recipe in (
        ("triplet", replace(TRIPLET_FULL, scoring=UNIT)),
        ("in-batch", IN_BATCH_FULL),
        ("triplet, LoRA", replace(TRIPLET_LORA, scoring=UNIT)),
    )
}
PEER = "SentenceTransformerTrainer"
#: Whose ratio of strop's LoRA to strop's own full tuning is a row too.
FULL, ADAPTED = "triplet", "triplet, LoRA"
#: What takes turns with each other: not all, for each keeps the memory that it had.
TOGETHER = ((FULL, ADAPTED), ("in-batch",))


def plan(model: str, on: str, rounds: int, progress: Progress) -> Plan:
    """Raises InputError where there are too few training queries, for a model that is not dense, for one without the
    projections that LoRA's recipe names, and where the package datasets is not installed."""
    folder, examples = resolve(model).path, _apart(examples_of(2 * BATCH * UPDATES, on))
    if len(examples.groups) < BATCH * UPDATES:
        remedy = f"Give a collection with {BATCH * UPDATES}"
        raise InputError(f"{on} has {len(examples.groups)} training queries with documents of their own", remedy=remedy)
    dataset_of({})
    work = alone(_work, folder, examples)
    seconds = floors.estimated(3 * work.flops * 2 * len(RECIPES) * (rounds + 1))
    return Plan(seconds, partial(_report, folder, examples, work, rounds, progress))


def _apart(examples: Examples) -> Examples:
    """Of as many updates, no document in two groups: strop reads it once, and the library twice."""
    seen: set[str] = set()
    groups: list[Group] = []
    for group in examples.groups:
        own = {*group.positives, *group.negatives, *group.relevant}
        if len(groups) < BATCH * UPDATES and not own & seen:
            groups.append(group)
            seen |= own
    return examples.only(groups)


def _report(folder: Path, examples: Examples, work: floors.Work, rounds: int, progress: Progress) -> Report:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    times: dict[str, Times] = {}
    for names in TOGETHER:
        sides: dict[str, Build] = {floors.BARE: partial(floors.bare, work.shapes, device)}
        for name in names:
            sides[name] = partial(reusing, partial(_strop, folder, examples, RECIPES[name]))
            sides[f"{name}, {PEER}"] = partial(reusing, partial(_peer, folder, examples, RECIPES[name]))
        times |= in_turns(f"train {UPDATES} updates of {BATCH}, {names[0]}", sides, rounds, progress)
    rows = [_row(name, times) for name in RECIPES]
    rows.append(replace(compared(_title(ADAPTED), times, ADAPTED, FULL), peer="strop's full tuning"))
    notes = [
        floors.reached(f"strop, {_title(name)}", median(times[name].seconds), work, times[floors.BARE], passes=3)
        for name in RECIPES
        if name != ADAPTED
    ]
    return Report(tuple(rows), tuple(notes))


def _row(name: str, times: Mapping[str, Times]) -> Row:
    peer = f"{name}, {PEER}"
    differ = max(abs(a - b) for a, b in zip(times[name].outcome, times[peer].outcome, strict=True))
    agreement = f"without dropout the losses of {UPDATES} updates differ by {differ:.0e} at most"
    return replace(compared(_title(name), times, name, peer, agreement), peer=PEER + ", peft" * (name == ADAPTED))


def _title(name: str) -> str:
    return f"train {UPDATES} updates of {BATCH}, {name}, float32"


def _strop(folder: Path, examples: Examples, recipe: Recipe) -> tuple[Turn, list[float]]:
    """A turn tokenizes, and trains with the model's own dropout; what it comes to are the losses without any."""

    def train(value: Recipe) -> tuple[float, list[float]]:
        encoder, log = Dense.load(folder), []

        def work() -> None:
            log.extend(loop.train(encoder, value, examples.groups, *texts_of(encoder, examples), 0, Path(place)))

        with tempfile.TemporaryDirectory() as place:
            return clocked(work), [entry.value for entry in log if entry.measure == "loss"]

    return lambda: train(recipe)[0], train(_without_dropout(recipe))[1]


def _peer(folder: Path, examples: Examples, recipe: Recipe) -> tuple[Turn, list[float]]:
    """The same by the trainer, whose seconds leave out loading and its own making."""
    batches = [recipe.batching.batch(examples.groups, 0, step) for step in range(UPDATES)]
    own = {group.query_id: group for group in examples.groups}
    groups = [own[query_id] for batch in batches for query_id in batch.query_ids]
    dataset = dataset_of(
        {
            "anchor": [examples.queries[g.query_id] for g in groups],
            "positive": [examples.documents[g.positives[0]] for g in groups],
            "negative": [examples.documents[g.negatives[0]] for g in groups],
        }
    )

    def train(value: Recipe) -> tuple[float, list[float]]:
        encoder = Dense.load(folder)
        if value.dropout is not None:
            encoder.set_dropout(value.dropout)
        model = encoder.model
        if isinstance(value.tuning, LoRA):
            _adapt(model, value.tuning)
        loss, losses = _loss(value, model), []
        loss.register_forward_hook(lambda module, inputs, output: losses.append(float(output.detach())))
        metrics = fit(
            model, loss, dataset, per_device_train_batch_size=BATCH, max_steps=UPDATES, batch_sampler=_in_order,
            prompts={"anchor": prompt_of(model, "query"),
                     "positive": prompt_of(model, "document"), "negative": prompt_of(model, "document")},
        )  # fmt: skip
        return metrics["train_runtime"], losses

    return lambda: train(recipe)[0], train(_without_dropout(recipe))[1]


def _loss(recipe: Recipe, model: Any) -> nn.Module:
    from sentence_transformers.sentence_transformer import losses

    if recipe.batching.in_batch:
        return losses.MultipleNegativesRankingLoss(model, scale=20.0)  # InfoNCE(0.05)
    return losses.TripletLoss(model, distance_metric=_distance, triplet_margin=5.0)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    distances: Tensor = torch.linalg.vector_norm(nn.functional.normalize(a) - nn.functional.normalize(b), dim=-1)
    return distances


def _adapt(model: Any, tuning: LoRA) -> None:
    """The adapter that `LoRA.prepare` adds, by the library's own way and of the same random weights."""
    from peft import LoraConfig, TaskType

    torch.manual_seed(0)
    model.add_adapter(
        LoraConfig(
            r=tuning.r, lora_alpha=tuning.alpha, lora_dropout=tuning.dropout, target_modules=list(tuning.targets),
            bias="none", task_type=TaskType.FEATURE_EXTRACTION,
        )
    )  # fmt: skip


def _in_order(dataset: Any, batch_size: int, **rest: Any) -> Any:
    """The trainer's batches: as strop drew them."""
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from torch.utils.data import SequentialSampler

    return DefaultBatchSampler(SequentialSampler(dataset), batch_size=batch_size, **rest)


def _without_dropout(recipe: Recipe) -> Recipe:
    tuning = recipe.tuning
    return replace(recipe, dropout=0.0, tuning=replace(tuning, dropout=0.0) if isinstance(tuning, LoRA) else tuning)


def _work(folder: Path, examples: Examples) -> floors.Work:
    """Of all texts of the updates. Tokenizing is timed a second time, once it is warm."""
    encoder = Dense.load(folder)
    sides = texts_of(encoder, examples)
    lengths = np.concatenate([texts.tokens.lengths for texts in sides])
    return floors.work_of(encoder, lengths, clocked(lambda: texts_of(encoder, examples)), int(lengths.sum()))
