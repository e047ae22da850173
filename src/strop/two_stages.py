"""Search in two stages as Python calls: a model of any kind over another's candidates, and what that could reach."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path

from strop import late_search, stages
from strop.commands import free, judgments, load, store
from strop.evaluate import Reordering, read_judged_run, reordering
from strop.lexical import BM25
from strop.measures import MEASURES, mean
from strop.models.cross_encoder import untrained_in
from strop.models.loading import is_multi_vector
from strop.models.pretrained import resolve
from strop.nouns import InputError, InputWarning
from strop.passages import Windows
from strop.rankings import texts
from strop.rerank import Cost
from strop.runs import read_run, write_run
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
    free(out)
    first = read_run(run)
    scorer = resolve(model)
    if untrained := untrained_in(scorer.path):
        raise InputError(
            f"{', '.join(untrained)} is random and was never trained: scores carry no order",
            where=model,
            remedy="Train it: strop train EXAMPLES OUT --model MODEL --recipe rerank-bce",
        )
    data = load(collection, split)
    queries, documents = texts(data)
    made = stages.rerank_run(store(), scorer, first, queries, documents, depth, progress, windows=windows)
    cost = Cost(**made.record["cost"])
    if cost.cut:
        limit = made.record["max_length"]
        said = f"{cost.cut:,} of {cost.pairs:,} pairs are longer than the model's {limit} tokens and were cut"
        warnings.warn(said, InputWarning, stacklevel=2)
    shutil.copyfile(made.path / "run.trec", out)
    return cost


def evaluate_reordered(
    run: str | Path,
    qrels: str,
    candidates: str | Path,
    depth: int = 100,
    split: str = "test",
    measures: Iterable[str] = MEASURES,
    relevance_level: int = 1,
) -> Reordering:
    """A TREC run that reorders the first `depth` documents of the run `candidates`, beside the most that any order of
    them reaches. Runs and `qrels` as `commands.evaluate` reads them; raises InputError as `evaluate.reordering` does.
    """
    judged = judgments(qrels, split)
    made, first = (read_judged_run(path, judged) for path in (run, candidates))
    return reordering(made, first, judged, depth, measures, relevance_level)
