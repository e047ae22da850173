"""A finished store in which a file is cut, emptied, altered or lost: the same bytes again, and a line that says so."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from campaign.faults import Fault, operations
from campaign.verdicts import Case
from campaign.works import Work, World, compared, untouched


def _cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _altered(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": _cut,
    "altered": _altered,
    "emptied": lambda path: path.write_bytes(b""),
    "removed": Path.unlink,
}


def damaged(world: World, work: Work, drawn: random.Random, at: tuple[str, str] = ("", "")) -> Case:
    """Damage a file of the store in a way (both drawn, unless `at`), then the same command to a new output."""
    done = world.done(work.name)
    home = world.folder / "homes" / work.name
    files = sorted(path.relative_to(home).as_posix() for path in home.glob("*/*/**/*") if _is_kept(path))
    if not files:
        return Case(f"damage {work.name}", "keeps no artifact", "exact")
    file, way = at[0] or drawn.choice(files), at[1] or drawn.choice(list(DAMAGE))
    read = file in _reads(world, work)
    folder = world.case(work)
    shutil.copytree(home, folder / "home", dirs_exist_ok=True)
    (folder / "home/results").exists() and shutil.rmtree(folder / "home/results")
    if (folder / "home" / file).stat().st_size:
        DAMAGE[way](folder / "home" / file)
    ended = world.run(work, folder)
    unread = file if way == "removed" and not read else ""  # who does not read it need not make it again
    problems = [*untouched(folder), *compared(work, replace(done, home=done.home - {unread}), folder, ended)]
    stage, key, *_ = file.split("/")
    if read and not problems and key not in ended.err + ended.out:
        problems.append(("silent", f"{stage}/{key} is not named: {ended.err.strip()[-200:]!r}"))
    shutil.rmtree(folder)
    verdict, detail = problems[0] if problems else ("exact", "")
    return Case(f"damage {work.name}", f"{way}: {file}", verdict, detail)


def _is_kept(path: Path) -> bool:
    return path.is_file() and path.suffix != ".lock" and "results" not in path.parts


def _reads(world: World, work: Work) -> set[str]:
    """The files of the store that the command reads where everything is there."""
    folder = world.case(work)
    shutil.copytree(world.folder / "homes" / work.name, folder / "home", dirs_exist_ok=True)
    log = Path(f"{folder}.log")
    world.run(work, folder, Fault(str(folder), str(log), reads=True))
    read = {path.removeprefix("home/") for kind, path in operations(log) if kind == "read"}
    shutil.rmtree(folder)
    log.unlink()
    return read
