"""The `strop` command. Rooms are imported inside commands, so that --help is instant."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from strop.ranking_cli import evaluate, fuse, rerank
from strop.study_cli import study
from strop.teach_cli import teach

BASE = "all-MiniLM-L6-v2"
Model = Annotated[
    str, typer.Option(help="A folder, a hub id (org/name or org/name@revision), or bm25 where that fits.")
]
Collection = Annotated[
    str,
    typer.Argument(help='A folder in BEIR\'s or MS MARCO\'s layout, "irds:ID" of ir_datasets, or "docstrings".'),
]
Split = Annotated[str, typer.Option(help="Which qrels/SPLIT.tsv to use.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="optimizer.learning_rate=1e-5, …")
]
Seed = Annotated[int, typer.Option(help="Decides everything drawn by chance.")]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fine-tune neural retrievers, settle whether it helped, and see why.",
    epilog="Exit codes: 0 done, 1 something failed, 2 unusable input. Artifacts live in .strop or $STROP_HOME.",
)
data = typer.Typer(no_args_is_help=True, help="Look at collections, or write one as a BEIR folder.")
app.add_typer(data, name="data")
app.add_typer(study, name="study")


@data.command("inspect")
def data_inspect(
    collection: Collection = "docstrings",
    model: Model = BASE,
    json_out: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Audit a collection: counts, lengths, duplicates, overlap of train and test, what the base has seen."""
    from strop import data_commands
    from strop.terminal import console

    found = data_commands.inspect(collection, model)
    if json_out:
        import json

        typer.echo(json.dumps(found, indent=1))
        return
    for reading in found["readings"]:
        console.print(f"- {reading}", markup=False)
    console.print(f"- Seen by the base: {found['seen by the base']}.", markup=False)
    for warning in found["warnings"]:
        console.print(f"[yellow]warning[/] {warning}")


@data.command("export")
def data_export(collection: Collection, out: Path) -> None:
    """Write a collection, every split, as a BEIR folder."""
    from strop import data_commands

    typer.echo(data_commands.export_data(collection, out))


@app.command()
def mine(
    collection: Collection,
    out: Annotated[Path, typer.Argument(help="The JSON-lines file to write.")],
    source: Annotated[
        str, typer.Option("--from", help="A model, bm25, a TREC run over the split's queries, uniform, or none.")
    ] = BASE,
    window: Annotated[str, typer.Option(help="Ranks to draw from, both ends included.")] = "51-200",
    count: Annotated[int, typer.Option(min=1, help="Negatives for each positive.")] = 1,
    split: Split = "train",
    seed: Seed = 42,
) -> None:
    """Mine negatives: write query, positive and negatives as JSON lines, for strop or any other trainer."""
    from strop import commands
    from strop.negatives.from_run import RankWindow
    from strop.nouns import InputError
    from strop.terminal import progress

    low, _, high = window.partition("-")
    if not (low.isdigit() and high.isdigit() and 1 <= int(low) <= int(high)):
        raise InputError(f"window {window!r} is no range of ranks", remedy="Write it as LOW-HIGH, like 51-200")
    chosen = RankWindow(int(low), int(high), count)
    number = commands.mine(collection, out, source, chosen, split, seed, progress)
    typer.echo(f"{number:,} examples in {out}")


@app.command()
def train(
    examples: Annotated[Path, typer.Argument(help="JSON lines of query, positive and negatives ('strop mine').")],
    out: Annotated[Path, typer.Argument(help="The folder to write the model to.")],
    recipe: Annotated[
        str,
        typer.Option(
            help="in-batch-full, in-batch-lora, late-full, late-lora, thesis-full, thesis-lora, "
            "rerank-bce, rerank-softmax, distill-kl or distill-margin-mse."
        ),
    ] = "in-batch-full",
    settings: Settings = None,
    model: Model = BASE,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the examples.")] = 1,
    seed: Seed = 42,
    stop: Annotated[
        str | None, typer.Option(help="Stop early and keep the best weights by geometry, dev or both.")
    ] = None,
    track: Annotated[
        str | None, typer.Option(help="Send the series to tensorboard, wandb, mlflow or trackio as well.")
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option("--as", help="First make it two towers (untied), a vector a token (late) or a reranker."),
    ] = None,
) -> None:
    """Fine-tune a model. A killed run goes on where it was when the same command is given again.

    Watch it from another terminal: strop study report --live latest
    """
    from strop import commands
    from strop.recipes import parsed
    from strop.terminal import progress, training_end

    given = parsed(settings or [])
    made = commands.train(examples, out, recipe, given, model, epochs, seed, stop, track, progress, architecture)
    typer.echo(f"{out} (artifact {made.key}, {made.record['ledger']['trainable']:,} parameters trained)")
    training_end(made, model)


app.command()(teach)


@app.command()
def search(
    collection: Collection,
    out: Annotated[Path, typer.Argument(help="The TREC run to write.")],
    model: Model = BASE,
    split: Split = "test",
    depth: Annotated[int, typer.Option(min=1, help="Documents a query.")] = 1000,
    prefilter: Annotated[
        str | None, typer.Option(help="With a late-interaction model: a model, or bm25, that finds its candidates.")
    ] = None,
    candidates: Annotated[int, typer.Option(min=10, help="How many of them a query.")] = 200,
) -> None:
    """Search a collection exactly, encoding what is not yet encoded; writes a TREC run.

    With --prefilter in two stages: prints how many of the exact search's ten best the candidates hold.
    """
    from strop import commands, two_stages
    from strop.terminal import progress

    if prefilter is None:
        typer.echo(commands.search(collection, out, model, split, depth, progress))
    else:
        args = (collection, out, model, prefilter, candidates, split, depth, progress)
        typer.echo(f"{out}: {two_stages.search_two_stages(*args):.1%} of the exact ten best are among the candidates")


