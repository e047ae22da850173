"""Search in two stages as a Python call: a late-interaction model over another's candidates."""

from __future__ import annotations

from pathlib import Path

from strop import late_search, stages
from strop.collection.contents import Contents
from strop.commands import free, load, store
from strop.lexical import BM25
from strop.measures import mean
from strop.models.loading import is_multi_vector
from strop.models.pretrained import resolve
from strop.nouns import InputError
from strop.runs import write_run
from strop.stages import Progress, silent

#: Of how many queries a two-stage search is measured against the exact one.
CHECKED = 50


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
    free(out)
    late = resolve(model)
    if not is_multi_vector(late.path):
        raise InputError(
            "the model has a vector a text, and needs no second stage", where=model, remedy="Leave --prefilter out"
        )
    first_model = None if prefilter == "bm25" else resolve(prefilter)
    data = load(collection, split)
    queries, documents = {q.id: q.text for q in data.queries.values()}, Contents(data.documents)
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
