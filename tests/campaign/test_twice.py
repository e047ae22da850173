"""A sample of the campaign's two commands at once."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("commands are forked", allow_module_level=True)

from campaign.command import Strop
from campaign.twice import at_once
from campaign.verdicts import tally
from campaign.works import World


@pytest.fixture
def other() -> Iterator[Strop]:
    with Strop() as started:
        yield started


def test_one_of_two_commands_wins_and_the_other_says_so(strop: Strop, other: Strop, tmp_path: Path) -> None:
    world, drawn = World(strop, tmp_path), random.Random(1)
    pairs = [("search bm25", "search bm25"), ("mine", "data export"), ("search bm25", "fuse"), ("fuse", "fuse")]
    works = [(world.works[first], world.works[second]) for first, second in pairs]
    found = [at_once(world, other, each, drawn) for each in works]
    assert not any(case.failed for case in found), tally(found)
