"""Progress: how far a long piece of work has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """`with progress("encode documents", 2000) as advance: advance(64)`."""

    def __call__(self, what: str, total: int) -> AbstractContextManager[Callable[[int], None]]: ...


@contextmanager
def silent(what: str, total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


class Counted:
    """Progress of a part: passed on to the whole's `advance`, and counted."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.done = 0
        self._advance = advance

    def __call__(self, what: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        return nullcontext(self._count)

    def _count(self, done: int) -> None:
        self.done += done
        self._advance(done)
