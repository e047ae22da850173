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
from strop.records.errors import InputError

#: Of how many queries a two-stage search is measured against the exact one.
CHECKED = 50


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

    from strop.collection.lazy_documents import Contents
    from strop.commands.inputs import load

    free(out)
    data = load(collection, split)

    from strop.models.pretrained import resolve  # with torch, which a wrong path need not wait for
    from strop.retrieval import stages
    from strop.retrieval.lexical import BM25

    queries = {q.id: q.text for q in data.queries.values()}
    documents = Contents(data.documents)
    own = {q: d for q in queries if (d := data.own_document(q)) is not None}
    if model == "bm25":
        found = stages.search_lexical(store(), BM25(), queries, documents, depth, own, progress)
    else:
        found = stages.search_dense(store(), resolve(model), queries, documents, depth, own, progress)
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
    from strop.evaluation.measures import mean
    from strop.models.loading import is_multi_vector
    from strop.models.pretrained import resolve
    from strop.records.runs import write_run
    from strop.retrieval import late_search, stages
    from strop.retrieval.lexical import BM25
    from strop.retrieval.rankings import texts

    free(out)
    late = resolve(model)
    if not is_multi_vector(late.path):
        raise InputError(
            "the model has a vector a text, and needs no second stage", where=model, remedy="Leave --prefilter out"
        )
    first_model = None if prefilter == "bm25" else resolve(prefilter)
    data = load(collection, split)
    queries, documents = texts(data)
    own = {q: d for q in queries if (d := data.own_document(q)) is not None}
    if first_model is None:
        found = stages.search_lexical(store(), BM25(), queries, documents, candidates, own, progress)
    else:
        found = stages.search_dense(store(), first_model, queries, documents, candidates, own, progress)
    first = stages.run_of(found)
    second = stages.rescore_late(store(), late, first, queries, documents, depth, own, progress)
    checked = {q: queries[q] for q in sorted(queries)[:CHECKED]}
    exact = stages.run_of(stages.search_dense(store(), late, checked, documents, 10, own, progress))
    write_run(second, out, "late")
    return mean(late_search.recall(first, exact, 10))


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
