"""Each measurement in a process of its own: what one leaves in memory, no other finds."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from strop.bench.workers import worker

T = TypeVar("T")


def in_fresh_processes(
    work: Callable[..., T], calls: Iterable[tuple[Any, ...]], advance: Callable[[int], None] = lambda done: None
) -> list[T]:
    """`work(*call)` for each call in turn, in a process forked from one that has loaded its module and the libraries.

    The next call is taken once the one before is done; `advance` gets 1 after each. Raises as `Worker` does.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__, "sentence_transformers", "peft"])
    measured = []
    for call in calls:
        with worker(context) as fresh:
            measured.append(fresh(work, *call))
        advance(1)
    return measured
