"""Every command that writes, killed at any of its file operations, on a full disk, and over damaged artifacts."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from campaign import damage, full
from campaign.command import Strop
from campaign.faults import Fault, operations
from campaign.verdicts import Case
from campaign.works import Work, World, compared, contents, untouched


def cases(strop: Strop, work: Path, seed: int) -> Iterator[Case]:
    """Commands in turn, each time in another way and at another operation."""
    world, drawn = World(strop, work), random.Random(seed)
    ways = cycle((killed, full.refused, killed, full.limited, killed, full.mounted, killed, damage.damaged))
    order = list(world.works.values())
    while True:
        drawn.shuffle(order)
        for each in order:
            yield next(ways)(world, each, drawn)


def killed(world: World, work: Work, drawn: random.Random, at: int = 0) -> Case:
    """Killed at an operation (drawn, unless `at`), a write half done; then the same command again."""
    done = world.done(work.name)
    number = at or drawn.randint(1, len(done.operations))
    folder = world.case(work)
    log = Path(f"{folder}.log")
    world.run(work, folder, Fault(str(folder), str(log), kill=number))
    did = operations(log)
    name = f"killed at {number} of {len(done.operations)}: {' '.join(did[-1]) if did else 'nothing done'}"
    left = contents(folder / work.out)
    whole = left == done.output
    problems = untouched(folder)
    if left and not whole and work.names_out:
        problems.append(("leftover", f"a torn output: {sorted(left)[:3]}"))
    again = world.run(work, folder)
    if not (whole and again.code == 2 and "exists already" in again.err):
        problems += compared(work, done, folder, again)
    problems += untouched(folder)
    shutil.rmtree(folder)
    log.unlink()
    verdict, detail = problems[0] if problems else ("exact", "")
    return Case(f"kill {work.name}", name, verdict, detail)
