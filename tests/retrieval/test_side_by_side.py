"""Pieces side by side: in order, on all threads, each of which multiplies alone, and all as before afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier

import pytest
import torch

from strop.retrieval.side_by_side import side_by_side


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_pieces_come_in_order_and_each_multiplies_on_one_thread(threads: int) -> None:
    together = Barrier(threads, timeout=20)  # passed by as many at once only

    def work(piece: int) -> tuple[int, int]:
        together.wait()
        return piece, torch.get_num_threads()

    assert [*side_by_side(work, range(2 * threads))] == [(i, 1) for i in range(2 * threads)]
    assert torch.get_num_threads() == threads
    assert [*side_by_side(lambda piece: torch.get_num_threads(), range(threads))] == [1] * threads


def test_a_failure_is_raised_and_the_threads_are_as_before(threads: int) -> None:
    with pytest.raises(MemoryError):
        [*side_by_side(lambda piece: (_ for _ in ()).throw(MemoryError()), [1])]
    assert torch.get_num_threads() == threads
