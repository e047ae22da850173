"""`strop bench`: speed and cost, measured here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from strop.commands.inputs import check
from strop.commands.options import BASE, DOCSTRINGS, Json, Settings, parsed
from strop.commands.terminal import progress, say, table, told
from strop.records.errors import InputError, excerpt

if TYPE_CHECKING:
    from strop.bench.comparison import Plan

#: What is compared with a peer, and what is measured of strop alone.
COMPARED, ALONE = ("encode", "train", "search", "rerank", "evaluate"), ("latency", "memory", "lengths")


def bench_command(
    name: Annotated[
        str,
        typer.Argument(help="encode, train, search, rerank, evaluate, all (these five), latency, memory or lengths."),
    ] = "all",
    repeats: Annotated[int, typer.Option(min=1, help="Rounds; in each, all sides run in turn.")] = 5,
    model: Annotated[str, typer.Option(help="A model folder or a hub id.")] = BASE,
    on: Annotated[
        str, typer.Option(help="The collection whose texts are read; search has random vectors, evaluate a made run.")
    ] = DOCSTRINGS,
    recipe: Annotated[str | None, typer.Option(help="With train: compare AdamW and Lion on this recipe.")] = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="bert|gte|modernbert", help="With --recipe: a model of real size with random weights."
        ),
    ] = None,
    settings: Settings = None,
    json_out: Json = False,
) -> None:
    """Measure speed and memory on this machine.

    encode, train, search, rerank and evaluate compare strop with sentence-transformers, faiss, ONNX Runtime, OpenVINO
    and ir_measures on the same work; what of these is not there is installed for the benchmark alone. latency: seconds
    per query. memory: peak memory of one update and of encoding. lengths: cost of a query-document pair by its length.
    """
    if (recipe is not None or settings) and not (recipe is not None and name == "train"):
        raise InputError("--recipe and --set belong to bench train", remedy="Write bench train --recipe NAME")
    if name not in ("all", *COMPARED, *ALONE):
        known = ", ".join((*COMPARED, *ALONE[:-1]))
        raise InputError(f"there is no benchmark {excerpt(name)}", remedy=f"Choose all, {known} or {ALONE[-1]}")
    if architecture is None:
        from strop.models.pretrained import resolve

        check(on, "test")
        resolve(model)
    else:
        from strop.models.random_weights import POSITIONS

        if architecture not in POSITIONS or recipe is None:
            problem = f"--as {excerpt(architecture)} is nothing to measure"
            raise InputError(problem, remedy=f"Give --recipe and one of {', '.join(POSITIONS)}")
    if recipe is None and name not in ALONE:
        _compare(COMPARED if name == "all" else (name,), model, on, repeats, json_out)
        return
    tables = (
        _optimizers(recipe, settings, architecture, model, on, repeats)
        if recipe is not None
        else _ALONE[name](model, on, repeats)
    )
    if json_out:
        _print({title: [dict(zip(rows[0], row, strict=True)) for row in rows[1:]] for title, rows in tables.items()})
        return
    for title, rows in tables.items():
        table(rows, title)


_Tables = dict[str, list[list[str]]]


def _compare(names: Sequence[str], model: str, on: str, rounds: int, json_out: bool) -> None:
    """All that can be refused is refused, and the time told, before the first is measured."""
    from strop.bench.comparison import plain, rows_table

    plans = [_planned(name, model, on, rounds) for name in names]
    minutes = sum(plan.seconds for plan in plans) / 60
    told(f"takes about {minutes:.0f} minutes, and some once to install peers; fewer with --repeats 1")
    reports = []
    for plan in plans:
        reports.append(plan.run())
        if not json_out:
            table(rows_table(reports[-1].rows), f"strop against its peers in turns, rounds: {rounds}")
            for note in reports[-1].notes:
                say(note)
    if json_out:
        _print(plain(reports))


def _planned(name: str, model: str, on: str, rounds: int) -> Plan:
    from strop.bench import encoding, evaluating, reranking, searching, training

    if name == "search":
        return searching.plan(rounds, progress)
    if name == "evaluate":
        return evaluating.plan(rounds, progress)
    plan = {"encode": encoding.plan, "train": training.plan, "rerank": reranking.plan}[name]
    return plan(model, on, rounds, progress)


def _optimizers(
    recipe: str, settings: list[str] | None, architecture: str | None, model: str, on: str, repeats: int
) -> _Tables:
    from strop.bench import optimizer_cost
    from strop.models.random_weights import RandomWeights
    from strop.training.recipes import recipe as named

    weights = RandomWeights(cast(Any, architecture), "base") if architecture else None
    chosen = named(recipe, parsed(settings or []))
    measured = optimizer_cost.efficiencies(chosen, model, on, repeats, progress, weights)
    return {f"{recipe} on {on}, {repeats} repeats of {optimizer_cost.TIMED} updates": measured}


def _latency(model: str, on: str, repeats: int) -> _Tables:
    from strop.bench import model_latency

    return {f"{model} on {on}, {repeats} repeats": model_latency.latency_table(model, on, repeats, progress)}


def _memory(model: str, on: str, repeats: int) -> _Tables:
    from strop.bench import encoding, step_memory

    points = step_memory.memory_points(model, progress=progress)
    return {
        f"one update of {model}, {step_memory.LENGTH} tokens per text": step_memory.memory_table(points),
        f"encoding {on} with {model}": encoding.memory_table(model, on, progress),
    }


def _lengths(model: str, on: str, repeats: int) -> _Tables:
    from strop.bench import pair_lengths

    seconds, most = pair_lengths.estimate(repeats)
    told(f"takes about {seconds / 60:.0f} minutes and at most {most / 2**30:.0f} GiB")
    lengths = pair_lengths.length_points(model, repeats, progress=progress)
    title = f"one forward pass of one pair, {repeats} times, float32, random weights"
    return {title: pair_lengths.length_table(lengths)}


_ALONE: dict[str, Callable[[str, str, int], _Tables]] = {"latency": _latency, "memory": _memory, "lengths": _lengths}


def _print(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1))
