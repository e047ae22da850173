"""Trackers: what they get of a training that is killed and goes on, and what happens where they fail."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest

from strop.monitoring import trackers
from strop.monitoring.logbook import SENT, Entry, Logbook, read_logbook
from strop.records.errors import InputError, InputWarning

ABOUT = {"title": "a run", "updates": 9}


class Fake:
    """A tracker of accelerate's form that keeps what it gets, across runs as a server would."""

    requires_logging_directory = False
    got: ClassVar[list[tuple[int, str]]] = []
    fails: ClassVar[str] = ""

    def __init__(self, run: str) -> None:
        self.run = run

    def start(self) -> None:
        if self.fails == "start":
            raise RuntimeError("api_key not configured\n(no-tty)")

    def log(self, values: dict[str, float], step: int) -> None:
        if self.fails == f"update {step}":
            raise ConnectionError("no route\nto host")
        type(self).got += [(step, name) for name in values]

    def finish(self) -> None:
        if self.fails == "finish":
            raise ConnectionError("no route")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    monkeypatch.setattr(Fake, "got", [])
    monkeypatch.setitem(trackers.LOGGER_TYPE_TO_CLASS, "wandb", Fake)
    monkeypatch.setattr(trackers, "get_available_trackers", lambda: ["wandb"])
    return Fake


def entries(*steps: int) -> list[Entry]:
    """As a training logs: a look before the update, and what the update gave."""
    looks = [(step, "geometry/auc", 0.5) for step in steps if step % 2 == 0]
    return sorted([*looks, *((step, "loss", 1.0 / (step + 1)) for step in steps)])


def run(folder: Path, resumed: int, until: int, tracker: str | None = "wandb") -> None:
    """Go on from a checkpoint after `resumed` updates, and be killed before the end of the logbook."""
    with trackers.opened(tracker, "run", folder) as sink:
        book, log = Logbook(folder, ABOUT, 1, sink), entries(*range(resumed))
        book.start(log)
        for step in range(resumed, until):
            log = log + entries(step)
            book.add(log)


def test_no_update_is_sent_twice_however_often_a_training_goes_on_from_an_older_checkpoint(
    fake: type[Fake], tmp_path: Path
) -> None:
    for resumed, until in ((0, 5), (2, 4), (2, 7), (0, 8), (6, 9)):
        run(tmp_path, resumed, until)
    assert Counter(fake.got) == Counter({(s, f"train/{n}" if n == "loss" else n): 1 for s, n, _ in entries(*range(9))})
    assert len(read_logbook(tmp_path).series["train/loss"]) == 9, "and its own rows are whole"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("before_sending", [True, False])
def test_a_process_that_is_killed_while_it_sends_repeats_nothing(before_sending: bool, tmp_path: Path) -> None:
    program = f"""
import os, signal, sys
from pathlib import Path
from strop.monitoring.logbook import Logbook
folder, resumed, dies = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
def sink(entries):
    last = entries[-1][0] == dies
    if last and {before_sending}:
        os.kill(os.getpid(), signal.SIGKILL)
    with (folder / "received").open("a") as file:
        file.write("".join(f"{{step}} {{name}}\\n" for step, name, _ in entries))
    if last:
        os.kill(os.getpid(), signal.SIGKILL)
log = [(step, "loss", 1.0) for step in range(resumed)]
book = Logbook(folder, {{"title": "a run", "updates": 9}}, 1, sink)
book.start(log)
for step in range(resumed, 9):
    log.append((step, "loss", 1.0))
    book.add(log)
"""
    for resumed, dies in ((0, 4), (2, 6), (1, 99)):
        done = subprocess.run([sys.executable, "-c", program, str(tmp_path), str(resumed), str(dies)])
        assert done.returncode == (-9 if dies < 9 else 0)
    received = (tmp_path / "received").read_text().splitlines()
    assert len(received) == len(set(received))
    assert len(received) == (7 if before_sending else 9), "at most the update on its way is missing"


def test_several_adds_of_one_update_in_one_run_are_all_sent(fake: type[Fake], tmp_path: Path) -> None:
    with trackers.opened("wandb", "run", tmp_path) as sink:
        book = Logbook(tmp_path, ABOUT, 1, sink)
        book.start([])
        log: list[Entry] = [(0, "loss", 1.0)]
        book.add(log)
        book.add([*log, (0, "dev/RR@10", 0.5)])
    assert fake.got == [(0, "train/loss"), (0, "dev/RR_at_10")]


@pytest.mark.parametrize("content", [b"", b"\n3", b"\xff\x00\n", b"\n1\n3\n-7\nxx\n", b"\n3\n" + b"9" * 5000])
def test_what_is_no_number_in_the_file_of_updates_sent_is_left_out(
    content: bytes, fake: type[Fake], tmp_path: Path
) -> None:
    (tmp_path / SENT).write_bytes(content)
    run(tmp_path, 0, 6)
    first = 4 if b"3" in content else 0
    assert sorted({step for step, _ in fake.got}) == list(range(first, 6))


def test_without_a_tracker_nothing_is_noted(tmp_path: Path) -> None:
    run(tmp_path, 0, 3, tracker=None)
    assert not (tmp_path / SENT).exists()


def test_a_tracker_that_cannot_start_is_one_line(
    fake: type[Fake], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "fails", "start")
    with pytest.raises(InputError, match=r"wandb cannot start \(RuntimeError api_key not configured \(no-tty\)\)"):
        run(tmp_path, 0, 1)


@pytest.mark.parametrize(("fails", "sent"), [("update 2", [0, 1]), ("finish", [0, 1, 2, 3])])
def test_one_that_fails_later_is_left_out_with_a_warning_and_the_training_goes_on(
    fails: str, sent: list[int], fake: type[Fake], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "fails", fails)
    with pytest.warns(InputWarning, match="wandb .*no route") as told:
        run(tmp_path, 0, 4)
    assert len(told) == 1
    assert sorted({step for step, _ in fake.got}) == sent
    assert len(read_logbook(tmp_path).series["train/loss"]) == 4


def test_an_unknown_tracker_and_one_that_is_not_installed_are_refused(tmp_path: Path, fake: Any) -> None:
    for name, problem in (("paper", "there is no tracker"), ("mlflow", "mlflow is not installed")):
        with pytest.raises(InputError, match=problem):
            run(tmp_path, 0, 1, name)
