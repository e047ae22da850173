"""strop beside sentence-transformers: the processes that both work in."""

from __future__ import annotations

import pytest

from strop.bench import peers
from strop.records.errors import InputError


def not_installed() -> peers.Timed:
    raise InputError("the peer needs another package", remedy="Install it")


def counted() -> peers.Timed:
    calls: list[None] = []

    def timed() -> float:
        calls.append(None)
        return float(len(calls))

    return timed


def test_what_a_worker_lacks_is_told_as_an_input_error() -> None:
    with pytest.raises(InputError, match=r"the peer needs another package\. Install it"), peers._worker(not_installed):
        pass


def test_a_worker_is_built_once_and_warmed_up_before_it_counts() -> None:
    with peers._worker(counted) as timed:
        assert [timed(), timed()] == [2.0, 3.0]
