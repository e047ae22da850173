"""Trackers: a training's series to TensorBoard, W&B, MLflow or Trackio as well, through accelerate's own classes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers  # type: ignore[import-untyped]

from strop.monitoring.logbook import Entry, Sink, namespaced
from strop.records.errors import InputError, InputWarning, excerpt

NAMES = ("tensorboard", "wandb", "mlflow", "trackio")


@contextmanager
def opened(name: str | None, run: str, folder: Path) -> Iterator[Sink | None]:
    """Sends entries to the tracker `name` (None: to none); `folder` is where TensorBoard writes.

    What a resumed run had sent before, the logbook does not send again. Raises InputError for a tracker unknown, not
    installed or not set up; one that fails later is left out from there on, with a warning.
    """
    if name is None:
        yield None
        return
    if name not in NAMES:
        raise InputError(f"there is no tracker {excerpt(name)}", remedy=f"Choose one of {', '.join(NAMES)}")
    if name not in map(str, get_available_trackers()):
        raise InputError(f"{name} is not installed", remedy=f"pip install {name}")
    kind = LOGGER_TYPE_TO_CLASS[name]
    tracker = kind(run, **({"logging_dir": str(folder)} if kind.requires_logging_directory else {}))
    try:
        tracker.start()
    except Exception as error:  # whatever its library raises: no login, no server
        raise InputError(f"{name} cannot start ({_line(error)})", remedy="Set it up, or leave --track out") from None
    failed = False

    def send(entries: Sequence[Entry]) -> None:
        nonlocal failed
        if failed:
            return
        by_step: dict[int, dict[str, float]] = {}
        for step, measure, value in entries:
            # MLflow refuses the @ of overlap@10
            by_step.setdefault(step, {})[namespaced(measure).replace("@", "_at_")] = value
        try:
            for step, values in by_step.items():
                tracker.log(values, step=step)
        except Exception as error:  # a training is worth more than its picture elsewhere
            failed = True
            warnings.warn(f"{name} gets no more of this training ({_line(error)})", InputWarning, stacklevel=2)

    try:
        yield send
    finally:
        try:
            tracker.finish()
        except Exception as error:
            warnings.warn(f"{name} may lack the end of this training ({_line(error)})", InputWarning, stacklevel=2)


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())
