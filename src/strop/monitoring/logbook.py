"""The logbook of a training: a folder that grows while it goes, and that a page, alarms and trackers read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from strop.artifacts.store import Stage
from strop.records.errors import InputError
from strop.records.results import Row, read_rows, write_json, write_rows

#: The stage whose artifacts are trainings, each a logbook.
TRAIN = Stage("train", 3)

#: What was measured at which update, in their order: measure -> ((update, value), ...).
Series = Mapping[str, Sequence[tuple[int, float]]]

#: (update, measure, value), as a training logs it.
Entry = tuple[int, str, float]
#: Somewhere else that entries go as they come.
Sink = Callable[[Sequence[Entry]], None]

ROWS, ABOUT, PROJECTION = "rows.csv", "run.json", "projection.json"


@dataclass(frozen=True, slots=True)
class Course:
    """What a logbook holds so far. `about` is `run.json`: title, updates planned, and plain values of the run.

    `projection` is {step, explained, points: [[x, y], ...], queries: how many of the points come first}.
    """

    series: Series
    about: Mapping[str, Any]
    projection: Mapping[str, Any] | None = None
    written: float = 0.0  # when the last row was, in seconds since 1970; 0 where nobody knows

    @property
    def step(self) -> int:
        """The last update of which anything is known."""
        return max(points[-1][0] for points in self.series.values())

    @property
    def done(self) -> bool:
        return bool(self.about.get("done"))


@dataclass(slots=True)
class Logbook:
    """Writes `rows.csv` (as Results has it), `run.json` and `projection.json` into a folder, readable at any moment.

    Another start replaces what an earlier one left; a run that goes on hands over the rows it goes on from. `sink` gets
    the same entries, without those.
    """

    folder: Path
    about: dict[str, Any]
    seed: int
    sink: Sink | None = None
    _written: int = field(init=False, default=0)

    def start(self, log: Sequence[Entry]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_rows(map(self._row, log), self.folder / ROWS)
        self._written = len(log)
        self.about = {**self.about, "started": _now(), "started_at": max((step for step, _, _ in log), default=0)}
        write_json({**self.about, "done": False}, self.folder / ABOUT)

    def add(self, log: Sequence[Entry]) -> None:
        """Whatever of a growing log is not yet written."""
        new = log[self._written :]
        with (self.folder / ROWS).open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(astuple(self._row(entry)) for entry in new)
        self._written = len(log)
        if self.sink:
            self.sink(new)

    def project(self, projection: Mapping[str, Any]) -> None:
        write_json(projection, self.folder / PROJECTION)

    def end(self, **facts: Any) -> None:
        """Close the book; `facts` join `run.json`."""
        write_json({**self.about, **facts, "ended": _now(), "done": True}, self.folder / ABOUT)

    def _row(self, entry: Entry) -> Row:
        step, measure, value = entry
        return Row("", "", self.about["title"], self.seed, "", "train", step, "", namespaced(measure), value)


def series_of(entries: Iterable[Entry]) -> Series:
    series: dict[str, list[tuple[int, float]]] = {}
    for step, measure, value in entries:
        series.setdefault(measure, []).append((step, value))
    return series


def namespaced(measure: str) -> str:
    """A measure as rows have it: what training itself logs is `train/…`."""
    return measure if measure.startswith(("geometry/", "dev/", "clock/")) else f"train/{measure}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_logbook(folder: str | Path, waiting: bool = False) -> Course:
    """Everything written so far; what is being written just now is left out.

    Raises InputError for a folder that holds no logbook, or one without a row yet, unless `waiting` for it.
    """
    folder = Path(folder)
    rows, about, projection = folder / ROWS, folder / ABOUT, folder / PROJECTION
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder), remedy="Give the folder of a training run")
    if not (rows.is_file() and about.is_file()):
        raise InputError(
            "no run has written here yet", where=str(folder), remedy="Wait for its first update, or give another folder"
        )
    series = series_of((row.step, row.measure, row.value) for row in read_rows(rows, growing=True))
    if not series and not waiting:
        raise InputError(
            "the run has logged nothing yet", where=str(folder), remedy="Wait until its first update is done"
        )
    return Course(
        series,
        json.loads(about.read_text(encoding="utf-8")),
        json.loads(projection.read_text(encoding="utf-8")) if projection.is_file() else None,
        rows.stat().st_mtime,
    )
