"""`strop search`: from a collection and a model, or BM25, to a TREC run; in one stage or two."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import store
from strop.commands.inputs import free
from strop.commands.options import BASE, Collection, Split
from strop.records.errors import InputError

#: The number of queries on which a two-stage search is compared with the exact one.
CHECKED = 50


def search(
    collection: str,
    out: str | Path,
    model: str = BASE,
    split: str = "test",
    depth: int = 1000,
    progress: Progress = silent,
) -> Path:
    """Write the TREC run of `model` (or `bm25`) over the whole collection.

    A query that is itself a document of the collection is not retrieved for itself.
    """

    from strop.collection.lazy_documents import Contents
    from strop.commands.inputs import load
    from strop.models.pretrained import resolve
    from strop.retrieval import stages
    from strop.retrieval.lexical import BM25

    free(out)
    data = load(collection, split)
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
    """Write the TREC run of a late-interaction `model` over the `candidates` per query that `prefilter` (a model, or
    `bm25`) finds. Return their recall: the mean share, over at most 50 queries, of the exact search's top ten.
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
            "the model has one vector per text and needs no second stage", where=model, remedy="Leave --prefilter out"
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
    from strop.commands.terminal import progress

    if prefilter is None:
        typer.echo(search(collection, out, model, split, depth, progress))
    else:
        args = (collection, out, model, prefilter, candidates, split, depth, progress)
        typer.echo(f"{out}: {search_two_stages(*args):.1%} of the exact top ten are among the candidates")
