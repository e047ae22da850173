"""`strop study`: replicate a paper: plan, run, show, report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import store
from strop.commands import terminal
from strop.commands.inputs import free, training_folder
from strop.records.errors import InputError

if TYPE_CHECKING:
    from strop.monitoring.logbook import Course
    from strop.records.exhibits.checkpoints import Checkpoints
    from strop.study.open_questions import Evidence, OpenQuestion
    from strop.study.parts import Outcome
    from strop.study.planning import Plan
    from strop.study.workbench import Workbench


Scale = Annotated[str, typer.Option(help="How much data: quick, desk, full, or another scale of the study.")]
Presets = Annotated[list[str] | None, typer.Option("--preset", help="Run only this preset; repeatable.")]
On = Annotated[str | None, typer.Option(help="The collection to train on, in place of the scale's own.")]
Test = Annotated[list[str] | None, typer.Option("--test", help="A further collection to test on; repeatable.")]
Candidates = Annotated[
    list[str] | None,
    typer.Option(help="A TREC run over a --test collection: there only its documents are reranked; repeatable."),
]
NAME = "when_finetuning_fails"
Study = Annotated[str, typer.Argument(help="A study that comes with strop, or a Python file that defines STUDY.")]

study_command = typer.Typer(no_args_is_help=True, help="Replicate a paper: plan, run, show, report.")


@dataclass(frozen=True, slots=True)
class Setting:
    """A study at a scale, with its own presets and collections where none are named."""

    name: str
    scale: str
    presets: Sequence[str] = ()
    collection: str | None = None
    others: Sequence[str] = ()
    candidates: Sequence[str] = ()

    def workbench(self, progress: Progress = silent) -> Workbench:
        from strop.study import definition, workbench
        from strop.study.native_precision import in_native_precision

        study = in_native_precision(definition.find(self.name))
        scale = study.scale(self.scale)
        source = scale.collection if self.collection is None else self.collection
        return workbench.Workbench(study, scale, source, store(), progress, self.others, self.candidates)

    def command(self, word: str) -> str:
        """The command line that does `word` to it."""
        options = (
            *product(["--preset"], self.presets),
            *product(["--on"], () if self.collection is None else [self.collection]),
            *product(["--test"], self.others),
            *product(["--candidates"], self.candidates),
        )
        return shlex.join(["strop", "study", word, self.name, "--scale", self.scale, *sum(options, ())])


def study_run(
    name: str,
    scale: str = "quick",
    presets: Sequence[str] = (),
    collection: str | None = None,
    budget: float | None = None,
    progress: Progress = silent,
    others: Sequence[str] = (),
    candidates: Sequence[str] = (),
) -> Path:
    """Run a study and return its Results folder, with `report.html` in it. Work done before is not repeated.

    `presets` run in the order given (default: those of the scale). `others` are further collections to test on
    (default: those of the scale); `candidates` are TREC runs over some of them, where only these documents are
    reranked. `budget` is in minutes: the run stops before the training that would exceed it; the same call continues.
    """
    folder = _conducted(Setting(name, scale, presets, collection, others, candidates), budget, progress)
    if not (folder / "report.html").is_file():
        from strop.report.page import render

        render(folder, folder / "report.html")
    return folder


def _conducted(setting: Setting, budget: float | None, progress: Progress) -> Path:
    """The Results folder of `study_run`, without a page."""
    from strop.study.conduct import conduct

    seconds = None if budget is None else 60 * budget
    return conduct(setting.workbench(progress), setting.command("run"), setting.presets, seconds)


def study_part(name: str, part: str, sources: Sequence[str] = (), progress: Progress = silent) -> Outcome:
    """Run a part of a study that has parts: its `folder` of plain files, and its `tables` by title, the first row a
    header. `sources` are what it is run on besides what it brings along."""
    from strop.study import parts

    return parts.part(name, part)(store(), progress, sources)


def study_plan(
    name: str,
    scale: str = "quick",
    presets: Sequence[str] = (),
    collection: str | None = None,
    others: Sequence[str] = (),
    candidates: Sequence[str] = (),
) -> Plan:
    """What the study would cost on this machine from scratch, and its minimum detectable difference."""
    from strop.study import planning

    return planning.plan(Setting(name, scale, presets, collection, others, candidates).workbench(), presets)


def study_show(
    name: str,
    point: str,
    scale: str = "quick",
    collection: str | None = None,
    progress: Progress = silent,
    others: Sequence[str] = (),
    candidates: Sequence[str] = (),
) -> tuple[OpenQuestion, Evidence | None]:
    """An open question about a paper, and the evidence of its demonstration here (None: a test is the demonstration).

    Trains the systems that it compares, unless that was done before.
    """
    bench = Setting(name, scale, (), collection, others, candidates).workbench(progress)
    question = bench.study.question(point)
    return question, question.demonstrate(bench) if question.demonstrate else None


def study_checkpoints(name: str, scale: str, collection: str | None = None, progress: Progress = silent) -> Checkpoints:
    """Measure five checkpoints of each run that a study names, then compare the rules for choosing among them.

    The comparison includes all runs measured in this way before, of other collections and studies too.
    """
    from strop.study.checkpoints import comparison

    setting = Setting(name, scale, collection=collection)
    comparison.measure(setting.workbench(progress), setting.command("checkpoints"))
    return comparison.compare(comparison.folders(store()))


def study_report(results: str | Path, out: str | Path) -> Path:
    """Render a Results folder, or a training, as one HTML file."""
    from strop.monitoring.logbook import ABOUT

    free(out)
    if Path(results).is_dir() and not (Path(results) / ABOUT).is_file():
        from strop.report.page import render

        return render(Path(results), Path(out))
    folder = training_folder(str(results))

    from strop.report.live_server import write_page  # with charts, which no wrong path waits for

    return write_page(folder, Path(out), _raised)


def study_live(run: str, say: Callable[[str], None], port: int = 0) -> None:
    """Serve the page of a training until Ctrl-C: its folder, the start of its key, or `latest`.

    Port 0 is any free one.
    """
    from strop.report.live_server import watch

    watch(training_folder(run), _raised, port, say)


def _raised(course: Course) -> list[tuple[int, str, str]]:
    """The alarms of a training so far."""
    from strop.monitoring.alarms import alarms

    return [(alarm.step, alarm.name, alarm.sentence) for alarm in alarms(course.series, course.about)]


@study_command.command("run")
def study_run_command(
    name: Study = NAME,
    scale: Scale = "quick",
    preset: Presets = None,
    on: On = None,
    test: Test = None,
    candidates: Candidates = None,
    budget: Annotated[
        float | None, typer.Option(min=0, help="Stop after so many minutes; the same command continues.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="Run this part of a study that has parts, and print where its files lie.")
    ] = None,
) -> None:
    """Run a study; print a table and write an HTML report.

    Work done before is not repeated. --on and --test name what a part is run on besides what it brings along.
    """
    if part is not None:
        outcome = study_part(name, part, [*(() if on is None else [on]), *(test or ())], terminal.progress)
        for title, rows in outcome.tables.items():
            terminal.table(rows, title)
        terminal.say(f"Files: {outcome.folder}")
        return
    from strop.commands.study_tables import study_table
    from strop.records.results import read_results
    from strop.report.summary import summarise

    setting = Setting(name, scale, preset or (), on, test or (), candidates or ())
    folder = _conducted(setting, budget, terminal.progress)
    report, results = folder / "report.html", read_results(folder)
    summary = summarise(results, matrix_only=report.is_file())  # of the page and of the terminal
    if not report.is_file():
        from strop.report.document import write
        from strop.report.page import page

        write(page(results, summary), report, replace=True)
    study_table(results, summary)
    terminal.report(report)


@study_command.command("plan")
def study_plan_command(
    name: Study = NAME,
    scale: Scale = "quick",
    preset: Presets = None,
    on: On = None,
    test: Test = None,
    candidates: Candidates = None,
) -> None:
    """Estimate what a study costs here, and what it can detect."""
    from strop.commands.study_tables import plan_table

    plan_table(study_plan(name, scale, preset or (), on, test or (), candidates or ()))


@study_command.command("show")
def study_show_command(
    point: Annotated[str, typer.Argument(help="An open question, such as T8; 'all' lists them.")],
    name: Annotated[
        str | None,
        typer.Option(
            "--study", help="The study, or a Python file that defines STUDY; found by the question if left out."
        ),
    ] = None,
    scale: Scale = "quick",
    on: On = None,
    test: Test = None,
    candidates: Candidates = None,
) -> None:
    """Run the demonstration of one open question about a paper."""
    from strop.commands.study_tables import evidence, questions_table
    from strop.study.definition import find, studies, with_question

    if point == "all":
        questions_table([question for study in ([name] if name else studies()) for question in find(study).questions])
    else:
        name = name or with_question(point)
        evidence(*study_show(name, point, scale, on, terminal.progress, test or (), candidates or ()))


@study_command.command("checkpoints")
def study_checkpoints_command(name: Study = NAME, scale: Scale = "desk", on: On = None) -> None:
    """Compare rules for choosing a checkpoint.

    Trains runs of a study with five checkpoints each, scores each rule (last, best dev, …) on test queries, and asks
    which diagnostics predict the gain.
    """
    from strop.commands.study_tables import checkpoint_tables

    checkpoint_tables(study_checkpoints(name, scale, on, terminal.progress))


@study_command.command("report")
def study_report_command(
    results: Annotated[str, typer.Argument(help="A Results folder; or a training: its folder, its key, or 'latest'.")],
    out: Annotated[Path | None, typer.Argument(help="The HTML file to write (not with --live).")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Serve the page of a running training, on this machine only.")
    ] = False,
    port: Annotated[int, typer.Option(help="With --live: the port to serve at; 0 is any free one.")] = 0,
) -> None:
    """Write results or a training as one HTML file, or watch a training live."""
    if live:
        study_live(results, terminal.echo, port)
    elif out is None:
        raise InputError("there is no file to write to", remedy="Name an HTML file, or add --live")
    else:
        terminal.echo(study_report(results, out))
