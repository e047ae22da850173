"""Commands that read runs: fuse, rerank, evaluate. Rooms are imported inside commands, so that --help is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer


def fuse(
    out: Annotated[Path, typer.Argument(help="The TREC run to write.")],
    runs: Annotated[list[Path], typer.Argument(help="The TREC runs to fuse: two or more.")],
    method: Annotated[str, typer.Option(help="rrf, minmax, zscore or combmnz.")] = "rrf",
    weights: Annotated[str | None, typer.Option(metavar="A,B,…", help="One for each run; equal if left out.")] = None,
    tune_on: Annotated[
        str | None, typer.Option(help="Choose weights on these qrels (a TREC file or a collection), with --dev-run.")
    ] = None,
    dev_run: Annotated[
        list[Path] | None, typer.Option(help="A run over the queries to tune on; one for each run, same order.")
    ] = None,
    split: Annotated[str, typer.Option(help="Which qrels/SPLIT.tsv to tune on.")] = "dev",
    measure: Annotated[str, typer.Option(help="What to tune for.")] = "nDCG@10",
) -> None:
    """Fuse runs into one, by ranks or by normalised scores.

    Weights are tuned on other queries than those fused, and their gain is printed for queries left out of the choice.
    """
    from strop import fuse_commands
    from strop.nouns import InputError

    try:
        parsed = tuple(float(weight) for weight in weights.split(",")) if weights else ()
    except ValueError:
        raise InputError(f"--weights {weights!r} are no numbers", remedy="Write them like 0.3,0.7") from None
    found = fuse_commands.fuse(out, runs, method, parsed, tune_on, dev_run or (), split, measure)
    typer.echo(out)
    if found is not None:
        typer.echo(f"{found.measure} on the {found.queries:,} queries tuned on: {found.value:.4f}, which flatters")
        for path, weight, low, high in zip(runs, found.method.weights, found.low, found.high, strict=True):
            typer.echo(f"weight {weight:g} [{low:g}, {high:g}] for {path}")
        interval = f"[{found.gain_low:+.4f}, {found.gain_high:+.4f}]"
        typer.echo(f"gain over equal weights, on queries left out: {found.gain:+.4f} {interval}")


def rerank(
    run: Annotated[Path, typer.Argument(help="A TREC run.")],
    out: Annotated[Path, typer.Argument(help="The TREC run to write.")],
    model: Annotated[str, typer.Option(help="Whose order: a folder or a hub id.")],
    on: Annotated[str, typer.Option(help="The collection that the run is over.")] = "docstrings",
    split: Annotated[str, typer.Option(help="Which qrels/SPLIT.tsv has the run's queries.")] = "test",
    depth: Annotated[int, typer.Option(min=1, help="Documents a query to put in a new order.")] = 100,
    windows: Annotated[
        str | None,
        typer.Option(metavar="max|mean|first", help="Read long documents in windows, and pool their scores so."),
    ] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens of a window and its query.")] = None,
) -> None:
    """Put the first documents of a run in a model's order; the others keep theirs below them.

    A cross-encoder reads pairs; another model goes by its own similarity. A killed call goes on where it was when the
    same command is given again.
    """
    from strop import two_stages
    from strop.nouns import InputError
    from strop.passages import Windows
    from strop.terminal import progress

    if max_length is not None and windows is None:
        raise InputError("--max-length is that of windows", remedy="Give --windows too; `first` is plain truncation")
    cut = Windows(cast(Any, windows), max_length=max_length) if windows else None
    cost = two_stages.rerank(run, out, model, on, split, depth, progress, cut)
    typer.echo(f"{out}: {cost.pairs:,} pairs of {cost.tokens:,} tokens, scored in {cost.seconds:,.1f} s")


def evaluate(
    run: Annotated[Path, typer.Argument(help="A TREC run.")],
    against: Annotated[Path | None, typer.Argument(help="A second TREC run to compare it with.")] = None,
    qrels: Annotated[str, typer.Option(help="A TREC qrels file, or a collection.")] = "docstrings",
    split: Annotated[str, typer.Option(help="Which qrels/SPLIT.tsv to use.")] = "test",
    measure: Annotated[
        list[str] | None, typer.Option(help="nDCG@10, RR@10, AP, Rprec, Judged@10, …; repeatable.")
    ] = None,
    level: Annotated[int, typer.Option(min=1, help="The lowest grade that counts as relevant.")] = 1,
    candidates: Annotated[
        Path | None, typer.Option(help="The TREC run whose first documents it reorders: show what any order reaches.")
    ] = None,
    depth: Annotated[int | None, typer.Option(min=1, help="How many of them a query: 100 if left out.")] = None,
    json_out: Annotated[bool, typer.Option("--json", help="Print the values of every query as JSON.")] = False,
) -> None:
    """Measure a run, alone or beside the ceiling of its candidates, or compare two with paired tests."""
    import json
    from dataclasses import asdict

    from strop import commands, two_stages
    from strop.measures import MEASURES, averaged
    from strop.nouns import InputError
    from strop.terminal import COMPARED, comparison_rows, console, reordering_table, table

    if depth is not None and candidates is None:
        raise InputError("--depth is that of the candidates", remedy="Give --candidates RUN too, or leave it out")
    if candidates is not None and against is not None:
        raise InputError("--candidates belongs to a single run", remedy="Leave the second run or --candidates out")
    if candidates is not None:
        args = (run, qrels, candidates, depth or 100, split, measure or MEASURES, level)
        reordered = two_stages.evaluate_reordered(*args)
        if json_out:
            typer.echo(json.dumps(asdict(reordered), indent=1))
        else:
            reordering_table(reordered, f"{run} of {candidates}")
        return
    found = commands.evaluate(run, qrels, split, against, measure or MEASURES, level)
    if json_out:
        typer.echo(json.dumps(found if isinstance(found, dict) else list(map(asdict, found)), indent=1))
    elif isinstance(found, dict):
        queries = len(next(iter(found.values())))
        rows = [[name, f"{averaged(name, values):.4f}"] for name, values in found.items()]
        table([["measure", "mean"], *rows], f"{run}, {queries} judged queries")
    else:
        table(comparison_rows(found), f"{run} against {against}, {found[0].comparison.n} judged queries")
        console.print(COMPARED)
