"""`strop search`: from a collection and a model, or BM25, to a TREC run; in one stage or two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import store
from strop.commands import terminal
from strop.commands.inputs import check, copy, free, load, warn
from strop.commands.options import BASE, Collection, RunOut, Split
from strop.models.model_names import check_named
from strop.records.errors import excerpt
from strop.retrieval.task import Task


def search(
    collection: str,
    out: str | Path,
    model: str = BASE,
    split: str = "test",
    depth: int = 1000,
    progress: Progress = silent,
) -> Path:
    """Write the TREC run of `model` (or `bm25`) over the whole collection.

    A query that is itself a document of the collection is not retrieved for itself. Warns of queries that share no word
    with any document: they have no line in the run.
    """
    from strop.models.pretrained import resolve
    from strop.retrieval.lexical import BM25

    free(out)
    check(collection, split)
    source = BM25() if model == "bm25" else resolve(model)
    data = load(collection, split)

    from strop.retrieval.retriever import retriever_of  # with torch, which no wrong path waits for
    from strop.retrieval.stages import run_of

    artifact = retriever_of(source).search(Task.of(data, store(), progress), depth)
    if isinstance(source, BM25) and (empty := data.queries.keys() - run_of(artifact).keys()):
        lacking = f"{len(empty):,} of {len(data.queries):,} queries (first: {excerpt(min(empty))})"
        warn(f"{lacking} share no word with any document, and are not in the run")
    copy(artifact.path / "run.trec", out)
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
    """Write the TREC run of a late-interaction `model` over the `candidates` per query that `prefilter` (a model, or
    `bm25`) finds. Return their recall: the mean share, over at most 50 queries, of the exact search's top ten.
    """
    free(out)
    check(collection, split)
    for name in {model, prefilter} - {"bm25"}:
        check_named(name)

    from strop.records.runs import write_run
    from strop.retrieval import two_stages  # with torch, which no wrong path waits for
    from strop.retrieval.retriever import retriever

    second, first = two_stages.second_stage(model), retriever(prefilter)
    task = Task.of(load(collection, split), store(), progress)
    run, recall = two_stages.search(task, depth, first, second, candidates)
    write_run(run, out, "late")
    return recall


def search_command(
    collection: Collection,
    out: RunOut,
    model: Annotated[str, typer.Option(help="A model folder, a hub id, or bm25.")] = BASE,
    split: Split = "test",
    depth: Annotated[int, typer.Option(min=1, help="Documents per query.")] = 1000,
    prefilter: Annotated[
        str | None, typer.Option(help="First stage for a late-interaction model: another model, or bm25.")
    ] = None,
    candidates: Annotated[int, typer.Option(min=10, help="Candidates per query from the first stage.")] = 200,
) -> None:
    """Search a collection with a model or BM25; write a TREC run.

    The search is exact. With --prefilter, a late-interaction model ranks only the candidates that another model finds;
    the share of the exact top ten among these candidates is printed.
    """
    if prefilter is None:
        terminal.echo(search(collection, out, model, split, depth, terminal.progress))
    else:
        recall = search_two_stages(collection, out, model, prefilter, candidates, split, depth, terminal.progress)
        terminal.echo(f"{out}: {recall:.1%} of the exact top ten are among the candidates")
