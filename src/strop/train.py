"""The training loop: one page, no callbacks but observers, every update a pure function of (seed, step)."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from strop import checkpoint, chunks
from strop.artifacts import ADDED
from strop.batches import Batch, Batching
from strop.forwards import Forward, forward_of
from strop.forwards import Texts as Texts
from strop.logbook import Logbook
from strop.losses.protocol import Loss
from strop.models.adapters import Tuning
from strop.models.encoder import Encoder
from strop.models.pair_scorer import PairScorer
from strop.nouns import Group, InputError, NonFiniteLossError
from strop.optimizers import Chained, Optimizer, Schedule
from strop.scoring import Joint, Representation, Scoring
from strop.selection import Selection, looks
from strop.tokens import padding_share

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a training run but its data and seed. `token_budget` is padded tokens a chunk.

    `precision` is that of the forward pass: bfloat16 by autocast, weights and loss in float32 either way. `dropout`
    replaces the model's own rate (None: as it comes). `selection` None keeps the last update's weights. `recompute`
    bounds memory by one chunk, whatever the batch, for a second forward pass (GradCache, arXiv 2101.06983).
    Raises InputError when `updates` or `token_budget` is below 1, `clip` not above 0, `max_length` below 3 (room for
    one token between the special ones), `dropout` outside [0, 1), or `precision` unknown.
    """

    tuning: Tuning
    scoring: Scoring
    loss: Loss
    batching: Batching
    optimizer: Optimizer
    schedule: Schedule
    updates: int
    clip: float = 1.0
    max_length: int | None = None
    token_budget: int = 2048
    precision: Precision = "float32"
    dropout: float | None = None
    selection: Selection | None = None
    recompute: bool = field(default=False, metadata=ADDED)

    def __post_init__(self) -> None:
        for name, least in (("updates", 1), ("token_budget", 1), ("max_length", 3)):
            if (value := getattr(self, name)) is not None and value < least:
                raise InputError(f"{name} is {value}", remedy=f"Give {least} or more")
        if not self.clip > 0:
            raise InputError(f"clip is {self.clip}", remedy="Give a gradient norm above 0, inf for no limit")
        if self.precision not in ("float32", "bfloat16"):
            raise InputError(f"precision is {self.precision!r}", remedy="Give float32 or bfloat16")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout}", remedy="Give a rate from 0 to below 1")


class Logged(NamedTuple):
    step: int
    measure: str
    value: float


class Observer(Protocol):
    """Looks at the model every `every` updates and at the end, and changes nothing."""

    @property
    def every(self) -> int: ...

    def __call__(self, step: int, encoder: Any) -> Mapping[str, float]:
        """`encoder` is the model that trains: each observer knows which kind it looks at."""
        ...


def train(
    encoder: Encoder | PairScorer,
    recipe: Recipe,
    groups: Sequence[Group],
    queries: Texts,
    documents: Texts,
    seed: int,
    folder: Path,
    observers: Sequence[Observer] = (),
    progress: Callable[[int], None] | None = None,
    checkpoint_seconds: float = 60.0,
    logbook: Logbook | None = None,
    snapshots: Collection[int] = (),
    until: int | None = None,
) -> list[Logged]:
    """Tune `encoder` in place and return what was logged, which `logbook` gets as it comes.

    One that reads pairs scores each query with its group's own candidates, and takes a recipe that scores by `Joint`.

    After each number of updates in `snapshots` the trainable weights are left at `snapshot(folder, number)`. `until`
    ends the call after so many updates of the whole schedule, with a checkpoint from which another goes on.

    Goes on from the newest checkpoint in `folder`, to weights bit-identical (on CPU) with those of an undisturbed run;
    `checkpoint.clear` the folder once the result is safe. Raises NonFiniteLossError.
    """
    check_fit(recipe, encoder)
    if recipe.dropout is not None:
        encoder.set_dropout(recipe.dropout)
    recipe.tuning.prepare(encoder, seed)
    module = encoder.module
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = recipe.optimizer.build(module.named_parameters())
    state = checkpoint.restore(folder, module, optimizer) or {"step": 0, "log": []}
    if progress:
        progress(state["step"])
    log = [Logged(*entry) for entry in state["log"]]
    if logbook:
        logbook.start(log)
    saved_at = time.perf_counter()
    for step in range(state["step"], until or recipe.updates):
        seen = _observe(observers, step, encoder, log)
        if step > 0 and _selected(recipe.selection, seen, module, folder, log):
            break
        started = time.perf_counter()
        torch.manual_seed(_step_seed(seed, step))
        module.train()
        batch = recipe.batching.batch(groups, seed, step)
        forward = forward_of(encoder, batch, queries, documents, recipe.scoring)
        lengths, pieces = forward.lengths, forward.pieces(recipe.token_budget)
        seen = {}
        optimizer.zero_grad()
        with torch.autocast(encoder.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            loss_of = _loss_of(recipe, batch, forward, encoder.device, seen)
            loss = chunks.gradient(forward.represent, pieces, loss_of, recompute=recipe.recompute)
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, recipe.clip))
        if not (np.isfinite(loss) and np.isfinite(norm)):
            raise NonFiniteLossError(
                f"update {step}: loss {loss}, gradient norm {norm}; queries {', '.join(batch.query_ids[:8])}"
                f"{', …' if len(batch.query_ids) > 8 else ''}. Lower the learning rate, or look at these texts"
            )
        rate = recipe.optimizer.learning_rate * recipe.schedule.factor(step, recipe.updates)
        for group in optimizer.param_groups:
            group["lr"] = rate
        if isinstance(recipe.schedule, Chained) and step in recipe.schedule.starts(recipe.updates):
            optimizer.state.clear()
        optimizer.step()
        if step + 1 in snapshots:
            checkpoint.save_weights(snapshot(folder, step + 1), module)
        seen |= {
            "loss": loss,
            "learning_rate": rate,
            "gradient_norm": norm,
            "padding_share": padding_share(lengths, pieces),
            "tokens_per_second": float(lengths.sum()) / (time.perf_counter() - started),
        }
        log += [Logged(step, name, value) for name, value in seen.items()]
        if logbook:
            logbook.add(log)
        if step + 1 == until or time.perf_counter() - saved_at >= checkpoint_seconds:
            checkpoint.save(folder, step + 1, module, optimizer, {"log": log})
            saved_at = time.perf_counter()
        if progress:
            progress(1)
    else:
        if until and until < recipe.updates:
            return log
        seen = _observe(observers, recipe.updates, encoder, log, last=True)
        _selected(recipe.selection, seen, module, folder, log)
    if logbook:
        logbook.add(log)
    if recipe.selection:
        looks(log, recipe.selection.measure)
        checkpoint.restore_weights(folder / checkpoint.BEST, module)
    return log


