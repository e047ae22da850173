"""`strop study`: the commands about studies. Rooms are imported inside commands, so that --help is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Scale = Annotated[str, typer.Option(help="How much data to use.")]
Presets = Annotated[list[str] | None, typer.Option("--preset", help="Only this reading of the paper; may be repeated.")]
On = Annotated[str | None, typer.Option(help="Another collection than the scale's own.")]
Test = Annotated[
    list[str] | None, typer.Option("--test", help="A collection to test on too, beside the one trained on; repeatable.")
]
Candidates = Annotated[
    list[str] | None,
    typer.Option(help="A TREC run over a --test collection: only its documents are ranked there; repeatable."),
]
NAME = "when_finetuning_fails"
Study = Annotated[str, typer.Argument(help="A study that comes with strop, or a Python file that defines STUDY.")]

study = typer.Typer(no_args_is_help=True, help="Replicate a paper: run it, cost it, report on it.")


@study.command("run")
def study_run(
    name: Study = NAME,
    scale: Scale = "quick",
    preset: Presets = None,
    on: On = None,
    test: Test = None,
    candidates: Candidates = None,
    budget: Annotated[float | None, typer.Option(min=0, help="Minutes; stops in the planned order, resumes.")] = None,
) -> None:
    """Run a study end to end, or answer from the artifacts; ends with a table and an HTML report."""
    from strop import study_commands
    from strop.terminal import console, progress, study_table

    folder = study_commands.run(name, scale, preset or (), on, budget, progress, test or (), candidates or ())
    study_table(folder)
    console.print(f"Report: {(folder / 'report.html').resolve()}", soft_wrap=True, markup=False)


@study.command("plan")
def study_plan(
    name: Study = NAME,
    scale: Scale = "quick",
    preset: Presets = None,
    on: On = None,
    test: Test = None,
    candidates: Candidates = None,
) -> None:
    """What a study would cost on this machine, and the smallest effect it could see."""
    from strop import study_commands
    from strop.terminal import plan_table

    plan_table(study_commands.plan(name, scale, preset or (), on, test or (), candidates or ()))


@study.command("show")
def study_show(
    point: Annotated[str, typer.Argument(help="A doubtful point, like T8; 'all' lists them.")],
    name: Annotated[
        str | None, typer.Option("--study", help="A study, or a Python file that defines STUDY; else whichever has it.")
    ] = None,
    scale: Scale = "quick",
    on: On = None,
    test: Test = None,
    candidates: Candidates = None,
) -> None:
    """Rerun the demonstration of a doubtful point and print its evidence."""
    from strop import study_commands
    from strop.study import find, studies, with_point
    from strop.terminal import evidence, points_table, progress

    if point == "all":
        points_table([p for study in ([name] if name else studies()) for p in find(study).points])
    else:
        evidence(
            *study_commands.show(name or with_point(point), point, scale, on, progress, test or (), candidates or ())
        )


@study.command("checkpoints")
def study_checkpoints(name: Study = NAME, scale: Scale = "desk", on: On = None) -> None:
    """Which checkpoint to keep, and what predicts it: rules and diagnostics over runs kept at five updates each."""
    from strop import study_commands
    from strop.terminal import checkpoint_tables, progress

    checkpoint_tables(study_commands.compare_checkpoints(name, scale, on, progress))


@study.command("report")
def study_report(
    results: Annotated[str, typer.Argument(help="A Results folder, or a training's: its folder, key, or 'latest'.")],
    out: Annotated[Path | None, typer.Argument(help="The HTML file to write; not with --live.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Serve a page of a training as it goes.")] = False,
) -> None:
    """Render a Results folder, or a training, as one HTML file that needs no network; or watch a training live."""
    from strop import study_commands
    from strop.nouns import InputError

    if live:
        study_commands.live(results, typer.echo)
    elif out is None:
        raise InputError("there is no file to write to", remedy="Give one, or --live")
    else:
        typer.echo(study_commands.report(results, out))
