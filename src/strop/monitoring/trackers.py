"""Trackers: a training's series to TensorBoard, W&B, MLflow or Trackio as well, through accelerate's own classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers  # type: ignore[import-untyped]

from strop.monitoring.logbook import Entry, Sink, namespaced
from strop.records.errors import InputError

NAMES = ("tensorboard", "wandb", "mlflow", "trackio")


@contextmanager
def opened(name: str | None, run: str, folder: Path) -> Iterator[Sink | None]:
    """Sends entries to the tracker `name` (None: to none); `folder` is where TensorBoard writes.

    What a resumed run had sent before is not sent again. Raises InputError for a tracker unknown or not installed.
    """
    if name is None:
        yield None
        return
    if name not in NAMES:
        raise InputError(f"there is no tracker {name!r}", remedy=f"Choose one of {', '.join(NAMES)}")
    if name not in map(str, get_available_trackers()):
        raise InputError(f"{name} is not installed", remedy=f"pip install {name}")
    kind = LOGGER_TYPE_TO_CLASS[name]
    tracker = kind(run, **({"logging_dir": str(folder)} if kind.requires_logging_directory else {}))
    tracker.start()

    def send(entries: Sequence[Entry]) -> None:
        by_step: dict[int, dict[str, float]] = {}
        for step, measure, value in entries:
            # MLflow refuses the @ of overlap@10
            by_step.setdefault(step, {})[namespaced(measure).replace("@", "_at_")] = value
        for step, values in by_step.items():
            tracker.log(values, step=step)

    try:
        yield send
    finally:
        tracker.finish()
