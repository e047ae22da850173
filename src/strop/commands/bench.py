"""`strop bench`: speed and cost, measured here."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from strop.commands.inputs import check
from strop.commands.options import BASE, DOCSTRINGS, Settings
from strop.commands.terminal import progress, table
from strop.models.pretrained import resolve
from strop.records.errors import InputError, excerpt


def bench_command(
    name: Annotated[str, typer.Argument(help="encode, train, all (both), latency, memory or lengths.")] = "all",
    repeats: Annotated[int, typer.Option(min=1, help="Rounds; in each, both systems run in turn.")] = 3,
    model: Annotated[
        str, typer.Option(help="A model folder or a hub id, for latency, memory, lengths and train --recipe.")
    ] = BASE,
    on: Annotated[str, typer.Option(help="For latency and train --recipe: a collection.")] = DOCSTRINGS,
    recipe: Annotated[str | None, typer.Option(help="With train: compare AdamW and Lion on this recipe.")] = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="bert|gte|modernbert", help="With --recipe: a model of real size with random weights."
        ),
    ] = None,
    settings: Settings = None,
) -> None:
    """Measure speed and memory on this machine.

    encode and train compare strop with sentence-transformers on the same work. latency: seconds per query. memory: peak
    memory of one update. lengths: cost of a query-document pair by its length.
    """
    from strop.bench import model_latency, optimizer_cost, pair_lengths, peers, step_memory
    from strop.models.random_weights import POSITIONS, RandomWeights
    from strop.training.recipes import parsed
    from strop.training.recipes import recipe as named

    if (recipe is not None or settings) and not (recipe is not None and name == "train"):
        raise InputError("--recipe and --set belong to bench train", remedy="Write bench train --recipe NAME")
    if architecture is not None and (architecture not in POSITIONS or recipe is None):
        known = ", ".join(POSITIONS)
        raise InputError(
            f"--as {excerpt(architecture)} is nothing to measure", remedy=f"Give --recipe and one of {known}"
        )
    if architecture is None and (recipe is not None or name in ("latency", "memory", "lengths")):
        check(on, "test")
        resolve(model)
    if recipe is not None:
        weights = RandomWeights(cast(Any, architecture), "base") if architecture else None
        chosen = named(recipe, parsed(settings or []))
        measured = optimizer_cost.efficiencies(chosen, model, on, repeats, progress, weights)
        table(measured, f"{recipe} on {on}, {repeats} repeats of {optimizer_cost.TIMED} updates")
    elif name == "latency":
        table(model_latency.latency_table(model, on, repeats, progress), f"{model} on {on}, {repeats} repeats")
    elif name == "memory":
        points = step_memory.memory_points(model, progress=progress)
        table(step_memory.memory_table(points), f"one update of {model}, {step_memory.LENGTH} tokens per text")
    elif name == "lengths":
        seconds, most = pair_lengths.estimate(repeats)
        typer.echo(f"takes about {seconds / 60:.0f} minutes and at most {most / 2**30:.0f} GiB", err=True)
        lengths = pair_lengths.length_points(model, repeats, progress=progress)
        title = f"one forward pass of one pair, {repeats} times, float32, random weights"
        table(pair_lengths.length_table(lengths), title)
    else:
        table(peers.benchmarks(name, repeats, progress), "strop against sentence-transformers")
