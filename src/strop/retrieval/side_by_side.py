"""Pieces of work side by side, one on each thread: torch shares a product among threads, and not what is done between
two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], pieces: Iterable[T]) -> Iterator[R]:
    """What `work` makes of each piece, in order, on as many threads as torch may use; each multiplies on its own."""
    threads = torch.get_num_threads()

    def alone(piece: T) -> R:
        torch.get_num_threads()  # a thread's first product would set its number anew
        torch.set_num_threads(1)  # of this thread
        try:
            return work(piece)
        finally:
            torch.set_num_threads(threads)  # what threads to come begin with

    if threads == 1:
        yield from map(work, pieces)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(alone, pieces)
