"""The study commands as Python calls: run, plan, show a point, report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from strop import checkpoints, planning
from strop.alarms import alarms
from strop.commands import free, store
from strop.conduct import conduct
from strop.logbook import ABOUT, Course
from strop.nouns import InputError
from strop.planning import Plan
from strop.points import Evidence, Point
from strop.report.page import render
from strop.stages import Progress, silent
from strop.study import find
from strop.tuning import TRAIN
from strop.watch import watch, write_page
from strop.workbench import Workbench


def workbench(
    name: str,
    scale: str = "quick",
    collection: str | None = None,
    progress: Progress = silent,
    others: Sequence[str] = (),
    candidates: Sequence[str] = (),
) -> Workbench:
    """The study's artifacts at a scale, over its own collection or another, tested on `others` too; of those whose
    queries have `candidates` in TREC runs, only these are ranked."""
    study = find(name)
    chosen = study.scale(scale)
    return Workbench(study, chosen, collection or chosen.collection, store(), progress, others, candidates)


def run(
    name: str,
    scale: str = "quick",
    presets: Sequence[str] = (),
    collection: str | None = None,
    budget: float | None = None,
    progress: Progress = silent,
    others: Sequence[str] = (),
    candidates: Sequence[str] = (),
) -> Path:
    """Run a study, or answer from the artifacts, and return its Results folder with `report.html` in it.

    `presets` (default: the scale's own), in the order given; `others` are collections to test on beside the one that
    is trained on (default: the scale's own), `candidates` TREC runs over some of these, which then are only
    reranked; `budget` in minutes: stops before the training that would pass it, and the same call goes on from there.
    """
    bench = workbench(name, scale, collection, progress, others, candidates)
    given = [word for preset in presets for word in ("--preset", preset)] + (["--on", collection] if collection else [])
    given += [word for other in others for word in ("--test", other)]
    given += [word for run in candidates for word in ("--candidates", run)]
    command = shlex.join(["strop", "study", "run", name, "--scale", scale, *given])
    folder = conduct(bench, command, presets, None if budget is None else 60 * budget)
    if not (folder / "report.html").is_file():
        render(folder, folder / "report.html")
    return folder


def plan(
    name: str,
    scale: str = "quick",
    presets: Sequence[str] = (),
    collection: str | None = None,
    others: Sequence[str] = (),
    candidates: Sequence[str] = (),
) -> Plan:
    """What the study costs here from scratch, and the smallest effect it can see."""
    bench = workbench(name, scale, collection, others=others, candidates=candidates)
    return planning.plan(bench, presets)


def show(
    name: str,
    point: str,
    scale: str = "quick",
    collection: str | None = None,
    progress: Progress = silent,
    others: Sequence[str] = (),
    candidates: Sequence[str] = (),
) -> tuple[Point, Evidence | None]:
    """A doubtful point of a study, and the evidence that its demonstration gives here and now (None: a test shows it).

    Trains the systems that it compares, unless that was done before.
    """
    bench = workbench(name, scale, collection, progress, others, candidates)
    chosen = bench.study.point(point)
    return chosen, chosen.demonstrate(bench) if chosen.demonstrate else None


def compare_checkpoints(
    name: str, scale: str, collection: str | None = None, progress: Progress = silent
) -> checkpoints.Compared:
    """Keep and measure five checkpoints of each run that a study names, then compare every way to choose among them.

    The comparison takes in all runs that were measured so into this store, of other collections and studies too.
    """
    bench = workbench(name, scale, collection, progress)
    on = ["--on", collection] if collection else []
    checkpoints.measure(bench, shlex.join(["strop", "study", "checkpoints", name, "--scale", scale, *on]))
    return checkpoints.compare(checkpoints.folders(bench.store))


def report(results: str | Path, out: str | Path) -> Path:
    """Render a Results folder, or a training, as one HTML file."""
    free(out)
    if Path(results).is_dir() and not (Path(results) / ABOUT).is_file():
        return render(Path(results), Path(out))
    return write_page(run_folder(str(results)), Path(out), raised)


def live(run: str, say: Callable[[str], None]) -> None:
    """Serve the page of a training until Ctrl-C: its folder, the start of its key, or `latest`."""
    watch(run_folder(run), raised, say=say)


def raised(course: Course) -> list[tuple[int, str, str]]:
    """The alarms of a training so far."""
    return [(alarm.step, alarm.name, alarm.sentence) for alarm in alarms(course.series, course.about)]


def run_folder(run: str) -> Path:
    """The folder of a training. Raises InputError when there is none, or more than one key begins so."""
    if Path(run).is_dir():
        return Path(run)
    root = store().root / TRAIN.name
    found = sorted((path.parent for path in root.glob("*/rows.csv")), key=lambda folder: folder.stat().st_mtime)
    if run == "latest" and found:
        return found[-1]
    matching = [folder for folder in found if folder.name.startswith(run)]
    if len(matching) != 1:
        raise InputError(
            f"{len(matching)} trainings have a key that starts with {run!r}",
            remedy=f"Give a folder, the key of one in {root}, or 'latest'",
        )
    return matching[0]
