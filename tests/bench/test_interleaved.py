"""Sides in turns: the processes that they work in, and what a row says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from strop.artifacts.progress import silent
from strop.bench.comparison import Report, Row, plain, rows_table
from strop.bench.interleaved import Times, Turn, in_turns
from strop.records.errors import InputError, WorkerError


def lacking() -> tuple[Turn, Any]:
    raise InputError("the peer needs another package", remedy="Install it")


def not_there() -> tuple[Turn, Any]:
    raise WorkerError("pip could not install it")


def counted(start: float) -> tuple[Callable[[], float], str]:
    calls: list[None] = []

    def turn() -> float:
        calls.append(None)
        return start + len(calls)

    turn()  # the work that warms it
    return turn, f"from {start:.0f}"


def test_what_a_side_lacks_is_told_as_an_input_error() -> None:
    with pytest.raises(InputError, match=r"the peer needs another package\. Install it"):
        in_turns("work", {"lacking": lacking}, 1, silent)


def test_a_side_is_built_once_and_warmed_up_before_it_counts() -> None:
    times = in_turns("work", {"a": partial(counted, 0), "b": partial(counted, 10)}, 2, silent)
    assert times == {"a": Times((2.0, 3.0), "from 0"), "b": Times((12.0, 13.0), "from 10")}


def test_an_optional_side_says_why_it_is_not_measured_and_any_other_ends_the_benchmark() -> None:
    times = in_turns("work", {"a": partial(counted, 0), "b": not_there}, 1, silent, optional=("b",))
    assert times["b"] == Times(missing="pip could not install it")
    assert times["a"].seconds == (2.0,)
    with pytest.raises(WorkerError, match="pip could not install it"):
        in_turns("work", {"b": not_there}, 1, silent, optional=("a",))


ROWS = (
    Row("encode", "peer", (2.0, 4.0, 3.0), (3.0, 5.0, 6.0), "vectors are equal"),
    Row("encode", "other", missing="pip could not install it"),
)


def test_a_row_has_medians_and_the_median_least_and_largest_paired_ratio() -> None:
    assert rows_table(ROWS)[1:] == [
        ["encode", "3.00 s", "peer", "5.00 s", "1.50x [1.25, 2.00]", "vectors are equal"],
        ["encode", "", "other", "", "", "not measured: pip could not install it"],
    ]


def test_json_has_the_same_figures_and_the_machine() -> None:
    value = json.loads(json.dumps(plain([Report(ROWS, ("a floor",))])))
    assert value["rows"][0]["ratio"] == 1.5
    assert value["rows"][0]["rounds"] == [[2.0, 3.0], [4.0, 5.0], [3.0, 6.0]]
    assert value["rows"][1] == {"benchmark": "encode", "peer": "other", "not_measured": "pip could not install it"}
    assert value["notes"] == ["a floor"]
    assert {"versions", "processor", "threads"} <= value["machine"].keys()
    assert {"avx2", "avx512", "avx512_bf16", "amx"} == value["machine"]["processor"].keys()
