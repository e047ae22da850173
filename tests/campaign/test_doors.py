"""A sample of the campaign in every run of the tests, and that it would see what it looks for."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from random import Random

import pytest

if sys.platform == "win32":
    pytest.skip("the campaign forks", allow_module_level=True)

from campaign import collection_folders, doors, ranked_files, training_files
from campaign.command import Ended, Strop, spawn
from campaign.verdicts import Case, refusal, tally

#: Doors that cost a tenth of a second, and how many cases of others.
QUICK = (*ranked_files.DOORS, *collection_folders.DOORS, *training_files.DOORS)
SAMPLE = {**dict.fromkeys(QUICK, 3), "typed values": 6, "environment": 2, "dense model": 2, "run in the store": 2}


@pytest.mark.parametrize("door", SAMPLE)
def test_no_broken_input_ends_in_a_traceback_or_a_wrong_answer(strop: Strop, tmp_path: Path, door: str) -> None:
    found = [*islice(doors.DOORS[door](strop, tmp_path, Random(5)), SAMPLE[door])]
    assert len(found) == SAMPLE[door]
    assert not [case for case in found if case.failed], tally(found)


def ended(err: str, code: int | None = 2, **changes: bool) -> Ended:
    return Ended(code, "", err, 1.0, **changes)


CLEAR = "error: run.trec:2: score 'x' is not a finite float32. Write a number there\n"


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        (ended(CLEAR), "clear"),
        (ended("stopped: [Errno 28] No space left on device: 'run.trec'\n", 1), "clear"),
        (ended(CLEAR, code=None), "hang"),
        (ended(CLEAR, orphans=True), "leftover"),
        (ended("Traceback (most recent call last):\n  …\nKeyError: 'run.trec'\n", 1), "traceback"),
        (ended("KeyError: 'run.trec'\n", 1), "traceback"),
        (ended(CLEAR, code=-11), "unclear"),
        (ended(CLEAR, code=1), "unclear"),
        (ended(CLEAR.replace("run.trec", "")), "unclear"),
        (ended(CLEAR.replace(". Write a number there", "")), "unclear"),
        (ended(CLEAR.replace("x", "\x1b[31m")), "unclear"),
        (ended(CLEAR.replace("x", "x" * 1000)), "unclear"),
    ],
)
def test_a_refusal_is_clear_when_one_line_says_what_and_where_and_what_to_do(command: Ended, verdict: str) -> None:
    assert refusal(command, ("run.trec",))[0] == verdict


def test_a_command_that_is_forked_says_what_one_that_is_started_says(strop: Strop, tmp_path: Path) -> None:
    words = ["evaluate", "nowhere.trec", "--qrels", "nowhere.txt"]
    forked, started = strop(words, tmp_path), spawn(words, tmp_path)
    assert (forked.code, forked.out, forked.err) == (started.code, started.out, started.err)
    assert forked.code == 2


def test_a_command_is_stopped_at_its_limit(strop: Strop, tmp_path: Path) -> None:
    stopped = strop(["doctor"], tmp_path, before="campaign.test_doors:wait", limit=0.3)
    assert (stopped.code, stopped.seconds < 30) == (None, True)


def wait() -> None:
    """In the command's process."""
    import time

    time.sleep(60)


def test_the_table_counts_by_door_and_shows_each_failure() -> None:
    found = [Case("a", "cut", "clear"), Case("a", "empty", "traceback", "KeyError: 'x'"), Case("b", "gzip", "exact")]
    lines = tally(found).splitlines()
    assert [line.split() for line in lines[1:4]] == [
        ["a", "1", "0", "1", "0", "0", "0", "0"],
        ["b", "0", "1", "0", "0", "0", "0", "0"],
        ["all", "1", "1", "1", "0", "0", "0", "0"],
    ]
    assert lines[4:] == ["traceback: a: empty", "    KeyError: 'x'"]
