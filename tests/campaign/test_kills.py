"""A sample of the campaign's kills, full disks and damaged artifacts, over the quick commands."""

from __future__ import annotations

import random
import sys
from itertools import cycle

import pytest

if sys.platform == "win32":
    pytest.skip("commands are forked", allow_module_level=True)

from campaign import damage, full
from campaign.command import Strop
from campaign.faults import Fault, operations
from campaign.kills import killed
from campaign.verdicts import tally
from campaign.works import World


@pytest.fixture(scope="module")
def world(strop: Strop, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(strop, tmp_path_factory.mktemp("kills"))


def test_a_killed_command_leaves_no_torn_output_and_comes_to_the_same_bytes(world: World) -> None:
    drawn = random.Random(1)
    found = [
        killed(world, world.works[name], drawn)
        for name in ("search bm25", "fuse", "mine", "data export", "search bm25")
    ]
    assert not any(case.failed for case in found), tally(found)


def test_a_full_disk_is_one_line_and_leaves_nothing(world: World) -> None:
    drawn, ways = random.Random(2), cycle((full.refused, full.limited, full.mounted))
    found = [next(ways)(world, world.works[name], drawn) for name in ("search bm25", "fuse", "mine", "data export")]
    assert not any(case.failed for case in found), tally(found)


@pytest.mark.parametrize("way", damage.DAMAGE)
def test_a_damaged_artifact_is_named_and_made_again(world: World, way: str) -> None:
    home = world.folder / "homes/search bm25"
    world.done("search bm25")
    (run,) = (path.relative_to(home).as_posix() for path in home.rglob("run.trec"))
    case = damage.damaged(world, world.works["search bm25"], random.Random(3), (run, way))
    assert not case.failed, case


def test_operations_are_counted_and_a_kill_is_half_a_write(world: World) -> None:
    """The campaign's own tool: without it, nothing above would be a kill."""
    work = world.works["fuse"]
    done = world.done("fuse").operations
    writes = [number for number, (kind, _) in enumerate(done, 1) if kind == "write"]
    assert {"open", "write", "sync"} <= {kind for kind, _ in done}
    folder = world.case(work)
    log = folder.with_name("kill.log")
    ended = world.run(work, folder, Fault(str(folder), str(log), kill=writes[-1]))
    assert ended.code == -9
    assert [kind for kind, _ in operations(log)] == [kind for kind, _ in done[: writes[-1]]]
    (torn,) = (path for path in (folder / "out").iterdir() if ".strop-" in path.name)
    whole = world.done("fuse").output[""]
    assert isinstance(whole, bytes)
    assert whole.startswith(torn.read_bytes())
    assert 0 < torn.stat().st_size < len(whole)
