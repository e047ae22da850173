"""strop's monitor inside sentence-transformers' own trainer: one callback, the same logbook, the same page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from strop.models.dense import Dense
from strop.models.encoder import observing
from strop.monitoring.logbook import Entry, Logbook
from strop.monitoring.monitor import Monitor
from strop.monitoring.probe import Look, of_collection
from strop.monitoring.selection import Selection
from strop.records.documents import Collection
from strop.records.errors import InputError

#: What the trainer logs, and what strop calls it; its own evaluators' measures keep their names under `dev/`.
_NAMES = {"loss": "loss", "grad_norm": "gradient_norm", "learning_rate": "learning_rate"}


class Monitored(TrainerCallback):
    """Give it to `SentenceTransformerTrainer(callbacks=[Monitored("runs/mine", probe_collection)])`.

    It writes the logbook `folder` as a training of strop's does: the trainer's loss, gradient norm and learning rate
    as often as it logs them, the geometry of a probe of `collection` (256 queries, 1,024 documents) at up to 50
    updates and within 3 % of the time, and `dev/…` of its evaluators. `stop` ends the training when its rule says so
    (None: never). Watch it with `strop study report --live FOLDER`. Raises InputError for a model that is not dense, or
    not in float32, and for a collection smaller than the probe.
    """

    def __init__(self, folder: str | Path, collection: Collection, stop: Selection | None = None) -> None:
        self.folder, self.collection, self.stop = Path(folder), collection, stop
        self.log: list[Entry] = []

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **rest: Any
    ) -> None:
        if not state.is_world_process_zero:
            return
        if any(p.dtype != torch.float32 for p in model.parameters()):
            raise InputError("the model's weights are not in float32", remedy="Load it in float32; bf16=True may stay")
        about = {"title": str(args.output_dir), "updates": state.max_steps, "loss": "as given to the trainer"}
        self.logbook = Logbook(self.folder, {**about, "chance": None}, args.seed)
        self.encoder = Dense(model)
        look = Look.of(of_collection(self.collection), self.encoder)
        self.started = time.perf_counter()
        with observing(self.encoder):
            fixed = max(1, round(state.max_steps * self.stop.share)) if self.stop else None
            self.monitor = Monitor.of(look, self.encoder, state.max_steps, fixed=fixed, draw=self.logbook.project)
        self.logbook.start(self.log)
        self._look(0)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **event: Any) -> None:
        if state.is_world_process_zero:
            values = [(_NAMES[name], value) for name, value in event["logs"].items() if name in _NAMES]
            self._write([(state.global_step - 1, name, float(value)) for name, value in values])

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **event: Any) -> None:
        if state.is_world_process_zero:
            values = {name: value for name, value in event["metrics"].items() if isinstance(value, float)}
            self._write([(state.global_step, f"dev/{name.removeprefix('eval_')}", v) for name, v in values.items()])

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any) -> None:
        if not state.is_world_process_zero:
            return
        values = self._look(state.global_step)
        if self.stop and self.stop.measure in values and (why := self.stop.stops(self.log)):
            self.logbook.about["stopped"] = why
            control.should_training_stop = True

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any) -> None:
        if state.is_world_process_zero:
            self.logbook.end(**self.monitor.cost(time.perf_counter() - self.started))

    def _look(self, step: int) -> dict[str, float]:
        with observing(self.encoder):
            values = dict(self.monitor(step, self.encoder)) if step % self.monitor.every == 0 else {}
        self._write([(step, name, value) for name, value in values.items()])
        return values

    def _write(self, entries: list[Entry]) -> None:
        self.log += entries
        self.logbook.add(self.log)
