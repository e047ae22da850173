"""What goes wrong in another process is told here as if it had gone wrong here: one line, and no process is left."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from strop.bench.fresh_processes import in_fresh_processes
from strop.bench.workers import Worker, worker
from strop.commands.app import main
from strop.records.errors import InputError, NonFiniteLossError, WorkerError


class Fussy(OSError):
    """Pickle makes an error again of its arguments alone, which is too little for this one."""

    def __init__(self, first: str, *, second: str) -> None:
        super().__init__(f"{first} {second}")


def bad_input() -> NoReturn:
    raise InputError("score 'x' is not a number", where="run.trec:3", remedy="Write a number there")


def not_a_number() -> NoReturn:
    raise NonFiniteLossError("the loss of update 3 is not a number")


def no_space() -> NoReturn:
    raise OSError(28, "No space left on device", "/disk/file")


def lacking() -> NoReturn:
    import a_package_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401

    raise AssertionError


def fussy() -> NoReturn:
    raise Fussy("first", second="second")


def of_two_lines() -> NoReturn:
    raise RuntimeError("CUDA is\n  out of memory")


def interrupted() -> NoReturn:
    raise KeyboardInterrupt


def leaving() -> NoReturn:
    sys.exit(3)


def without_a_name() -> object:
    return lambda: None  # which pickle cannot take back


def gone() -> None:
    os._exit(7)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def crashed() -> None:
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # pytest's is not there
    os.kill(os.getpid(), signal.SIGSEGV)


def ctrl_c_passes_by() -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return 5


SAID = {
    bad_input: (2, "error: run.trec:3: score 'x' is not a number. Write a number there"),
    not_a_number: (1, "stopped: the loss of update 3 is not a number"),
    no_space: (1, "stopped: [Errno 28] No space left on device: '/disk/file'"),
    lacking: (1, "stopped: ModuleNotFoundError: No module named 'a_package_that_nobody_has'"),
    fussy: (1, "stopped: Fussy: first second"),
    of_two_lines: (1, "stopped: RuntimeError: CUDA is out of memory"),
    interrupted: (130, "stopped; the same command continues from here"),
    leaving: (1, "stopped: SystemExit: 3"),
    gone: (1, "stopped: a process was ended by exit code 7. "),
    killed: (1, "stopped: a process was ended by signal 9 (SIGKILL). "),
    crashed: (1, "stopped: a process was ended by signal 11 (SIGSEGV). "),
}


@pytest.fixture(scope="module")
def process() -> Iterator[Worker]:
    """One for all that it survives."""
    with worker(multiprocessing.get_context("spawn")) as made:
        yield made


@pytest.mark.parametrize("work", SAID, ids=lambda work: work.__name__)
def test_every_end_of_a_worker_is_one_line_and_the_exit_code_of_one_process(
    work: Callable[[], None],
    process: Worker,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def command(words: object) -> int:
        if work in (gone, killed, crashed):
            with worker(multiprocessing.get_context("spawn")) as fresh:
                fresh(work)
        process(work)
        return 0

    monkeypatch.setattr("strop.commands.tree.invoke", command)
    ended = main()
    out, err = capfd.readouterr()
    code, line = SAID[work]
    assert (ended, out) == (code, "")
    assert err.startswith(line)
    assert err.count("\n") == 1


def test_a_result_that_cannot_cross_is_said_and_the_worker_goes_on(process: Worker) -> None:
    with pytest.raises(WorkerError, match=r"^\w+: .*lambda"):
        process(without_a_name)
    assert process(abs, -3) == 3


def test_ctrl_c_is_for_the_command_and_not_for_its_workers(process: Worker) -> None:
    assert process(ctrl_c_passes_by) == 5


def test_a_worker_ends_with_its_block_whatever_it_is_doing() -> None:
    started = time.monotonic()
    with worker(multiprocessing.get_context("spawn")) as made:
        made._ours.send_bytes(pickle.dumps((time.sleep, (60,))))  # and its answer is not waited for
    assert not made.process.is_alive()
    assert time.monotonic() - started < 30


def test_fresh_processes_tell_what_happened_too() -> None:
    assert in_fresh_processes(abs, [(-1,), (2,)]) == [1, 2]
    with pytest.raises(WorkerError, match="SIGKILL"):
        in_fresh_processes(killed, [()])
    with pytest.raises(InputError, match=r"run\.trec:3"):
        in_fresh_processes(bad_input, [()])
