"""A disk without room: one line that names the path, nothing left beside the output, and a store that is sound."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from campaign.command import Ended
from campaign.faults import Fault
from campaign.verdicts import Case, Verdict, refusal
from campaign.works import Work, World, compared, contents, untouched

#: What a message has to name: a path of the output or of the store.
_NAMES = ("out/result", "home/", "/out", "/home")


def refused(world: World, work: Work, drawn: random.Random, at: int = 0) -> Case:
    """Nothing takes more room from a file operation on (drawn, unless `at`)."""
    done = world.done(work.name)
    taking = [i for i, (kind, _) in enumerate(done.operations, 1) if kind in ("open", "write", "os.mkdir", "allocate")]
    number = at or drawn.choice(taking)
    folder = world.case(work)
    ended = world.run(work, folder, Fault(str(folder), f"{folder}.log", full=number))
    kind, path = done.operations[number - 1]
    return _judged(world, work, folder, ended, f"no room from {number} of {len(done.operations)} on: {kind} {path}")


def limited(world: World, work: Work, drawn: random.Random) -> Case:
    """No file may grow beyond a size, drawn below that of the largest."""
    world.done(work.name)
    home = world.folder / "homes" / work.name
    sizes = [path.stat().st_size for path in home.rglob("*") if path.is_file()] or [2000]
    most = drawn.randint(1, max(2, max(sizes)))
    folder = world.case(work)
    ended = world.run(work, folder, Fault(str(folder), f"{folder}.log", largest=most))
    return _judged(world, work, folder, ended, f"no file beyond {most:,} bytes")


def mounted(world: World, work: Work, drawn: random.Random) -> Case:
    """Output or store on a disk of its own, and too small; where no disk can be mounted, as `refused`."""
    if not _can_mount():
        return refused(world, work, drawn)
    world.done(work.name)
    place = drawn.choice(["home", "out"])
    folder = world.case(work)
    given = sum(path.stat().st_size for path in (folder / place).rglob("*") if path.is_file())
    pages = drawn.randint(1, 12 if place == "out" else 60)
    with _disk(folder / place, 4096 * pages + 2 * given + (1 << 16) * (place == "out" or bool(work.home))):
        ended = world.run(work, folder, Fault(str(folder), f"{folder}.log"))
        name = f"{place} on a disk of {pages} pages"
        return _judged(world, work, folder, ended, name, folder / place)


def _judged(world: World, work: Work, folder: Path, ended: Ended, name: str, disk: Path | None = None) -> Case:
    done = world.done(work.name)
    problems: list[tuple[Verdict, str]] = untouched(folder)
    if ended.code in work.codes:
        problems += compared(work, done, folder, ended)
    else:
        verdict, detail = refusal(ended, _NAMES)
        if verdict != "clear":
            problems.append((verdict, detail))
        elif ended.code != 1:
            problems.append(("unclear", f"exit {ended.code}: {detail}"))
        if work.names_out and (left := contents(folder / work.out)):
            problems.append(("leftover", f"an output of a command that failed: {sorted(left)[:3]}"))
        if disk:
            subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)
        problems += compared(work, done, folder, world.run(work, folder))
    problems += untouched(folder)
    if disk is None:
        shutil.rmtree(folder)
    Path(f"{folder}.log").unlink(missing_ok=True)
    verdict, detail = problems[0] if problems else ("exact", "")
    return Case(f"full {work.name}", name, verdict, detail)


def _can_mount() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("mount") is not None and _mounts()


_MAY: list[bool] = []


def _mounts() -> bool:
    """Tried once: a container's root may not."""
    if not _MAY:
        tried = Path("/proc/self/status").read_text(encoding="utf-8") if Path("/proc/self/status").exists() else ""
        capable = re.search(r"CapEff:\s*([0-9a-f]+)", tried)
        _MAY.append(bool(capable and int(capable[1], 16) >> 21 & 1))  # CAP_SYS_ADMIN
    return _MAY[0]


@contextmanager
def _disk(folder: Path, size: int) -> Iterator[None]:
    """A tmpfs over a folder, with what was in it."""
    kept = folder.with_name(folder.name + "-kept")
    shutil.copytree(folder, kept)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        shutil.rmtree(kept)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
        shutil.rmtree(folder.parent)
