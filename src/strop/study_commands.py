"""The study commands as Python calls: run, plan, show a point, report."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from strop import planning
from strop.commands import free, store
from strop.conduct import conduct
from strop.planning import Plan
from strop.points import Evidence, Point
from strop.report.page import render
from strop.stages import Progress, silent
from strop.study import find
from strop.workbench import Workbench


def workbench(name: str, scale: str = "quick", collection: str | None = None, progress: Progress = silent) -> Workbench:
    """The study's artifacts at a scale, over its own collection or another."""
    study = find(name)
    chosen = study.scale(scale)
    return Workbench(study, chosen, collection or chosen.collection, store(), progress)


def run(
    name: str,
    scale: str = "quick",
    presets: Sequence[str] = (),
    collection: str | None = None,
    budget: float | None = None,
    progress: Progress = silent,
) -> Path:
    """Run a study, or answer from the artifacts, and return its Results folder with `report.html` in it.

    `presets` (default: the scale's own), in the order given; `budget` in minutes: stops before the training that would
    pass it, and the same call goes on from there.
    """
    bench = workbench(name, scale, collection, progress)
    given = [word for preset in presets for word in ("--preset", preset)] + (["--on", collection] if collection else [])
    command = shlex.join(["strop", "study", "run", name, "--scale", scale, *given])
    folder = conduct(bench, command, presets, None if budget is None else 60 * budget)
    if not (folder / "report.html").is_file():
        render(folder, folder / "report.html")
    return folder


def plan(name: str, scale: str = "quick", presets: Sequence[str] = (), collection: str | None = None) -> Plan:
    """What the study costs here from scratch, and the smallest effect it can see."""
    return planning.plan(workbench(name, scale, collection), presets)


def show(
    name: str, point: str, scale: str = "quick", collection: str | None = None, progress: Progress = silent
) -> tuple[Point, Evidence | None]:
    """A doubtful point of a study, and the evidence that its demonstration gives here and now (None: a test shows it).

    Trains the systems that it compares, unless that was done before.
    """
    bench = workbench(name, scale, collection, progress)
    chosen = bench.study.point(point)
    return chosen, chosen.demonstrate(bench) if chosen.demonstrate else None


def report(results: str | Path, out: str | Path) -> Path:
    """Render a Results folder as one HTML file."""
    free(out)
    return render(Path(results), Path(out))