app.command()(fuse)
app.command()(rerank)
app.command()(evaluate)


@app.command()
def explain(
    model: Annotated[str, typer.Argument(help="A folder or a hub id, however it was trained.")],
    base: Annotated[str | None, typer.Argument(help="Another to show it beside: the model it was tuned from.")] = None,
    on: Annotated[str, typer.Option(help="The collection a probe is drawn from.")] = "docstrings",
    split: Split = "test",
    queries: Annotated[int, typer.Option(min=4, help="Queries of the probe.")] = 256,
    documents: Annotated[int, typer.Option(min=50, help="Documents of the probe.")] = 1024,
) -> None:
    """Read a model's geometry on a fixed probe, and how far it is from its base's; a table and a page."""
    from strop import explain
    from strop.terminal import geometry_table, progress

    geometry_table(explain.explain(model, base, on, split, queries, documents, progress))


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="A training artifact: its key, or the start of it, or its folder.")],
    out: Annotated[Path, typer.Argument(help="The folder to write.")],
) -> None:
    """Write a trained model in sentence-transformers' layout, with its adapter and a model card."""
    from strop import commands

    typer.echo(commands.export(source, out))


@app.command()
def doctor() -> None:
    """What is installed, which devices and caches there are, what is missing and how to get it."""
    from strop import commands
    from strop.doctor import examine, healthy
    from strop.terminal import doctor_table

    findings = examine(commands.store().root)
    doctor_table(findings)
    raise typer.Exit(0 if healthy(findings) else 1)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="encode, train, all (of these two), latency, memory or lengths.")] = "all",
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of A B A B.")] = 3,
    model: Annotated[str, typer.Option(help="Whose latency, memory or training: a folder or a hub id.")] = BASE,
    on: Annotated[str, typer.Option(help="The collection whose queries it answers, or trains on.")] = "docstrings",
    recipe: Annotated[
        str | None, typer.Option(help="With train: what this recipe costs with AdamW and with Lion.")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option("--as", metavar="bert|gte|modernbert", help="Of real size, with random weights.")
    ] = None,
    settings: Settings = None,
) -> None:
    """Speed against sentence-transformers on the same work, in turns; a model's latency; an update's peak memory; or
    what reading pairs costs by their length."""
    from strop import bench, bench_lengths, bench_memory, bench_training
    from strop.models.random_weights import POSITIONS, RandomWeights
    from strop.nouns import InputError
    from strop.recipes import parsed
    from strop.recipes import recipe as named
    from strop.terminal import progress, table

    if (recipe or settings) and not (recipe and name == "train"):
        raise InputError("--recipe and --set belong to bench train", remedy="Write bench train --recipe NAME")
    if architecture is not None and (architecture not in POSITIONS or not recipe):
        known = ", ".join(POSITIONS)
        raise InputError(f"--as {architecture!r} is nothing to measure", remedy=f"Give --recipe and one of {known}")
    if recipe:
        weights = RandomWeights(cast(Any, architecture), "base") if architecture else None
        chosen = named(recipe, parsed(settings or []))
        measured = bench_training.efficiencies(chosen, model, on, repeats, progress, weights)
        table(measured, f"{recipe} on {on}, {repeats} repeats of {bench_training.TIMED} updates")
    elif name == "latency":
        table(bench.latencies(model, on, repeats, progress), f"{model} on {on}, {repeats} repeats")
    elif name == "memory":
        points = bench_memory.memory_points(model, progress=progress)
        table(bench_memory.memory_table(points), f"one update of {model}, {bench_memory.LENGTH} tokens a text")
    elif name == "lengths":
        seconds, most = bench_lengths.estimate(repeats)
        typer.echo(f"about {seconds / 60:.0f} minutes of forwards, at most {most / 2**30:.0f} GiB", err=True)
        lengths = bench_lengths.length_points(model, repeats, progress=progress)
        table(bench_lengths.length_table(lengths), f"a forward of one pair, {repeats} times, float32, random weights")
    else:
        table(bench.benchmarks(name, repeats, progress), "strop against sentence-transformers")


def main() -> Any:
    """The command, with one line and exit code 2 for bad input instead of a traceback."""
    import warnings

    from strop.memory import reuse_freed
    from strop.nouns import InputError, InputWarning, NonFiniteLossError

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, InputWarning):
            typer.secho(f"warning: {message}", err=True, fg=typer.colors.YELLOW)
        else:
            shown(message, category, *place, **more)

    # Threads that spin while they wait cost threefold once another program wants a core. Read when torch loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    reuse_freed()
    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        shown, warnings.showwarning = warnings.showwarning, show
        try:
            return app(prog_name="strop")
        except InputError as error:
            typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
            sys.exit(2)
        except (NonFiniteLossError, OSError) as error:  # OSError: a full disk, a folder one may not write to
            typer.secho(f"stopped: {error}", err=True, fg=typer.colors.RED)
            sys.exit(1)
        except KeyboardInterrupt:
            typer.secho("stopped; the same command goes on from here", err=True)
            sys.exit(130)
