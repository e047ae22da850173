"""Several sides do the same work in turns, each in a process of its own, and what came of it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from strop.artifacts.progress import Progress
from strop.bench.process_memory import reuse_freed
from strop.bench.workers import Worker, worker
from strop.models.tokenizing import forget
from strop.records.errors import WorkerError

#: Does the work once and returns its seconds.
Turn = Callable[[], float]
#: Does the work once, untimed, and returns a turn and what the work came to. It can cross to another process.
Build = Callable[[], tuple[Turn, Any]]


@dataclass(frozen=True, slots=True)
class Times:
    """A side's seconds, turn by turn, and what its work came to; or why it could not be measured."""

    seconds: tuple[float, ...] = ()
    outcome: Any = None
    missing: str = ""


def in_turns(
    what: str, sides: Mapping[str, Build], rounds: int, progress: Progress, optional: Collection[str] = ()
) -> dict[str, Times]:
    """Each side warmed once, then `rounds` times all sides, one after the other, by name.

    A side in `optional` may fail, and then says why. Raises as `Worker` does for any other.
    """
    outcomes: dict[str, Any] = {}
    times: dict[str, Times] = {}
    with ExitStack() as stack, progress(what, len(sides) * (rounds + 1)) as advance:
        workers: dict[str, Worker] = {}
        for name, build in sides.items():
            process = stack.enter_context(worker(multiprocessing.get_context("spawn")))
            try:
                outcomes[name] = process(_start, build)
                workers[name] = process
            except WorkerError as error:
                if name not in optional:
                    raise
                times[name] = Times(missing=str(error))
            advance(1)
        seconds: dict[str, list[float]] = {name: [] for name in workers}
        for _ in range(rounds):
            for name, process in workers.items():
                seconds[name].append(process(_turn))
                advance(1)
    return times | {name: Times(tuple(seconds[name]), outcomes[name]) for name in workers}


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """`work(*arguments)` in a process of its own. Raises as `Worker` does."""
    with worker(multiprocessing.get_context("spawn")) as process:
        return process(work, *arguments)


def clocked(work: Callable[[], object]) -> float:
    """Seconds of the work, which remembers no text's tokens from before."""
    forget()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def warmed(work: Callable[[], Any]) -> tuple[Turn, Any]:
    """What a build returns of work that is the same each time."""
    outcome = work()
    return partial(clocked, work), outcome


def reusing(build: Build) -> tuple[Turn, Any]:
    """The build's, in a process that keeps freed memory, as every command of strop does (`reuse_freed`)."""
    reuse_freed()
    return build()


_work: Turn | None = None


def _start(build: Build) -> Any:
    global _work
    _work, outcome = build()
    return outcome


def _turn() -> float:
    assert _work is not None
    return _work()
