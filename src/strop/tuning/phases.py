"""Phases: which part of a tuning is at work, how long each took, and what is left of the budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from strop.artifacts.progress import Progress


class Phases:
    """`say` is told a line as each phase begins, and `progress` the time left with each bar."""

    def __init__(self, budget: float, say: Callable[[str], None], progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._budget, self.tell, self._progress = budget, say, progress
        self._started = time.perf_counter()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.tell(f"{name} ({self._left()})")
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - started, 1)

    def progress(self, what: str, total: int):  # type: ignore[no-untyped-def]
        """As a Progress, with what is left of the budget before each piece of work."""
        return self._progress(f"{self._left()}: {what}", total)

    def _left(self) -> str:
        left = self._budget - (time.perf_counter() - self._started)
        return f"{round(left / 60)} min left" if left > 30 else "the budget is spent"
