"""`strop fuse`: several TREC runs into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strop.commands import terminal
from strop.commands.inputs import free, judgments, warn
from strop.commands.options import RunOut
from strop.records.errors import InputError, excerpt
from strop.records.trec_columns import decimal

if TYPE_CHECKING:
    from strop.retrieval.fusion_weights import Tuned


def fuse(
    out: str | Path,
    runs: Sequence[str | Path],
    method: str = "rrf",
    weights: tuple[float, ...] = (),
    tune_on: str | None = None,
    dev_runs: Sequence[str | Path] = (),
    split: str = "dev",
    measure: str = "nDCG@10",
) -> Tuned | None:
    """Fuse `runs` by `method` (of `METHODS`) and write a TREC run, tagged with the method's name.

    `weights` holds one weight per run. With `tune_on` (qrels, or a collection whose `split` is judged) weights are
    chosen for `measure` on `dev_runs`, one per run in the same order, and the choice is returned. Raises InputError
    when a query to tune on is also among those to fuse, because the result could not be measured honestly.
    """
    from strop.evaluation import measures
    from strop.evaluation.judged_runs import read_judged_run
    from strop.records.runs import read_run, write_run
    from strop.retrieval.fuse import METHODS, CombMNZ
    from strop.retrieval.fusion_weights import tuned, weight_grid

    free(out)
    if method not in METHODS:
        raise InputError(f"there is no method {excerpt(method)}", remedy=f"Choose one of {', '.join(METHODS)}")
    if len(runs) < 2:
        raise InputError("fusion needs at least two runs", remedy="Give two or more")
    chosen = METHODS[method]
    if isinstance(chosen, CombMNZ):
        if weights or tune_on is not None:
            raise InputError(f"{method} takes no weights", remedy="Leave them out, or choose another method")
    elif weights and tune_on is not None:
        raise InputError("weights are both given and to be tuned", remedy="Leave out --weights or --tune-on")
    else:
        chosen = replace(chosen, weights=weights)
    if (tune_on is None and dev_runs) or (tune_on is not None and len(dev_runs) != len(runs)):
        raise InputError(
            f"{len(dev_runs)} dev runs for {len(runs)} runs",
            remedy="With --tune-on give one --dev-run per run, in the same order; without it, none",
        )
    measures.measure(measure)
    judged = judgments(tune_on, split) if tune_on is not None else {}
    read = [read_run(path) for path in runs]
    choice = None
    if tune_on is not None and not isinstance(chosen, CombMNZ):
        if shared := [query_id for run in read for query_id in run if query_id in judged]:
            raise InputError(
                f"{len(set(shared)):,} queries to tune on are also among those to fuse (first: {excerpt(shared[0])})",
                remedy="Tune on queries that you do not measure",
            )
        choice = tuned(chosen, [read_judged_run(p, judged) for p in dev_runs], judged, measure, weight_grid(len(runs)))
        chosen = choice.method
    fused = chosen(read)
    for path, run in zip(runs, read, strict=True):
        if len(run) < len(fused):
            lacking = f"{len(fused) - len(run):,} of {len(fused):,} queries are not in it"
            warn(f"{path}: {lacking}; the other runs alone rank those")
    write_run(fused, out, method)
    return choice


def fuse_command(
    out: RunOut,
    runs: Annotated[list[Path], typer.Argument(help="The TREC runs to fuse: two or more.")],
    method: Annotated[str, typer.Option(help="rrf, minmax, zscore or combmnz.")] = "rrf",
    weights: Annotated[str | None, typer.Option(metavar="A,B,…", help="One weight per run; equal by default.")] = None,
    tune_on: Annotated[
        str | None, typer.Option(help="Choose weights on these qrels (a TREC file or a collection); needs --dev-run.")
    ] = None,
    dev_run: Annotated[
        list[Path] | None, typer.Option(help="A run over the queries to tune on: one per run, in the same order.")
    ] = None,
    split: Annotated[str, typer.Option(help="The split to tune on: qrels/SPLIT.tsv.")] = "dev",
    measure: Annotated[str, typer.Option(help="The measure to tune for.")] = "nDCG@10",
) -> None:
    """Fuse several runs into one, by ranks or by normalised scores.

    Weights can be tuned on other queries than those fused. The gain over equal weights is then estimated on queries
    that had no part in the choice.
    """
    parsed = tuple(value for weight in (weights or "").split(",") if (value := decimal(weight.strip())) is not None)
    if weights is not None and len(parsed) < len(weights.split(",")):
        raise InputError(f"--weights {excerpt(weights)} are not numbers", remedy="Write them like 0.3,0.7")
    choice = fuse(out, runs, method, parsed, tune_on, dev_run or (), split, measure)
    terminal.echo(out)
    if choice is not None:
        terminal.echo(f"{choice.measure} on the {choice.queries:,} queries tuned on: {choice.value:.4f} (optimistic)")
        for path, weight, low, high in zip(runs, choice.method.weights, choice.low, choice.high, strict=True):
            terminal.echo(f"weight {weight:g} [{low:g}, {high:g}] for {path}")
        interval = f"[{choice.gain_low:+.4f}, {choice.gain_high:+.4f}]"
        terminal.echo(f"gain over equal weights, on queries left out of the choice: {choice.gain:+.4f} {interval}")
