"""Two commands at once, equal ones or two onto one output: one wins, the other says so or finds the same."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from campaign.command import Ended, Strop
from campaign.faults import Fault
from campaign.verdicts import Case, Verdict, refusal
from campaign.works import MINE, Done, Work, World, compared, contents, names, untouched

#: Commands that write to one output, and of each kind another.
PAIRS = (
    ("search bm25", "search dense"),
    ("search late", "search two stages"),
    ("rerank", "fuse"),
    ("mine", "teach"),
    ("train", "train another"),
    ("train", "train lora"),
    ("train", "mine"),
    ("train two towers", "tune"),
    ("data export", "train"),
)


def cases(strop: Strop, work: Path, seed: int) -> Iterator[Case]:
    """Equal commands in turn, and every second time two that differ."""
    world, drawn = World(strop, work), random.Random(seed)
    with Strop() as other:
        while True:
            pairs = [(name, name) for name in world.works] + [pair for pair in PAIRS for _ in range(2)]
            drawn.shuffle(pairs)
            for first, second in pairs:
                yield at_once(world, other, (world.works[first], world.works[second]), drawn)


def at_once(world: World, other: Strop, works: tuple[Work, Work], drawn: random.Random) -> Case:
    """Both are slowed a little at operations of their own, and meet at one of them."""
    done = [world.done(work.name) for work in works]
    folder = world.case(works[0])
    place = Path(f"{folder}-meet")
    place.mkdir()
    share = drawn.random()
    places = [max(1, round(share * len(each.operations))) for each in done]
    faults = [
        Fault(str(folder), f"{folder}.{i}.log", seed=drawn.randrange(1 << 30), meet=meet, place=str(place))
        for i, meet in enumerate(places)
    ]
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(world.run, work, folder, fault, strop)
            for work, fault, strop in zip(works, faults, (world.strop, other), strict=True)
        ]
        ended = [run.result() for run in runs]
    problems = [*_spoken(works, ended), *_written(works, done, folder), *untouched(folder)]
    if works[0] == works[1] and not problems:
        problems += compared(works[0], done[0], folder, next(e for e in ended if e.code in works[0].codes))
    shutil.rmtree(folder)
    shutil.rmtree(place)
    for i in range(2):
        Path(f"{folder}.{i}.log").unlink(missing_ok=True)
    verdict, detail = problems[0] if problems else ("exact", "")
    codes = " and ".join(str(each.code) for each in ended)
    both = " beside ".join(dict.fromkeys(work.name for work in works))
    return Case(f"twice {both}", f"met at {places[0]} of {len(done[0].operations)}, exits {codes}", verdict, detail)


def _spoken(works: tuple[Work, Work], ended: list[Ended]) -> list[tuple[Verdict, str]]:
    """One has its work done; the other too, or it says in a line that something was there."""
    problems: list[tuple[Verdict, str]] = []
    for work, each in zip(works, ended, strict=True):
        if each.code in work.codes:
            continue
        verdict, detail = refusal(each, ("out/result",))
        if verdict != "clear":
            problems.append((verdict, detail))
        elif each.code != 2:
            problems.append(("unclear", f"exit {each.code}: {detail}"))
    if not any(each.code in work.codes for work, each in zip(works, ended, strict=True)):
        problems.append(("unclear", f"neither was done: {ended[0].err.strip()[-150:]!r}"))
    if works[0] != works[1] and all(each.code in work.codes for work, each in zip(works, ended, strict=True)):
        problems.append(("silent", "both say that they wrote the output"))
    return problems


def _written(works: tuple[Work, Work], done: list[Done], folder: Path) -> list[tuple[Verdict, str]]:
    """The output is one of the two whole, and beside it and in the store is nothing else."""
    problems: list[tuple[Verdict, str]] = []
    output = contents(folder / works[0].out)
    if not any(output == each.output for each in done):
        problems.append(("silent", f"the output is neither's: {', '.join(sorted(output)[:3])}"))
    beside = {path.name for path in (folder / "out").iterdir() if path.name != "result"}
    if odd := beside - {name.partition("/")[2] for name in MINE}:
        problems.append(("leftover", f"beside the output: {', '.join(sorted(odd))}"))
    if odd := names(folder / "home") - done[0].home - done[1].home:
        problems.append(("leftover", f"in the store: {', '.join(sorted(odd)[:3])}"))
    return problems
