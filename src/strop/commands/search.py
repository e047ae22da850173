"""`strop search`: a model, or BM25, over a collection, in one stage or two; a TREC run out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import store
from strop.commands.inputs import free
from strop.commands.options import BASE, Collection, Model, Split


def search(
    collection: str,
    out: str | Path,
    model: str = BASE,
    split: str = "test",
    depth: int = 1000,
    progress: Progress = silent,
) -> Path:
    """Write the TREC run of `model` (or `bm25`) over the whole collection, encoding what is not yet encoded.

    A query that is itself a document is not retrieved for itself.
    """

    from strop.commands.inputs import load
    from strop.retrieval.retriever import retriever
    from strop.retrieval.texts import own_documents, texts

    free(out)
    data = load(collection, split)
    found = retriever(model).search(store(), *texts(data), depth, own_documents(data), progress)
    shutil.copyfile(found.path / "run.trec", out)
    return Path(out)


def search_two_stages(
    collection: str,
    out: str | Path,
    model: str,
    prefilter: str,
    candidates: int = 200,
    split: str = "test",
    depth: int = 1000,
    progress: Progress = silent,
) -> float:
    """Write the TREC run of a late-interaction `model` over the `candidates` that `prefilter` (a model, or `bm25`) has
    for each query; return their recall: the mean share, over at most 50 queries, of the exact search's ten best.
    """

    from strop.commands.inputs import load
    from strop.records.runs import write_run
    from strop.retrieval.texts import own_documents, texts
    from strop.retrieval.two_stages import TwoStages

    free(out)
    stages = TwoStages.of(model, prefilter, candidates)
    data = load(collection, split)
    run, recall = stages.search(store(), *texts(data), depth, own_documents(data), progress)
    write_run(run, out, "late")
    return recall


def search_command(
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
    from strop.commands.terminal import progress

    if prefilter is None:
        typer.echo(search(collection, out, model, split, depth, progress))
    else:
        args = (collection, out, model, prefilter, candidates, split, depth, progress)
        typer.echo(f"{out}: {search_two_stages(*args):.1%} of the exact ten best are among the candidates")
