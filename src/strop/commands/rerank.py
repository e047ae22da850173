"""`strop rerank`: put the first documents of a TREC run in a model's order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import store
from strop.commands import terminal
from strop.commands.inputs import check, check_there, copy, free, load, warn
from strop.commands.options import DOCSTRINGS, RunOut
from strop.models.model_names import check_named
from strop.records.errors import InputError
from strop.retrieval.task import Task

if TYPE_CHECKING:
    from strop.retrieval.rerank import Cost
    from strop.retrieval.windows import Windows


def rerank(
    run: str | Path,
    out: str | Path,
    model: str,
    collection: str,
    split: str = "test",
    depth: int = 100,
    progress: Progress = silent,
    windows: Windows | None = None,
) -> Cost:
    """Write the TREC run `run` with the first `depth` documents per query in a model's order; return the cost of it
    (on a later call: the cost when it was first computed).

    `windows` says how a cross-encoder reads documents that are too long; without it they are cut, with a warning.
    Raises InputError for an id that the collection lacks, for `windows` with a model that is no cross-encoder, and for
    a head that strop initialised and nobody trained (an untrained head from elsewhere cannot be recognised).
    """
    free(out)
    check(collection, split)
    check_named(model)
    check_there(run)

    from strop.records.runs import read_run
    from strop.retrieval.rerank import Cost  # with torch, which no wrong path waits for
    from strop.retrieval.retriever import retriever

    first = read_run(run)
    scorer = retriever(model)
    if scorer.untrained:
        raise InputError(
            f"{', '.join(scorer.untrained)} is random and was never trained: its scores mean nothing",
            where=model,
            remedy="Train it: strop train EXAMPLES OUT --model MODEL --recipe rerank-bce",
        )
    reranked = scorer.rerank(Task.of(load(collection, split), store(), progress), first, depth, windows=windows)
    cost = Cost(**reranked.record["cost"])
    if cost.cut:
        limit = reranked.record["max_length"]
        warn(f"{cost.cut:,} of {cost.pairs:,} pairs are longer than the model's {limit} tokens and were cut")
    copy(reranked.path / "run.trec", out)
    return cost


def rerank_command(
    run: Annotated[Path, typer.Argument(help="A TREC run.")],
    out: RunOut,
    model: Annotated[str, typer.Option(help="A model folder or a hub id.")],
    on: Annotated[str, typer.Option(help="The collection that was searched.")] = DOCSTRINGS,
    split: Annotated[str, typer.Option(help="The split with the run's queries: qrels/SPLIT.tsv.")] = "test",
    depth: Annotated[int, typer.Option(min=1, help="Documents per query to rerank.")] = 100,
    windows: Annotated[
        str | None,
        typer.Option(metavar="max|mean|first", help="Read long documents in windows and pool the window scores."),
    ] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens of one window with its query.")] = None,
) -> None:
    """Rerank the first documents of a run with a model.

    A cross-encoder scores each query with each document, any other model by its own similarity. A cross-encoder's
    scores in the run are logits: CrossEncoder.predict mostly gives their sigmoid, which has the same order. Documents
    below --depth keep their order. If the command is killed, the same command continues.
    """
    if max_length is not None and windows is None:
        raise InputError(
            "--max-length needs --windows", remedy="Add --windows max, mean or first (first is plain truncation)"
        )
    cut = None
    if windows is not None:
        from strop.retrieval.windows import Windows

        cut = Windows(cast(Any, windows), max_length=max_length)
    cost = rerank(run, out, model, on, split, depth, terminal.progress, cut)
    terminal.echo(f"{out}: {cost.pairs:,} pairs of {cost.tokens:,} tokens, scored in {cost.seconds:,.1f} s")