def check_fit(recipe: Recipe, model: Encoder | PairScorer) -> None:
    """Raises InputError when the recipe's scores are of vectors and the model has none, or the other way round, or when
    a model that reads pairs should read each query with every other's documents."""
    if isinstance(model, PairScorer) != isinstance(recipe.scoring, Joint):
        kind = "reads pairs" if isinstance(model, PairScorer) else "makes vectors"
        raise InputError(
            f"the model {kind}, the recipe scores by {recipe.scoring}",
            remedy="Take a rerank-… recipe for a cross-encoder, and another for any other model",
        )
    if isinstance(model, PairScorer) and recipe.batching.in_batch:
        raise InputError("a cross-encoder has no in-batch negatives", remedy="Set batching.in_batch=false")


def snapshot(folder: Path, updates: int) -> Path:
    """Where the weights after so many updates are left."""
    return folder / "snapshots" / f"{updates}.safetensors"


def _selected(
    rule: Selection | None, seen: Mapping[str, float], module: nn.Module, folder: Path, log: Sequence[Logged]
) -> bool:
    """At a look of the rule, save the weights where it keeps them. Whether the training should stop here."""
    if rule is None or rule.measure not in seen:
        return False
    if rule.keeps(log):
        checkpoint.save_weights(folder / checkpoint.BEST, module)
    return rule.stops(log) is not None


def _loss_of(
    recipe: Recipe, batch: Batch, forward: Forward, device: torch.device, seen: dict[str, float]
) -> Callable[[Representation], Tensor]:
    """What a batch's rows came to -> loss; notes the loss' own diagnostics in `seen`."""

    def loss_of(rows: Representation) -> Tensor:
        scores = forward.scores(rows)
        wanted = batch.teacher if recipe.loss.taught else batch.targets
        if wanted is None:
            raise ValueError("the loss is taught, and no example has a teacher's scores")
        targets, mask = wanted.to(device), batch.mask.to(device)
        seen.update(recipe.loss.diagnostics(scores.detach(), targets, mask))
        return recipe.loss(scores, targets, mask)

    return loss_of


def _observe(
    observers: Sequence[Observer], step: int, encoder: Any, log: list[Logged], last: bool = False
) -> dict[str, float]:
    """Everything seen at this step, which joins the log."""
    seen: dict[str, float] = {}
    for observer in observers:
        if last or step % observer.every == 0:
            with observing(encoder):
                seen.update(observer(step, encoder))
    log += [Logged(step, name, value) for name, value in seen.items()]
    return seen


@contextmanager
def observing(encoder: Encoder | PairScorer) -> Iterator[None]:
    """Eval mode, no gradients, and a forked random state: whatever happens inside leaves the run as it was."""
    was_training = encoder.module.training
    encoder.module.eval()
    with torch.random.fork_rng(), torch.inference_mode():
        yield
    encoder.module.train(was_training)


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1)
