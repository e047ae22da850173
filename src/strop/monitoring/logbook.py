"""The logbook of a training: a folder that grows while it goes, and that a page, alarms and trackers read."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from strop.artifacts.at_work import at_work
from strop.artifacts.store import Stage
from strop.records.errors import InputError
from strop.records.json_files import read_content
from strop.records.plain import from_plain
from strop.records.results import Row, read_rows, write_json, write_rows

#: The stage whose artifacts are trainings, each a logbook.
TRAIN = Stage("train", 5)

#: What was measured at which update, in their order: measure -> ((update, value), ...).
Series = Mapping[str, Sequence[tuple[int, float]]]

#: (update, measure, value), as a training logs it.
Entry = tuple[int, str, float]
#: Somewhere else that entries go as they come.
Sink = Callable[[Sequence[Entry]], None]

_AGAIN = "Restore the file, or run the training again"
ROWS, ABOUT, PROJECTION = "rows.csv", "run.json", "projection.json"
#: The updates whose entries went to a sink, a line each.
SENT = "sent.txt"


@dataclass(frozen=True, slots=True)
class Course:
    """What a logbook holds so far. `about` is `run.json`: title, updates planned, and plain values of the run.

    `projection` is {step, explained, points: [[x, y], ...], queries: how many of the points come first}.
    """

    series: Series
    about: Mapping[str, Any]
    projection: Mapping[str, Any] | None = None
    written: float = 0.0  # when the last row was, in seconds since 1970; 0 where nobody knows
    #: Whether a process writes it still; None where nobody can tell.
    at_work: bool | None = None

    @property
    def step(self) -> int:
        """The last update of which anything is known."""
        return max(points[-1][0] for points in self.series.values())

    @property
    def done(self) -> bool:
        return bool(self.about.get("done"))


@dataclass(frozen=True, slots=True)
class _Facts:
    """The types of what `run.json` may hold; there may be more."""

    title: str | None = None
    updates: int | None = None
    loss: str | None = None
    base: str | None = None
    out: str | None = None
    chance: float | None = None
    started: str | None = None
    started_at: int | None = None
    ended: str | None = None
    done: bool | None = None
    stopped: str | None = None
    kept: int | None = None
    train_seconds: float | None = None
    monitor_share: float | None = None


@dataclass(frozen=True, slots=True)
class _Plane:
    """The types of `projection.json`."""

    step: int
    explained: float
    points: tuple[tuple[float, float], ...]
    queries: int


@dataclass(slots=True)
class Logbook:
    """Writes `rows.csv` (as Results has it), `run.json` and `projection.json` into a folder, readable at any moment.

    Another start replaces what an earlier one left; a run that goes on hands over the rows it goes on from. `sink` gets
    the same entries, without those, and no update's twice: the last one it got is written down before it gets it, so
    that of a run that is killed meanwhile one update may be missing there.
    """

    folder: Path
    about: dict[str, Any]
    seed: int
    sink: Sink | None = None
    _written: int = field(init=False, default=0)
    _sent_before: int = field(init=False, default=-1)

    def start(self, log: Sequence[Entry]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sent_before = _last_sent(self.folder / SENT)
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
        unsent = [entry for entry in new if entry[0] > self._sent_before]
        if self.sink and unsent:
            with (self.folder / SENT).open("a", encoding="utf-8") as file:
                file.write(f"\n{max(step for step, _, _ in unsent)}\n")  # a line of its own, even after a torn one
            self.sink(unsent)

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


def _last_sent(path: Path) -> int:
    """The last update that a sink got, -1 for none; what is no number is left out."""
    lines = path.read_bytes().splitlines() if path.is_file() else ()
    return max((int(line) for line in lines if line.isdigit() and len(line) < 20), default=-1)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_logbook(folder: str | Path, waiting: bool = False) -> Course:
    """Everything written so far; what is being written just now is left out.

    Raises InputError for a folder that holds no logbook, or a damaged one, or one without a row yet, unless `waiting`
    for it.
    """
    folder = Path(folder)
    rows, about, projection = folder / ROWS, folder / ABOUT, folder / PROJECTION
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder), remedy="Give the folder of a training run")
    if not (rows.is_file() and about.is_file()):
        raise InputError(
            "no run has written here yet", where=str(folder), remedy="Wait for its first update, or give another folder"
        )
    working = at_work(folder)  # asked first: what nobody worked on then is all there will be
    series = series_of((row.step, row.measure, row.value) for row in read_rows(rows, growing=True))
    if not series and not waiting:
        raise InputError(
            "the run has logged nothing yet", where=str(folder), remedy="Wait until its first update is done"
        )
    plane = projection.is_file() and read_content(projection)
    if plane:
        read = from_plain(_Plane, plane, projection)
        if not 0 <= read.queries <= len(read.points):
            problem = f"queries is {read.queries}, and there are {len(read.points)} points"
            raise InputError(problem, where=str(projection), remedy=_AGAIN)
    return Course(series, _about(about), plane or None, rows.stat().st_mtime, working)


def _about(path: Path) -> Mapping[str, Any]:
    """`run.json`, whose facts are of the types that pages and alarms read."""
    about: dict[str, Any] = from_plain(dict[str, Any], read_content(path), path)
    from_plain(_Facts, about, path)
    for key in ("started", "ended"):
        try:
            datetime.fromisoformat(about.get(key) or _now()).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{key} is {about[key][:40]!r} ({error})", where=str(path), remedy=_AGAIN) from None
    return about
