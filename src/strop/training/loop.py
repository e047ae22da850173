"""The training loop: one page, no callbacks but observers, every update a pure function of (seed, step)."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from strop.models.chunks import Forward
from strop.models.dropout import draw_faster
from strop.models.encoder import Model, observing
from strop.models.memory import out_of_memory
from strop.models.precision import check_native, forward_in
from strop.models.scoring import Representation
from strop.models.tokens import Ints, padding_share
from strop.monitoring.logbook import Logbook
from strop.monitoring.selection import Selection, looks
from strop.records.documents import Group
from strop.retrieval.encode import represented
from strop.training import checkpoint, finite
from strop.training import step as chunks
from strop.training.batches import Batch
from strop.training.forwards import Texts, forward_of
from strop.training.free_memory import free_bytes
from strop.training.kept_graphs import SHARE, KeptGraphs
from strop.training.optimizers import restarts
from strop.training.recipes import Recipe


class Logged(NamedTuple):
    step: int
    measure: str
    value: float


class Observer(Protocol):
    """Looks at the model every `every` updates and at the end, and changes nothing."""

    @property
    def every(self) -> int: ...

    def __call__(self, step: int, encoder: Any, /) -> Mapping[str, float]:
        """`encoder` is the model that trains."""
        ...


def train(
    encoder: Model,
    recipe: Recipe,
    groups: Sequence[Group],
    queries: Texts,
    documents: Texts,
    seed: int,
    folder: Path,
    observers: Sequence[Observer] = (),
    progress: Callable[[int], None] = lambda updates: None,
    checkpoint_seconds: float = 60.0,
    logbook: Logbook | None = None,
    snapshots: Collection[int] = (),
    until: int | None = None,
) -> list[Logged]:
    """Tune `encoder` in place and return what was logged, which `logbook` gets as it comes.

    After each number of updates in `snapshots` the trainable weights are left at `snapshot(folder, number)`. `until`
    ends the call after so many updates of the whole schedule, with a checkpoint from which another goes on.

    Goes on from the newest checkpoint in `folder`, to weights bit-identical (on CPU) with those of an undisturbed run;
    `checkpoint.clear` the folder once the result is safe. Raises NonFiniteLossError, and InputError as `Model.check`
    and `check_native`.
    """
    encoder.check(recipe.scoring, recipe.batching.in_batch)
    check_native(recipe.precision)
    if recipe.dropout is not None:
        encoder.set_dropout(recipe.dropout)
    held = _vectors_to_hold(encoder, recipe, queries, documents)
    recipe.tuning.prepare(encoder, seed)
    module = encoder.module
    draw_faster(module)
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = recipe.optimizer.build(module.named_parameters())
    state = checkpoint.restore(folder, module, optimizer) or {"step": 0, "log": []}
    progress(state["step"])
    log = [Logged(*entry) for entry in state["log"]]
    if logbook:
        logbook.start(log)
    graphs = KeptGraphs(int(SHARE * free_bytes(encoder.device)))
    saved_at = time.perf_counter()

    def forward_at(step: int) -> tuple[Batch, Forward]:
        batch = recipe.batching.batch(groups, seed, step)
        return batch, forward_of(encoder, batch, queries, documents, recipe.scoring)

    for step in range(state["step"], until or recipe.updates):
        if step > 0 and any(step % observer.every == 0 for observer in observers):
            finite.check_outputs(folder, step, encoder, forward_at(step)[1])
        values = _observe(observers, step, encoder, log)
        if step > 0 and _selected(recipe.selection, values, module, folder, log):
            break
        started = time.perf_counter()
        torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1))
        module.train()
        batch, forward = forward_at(step)
        lengths, pieces = forward.lengths, forward.pieces(recipe.token_budget)
        values = {}
        with forward_in(recipe.precision, encoder.device):
            loss_of = _loss_of(recipe, batch, forward, encoder.device, values, held(batch) if held else None)
            loss = _gradient(module, forward, pieces, loss_of, recipe.recompute, graphs)
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, recipe.clip))
        finite.check_gradient(folder, step, batch.query_ids, loss, norm)
        rate = recipe.optimizer.learning_rate * recipe.schedule.factor(step, recipe.updates)
        for group in optimizer.param_groups:
            group["lr"] = rate
        if restarts(recipe.schedule, step, recipe.updates):
            optimizer.state.clear()
        with finite.stepping(folder, step, rate):
            optimizer.step()
        last, saves = step + 1 == (until or recipe.updates), time.perf_counter() - saved_at >= checkpoint_seconds
        if last or saves or step + 1 in snapshots:
            finite.check_weights(folder, step, parameters, rate)
        if step + 1 in snapshots:
            checkpoint.save_weights(snapshot(folder, step + 1), module)
        values |= {
            "loss": loss,
            "learning_rate": rate,
            "gradient_norm": norm,
            "padding_share": padding_share(lengths, pieces),
            "tokens_per_second": float(lengths.sum()) / (time.perf_counter() - started),
        }
        log += [Logged(step, name, value) for name, value in values.items()]
        if logbook:
            logbook.add(log)
        if step + 1 == until or saves:
            checkpoint.save(folder, step + 1, module, optimizer, {"log": log})
            saved_at = time.perf_counter()
        progress(1)
    else:
        if until and until < recipe.updates:
            return log
        finite.check_outputs(folder, recipe.updates, encoder, forward_at(recipe.updates - 1)[1])
        values = _observe(observers, recipe.updates, encoder, log, last=True)
        _selected(recipe.selection, values, module, folder, log)
    if logbook:
        logbook.add(log)
    if recipe.selection:
        looks(log, recipe.selection.measure)
        checkpoint.restore_weights(folder / checkpoint.BEST, module)
    return log


def snapshot(folder: Path, updates: int) -> Path:
    """Where the weights after so many updates are left."""
    return folder / checkpoint.SNAPSHOTS / f"{updates}.safetensors"


def _gradient(
    module: nn.Module,
    forward: Forward,
    pieces: Sequence[Ints],
    loss_of: Callable[[Representation], Tensor],
    recompute: bool | None,
    graphs: KeptGraphs,
) -> float:
    """The loss of an update, whose gradient is the module's afterwards. None for `recompute`: as `graphs` says, and
    where memory runs out all the same, once more without graphs."""
    module.zero_grad()
    again = graphs.exceed(forward, pieces) if recompute is None else recompute
    try:
        with chunks.replaying():
            return chunks.gradient(forward.represent, pieces, loss_of, recompute=again)
    except (RuntimeError, MemoryError) as error:
        if again or recompute is not None or not out_of_memory(error):
            raise
    graphs.give_up()  # not within `except`, whose error holds the graphs
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    module.zero_grad()
    return chunks.gradient(forward.represent, pieces, loss_of, recompute=True)


def _selected(
    rule: Selection | None, values: Mapping[str, float], module: nn.Module, folder: Path, log: Sequence[Logged]
) -> bool:
    """At a look of the rule, save the weights where it keeps them. Whether the training should stop here."""
    if rule is None or rule.measure not in values:
        return False
    if rule.keeps(log):
        checkpoint.save_weights(folder / checkpoint.BEST, module)
    return rule.stops(log) is not None


def _loss_of(
    recipe: Recipe,
    batch: Batch,
    forward: Forward,
    device: torch.device,
    diagnostics: dict[str, float],
    base: Tensor | None = None,
) -> Callable[[Representation], Tensor]:
    """The loss of a batch's representations; the loss' own measures go to `diagnostics`. `base` has the base's vectors
    of the same texts, where a penalty holds them."""

    def loss_of(rows: Representation) -> Tensor:
        scores = forward.scores(rows)
        goal = batch.teacher if recipe.loss.taught else batch.targets
        if goal is None:
            raise ValueError("the loss is taught, and no example has a teacher's scores")
        targets, mask = goal.to(device), batch.mask.to(device)
        diagnostics.update(recipe.loss.diagnostics(scores.detach(), targets, mask))
        loss = recipe.loss(scores, targets, mask)
        if recipe.penalty is None or base is None:
            return loss
        penalty = recipe.penalty(rows.vectors, base.to(device))
        diagnostics["penalty"] = float(penalty.detach())
        return loss + penalty

    return loss_of


def _vectors_to_hold(
    model: Model, recipe: Recipe, queries: Texts, documents: Texts
) -> Callable[[Batch], Tensor] | None:
    """Of the model as it is now, each text encoded once: a batch -> the vectors `(Q + K, D)` of its texts in float32.
    None without a penalty."""
    if recipe.penalty is None or model.encoder is None:
        return None
    encoder, precision = model.encoder, recipe.precision
    query_vectors = represented(encoder, queries.tokens, "query", precision).vectors
    document_vectors = represented(encoder, documents.tokens, "document", precision).vectors

    def held(batch: Batch) -> Tensor:
        asked = query_vectors[[queries.rows[query_id] for query_id in batch.query_ids]]
        return torch.cat([asked, document_vectors[[documents.rows[doc_id] for doc_id in batch.doc_ids]]])

    return held


def _observe(
    observers: Sequence[Observer], step: int, encoder: Any, log: list[Logged], last: bool = False
) -> dict[str, float]:
    """What the observers measure at this step, which joins the log."""
    values: dict[str, float] = {}
    for observer in observers:
        if last or step % observer.every == 0:
            with observing(encoder):
                values.update(observer(step, encoder))
    log += [Logged(step, name, value) for name, value in values.items()]
    return values
