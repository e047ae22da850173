"""`strop rerank`: a TREC run in, its first documents in a model's order out."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import store
from strop.commands.inputs import free
from strop.commands.options import DOCSTRINGS
from strop.records.errors import InputError, InputWarning

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
    """Write `run`, a TREC run over a collection's queries, with the first `depth` documents of each in a model's order;
    return what that took, once: later calls find it made. A model that reads no pairs goes by its own similarity.
    `windows` says how a cross-encoder reads documents that are too long: without it they are cut.

    Raises InputError for an id that the collection lacks, for windows of a model that reads no pairs, and for a head
    that strop drew at random and nothing trained. What others left untrained cannot be known. Warns of pairs that the
    model's limit cut.
    """

    from strop.commands.inputs import load
    from strop.records.runs import read_run
    from strop.retrieval.rerank import Cost
    from strop.retrieval.retriever import retriever
    from strop.retrieval.texts import texts

    free(out)
    first = read_run(run)
    scorer = retriever(model)
    if scorer.untrained:
        raise InputError(
            f"{', '.join(scorer.untrained)} is random and was never trained: scores carry no order",
            where=model,
            remedy="Train it: strop train EXAMPLES OUT --model MODEL --recipe rerank-bce",
        )
    queries, documents = texts(load(collection, split))
    reranked = scorer.rerank(store(), first, queries, documents, depth, progress, windows=windows)
    cost = Cost(**reranked.record["cost"])
    if cost.cut:
        limit = reranked.record["max_length"]
        said = f"{cost.cut:,} of {cost.pairs:,} pairs are longer than the model's {limit} tokens and were cut"
        warnings.warn(said, InputWarning, stacklevel=2)
    shutil.copyfile(reranked.path / "run.trec", out)
    return cost


def rerank_command(
    run: Annotated[Path, typer.Argument(help="A TREC run.")],
    out: Annotated[Path, typer.Argument(help="The TREC run to write.")],
    model: Annotated[str, typer.Option(help="Whose order: a folder or a hub id.")],
    on: Annotated[str, typer.Option(help="The collection that the run is over.")] = DOCSTRINGS,
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
    from strop.commands.terminal import progress
    from strop.retrieval.windows import Windows

    if max_length is not None and windows is None:
        raise InputError("--max-length is that of windows", remedy="Give --windows too; `first` is plain truncation")
    cut = Windows(cast(Any, windows), max_length=max_length) if windows else None
    cost = rerank(run, out, model, on, split, depth, progress, cut)
    typer.echo(f"{out}: {cost.pairs:,} pairs of {cost.tokens:,} tokens, scored in {cost.seconds:,.1f} s")
