"""A cross-fitted teacher: each query's candidates are scored by a model that was trained without that query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Store
from strop.collection.near_duplicates import components
from strop.models.pretrained import Pretrained
from strop.models.scoring import Precision
from strop.records.documents import Group
from strop.records.errors import InputError, excerpt
from strop.records.runs import Ranking, Run
from strop.retrieval.retriever import retriever_of
from strop.retrieval.stages import run_of
from strop.retrieval.task import ById, Task
from strop.training.stage import Training, tuned_model

#: With more of the queries in one fold, the model that scores them would have learned from too few.
MOST = 0.8

Fold = AbstractSet[str]


def folds(
    groups: Sequence[Group], count: int, seed: int, queries: ById | None = None, documents: ById | None = None
) -> tuple[frozenset[str], ...]:
    """The groups' query ids in `count` folds; queries with a relevant document in common are in the same one.

    So are those that read alike, or whose relevant documents do, by the texts in `queries` and `documents`. Positives
    and `relevant` connect queries, over any number of steps; the largest connected part goes first into the
    smallest fold, parts of one size in an order drawn from `seed`. Raises InputError for fewer than 2 folds, for fewer
    queries or parts than folds, and when one part holds more than `MOST` of the queries.
    """
    query_ids = sorted({g.query_id for g in groups})
    if count < 2:
        raise InputError(f"{count} folds leave nothing to train on", remedy="Make 2 or more")
    if len(query_ids) < count:
        raise InputError(
            f"{len(query_ids)} queries cannot make {count} folds", remedy="Give more queries or fewer folds"
        )
    parts = _parts(query_ids, groups, queries or {}, documents or {})
    share = max(map(len, parts)) / len(query_ids)
    if share > MOST:
        raise InputError(
            f"{share:.0%} of the {len(query_ids):,} queries are connected by relevant documents that they share: no"
            " model could be trained apart from them",
            remedy="Give queries that share fewer relevant documents, or a teacher trained on other queries",
        )
    if len(parts) < count:
        raise InputError(
            f"the {len(query_ids):,} queries fall into {len(parts)} parts that share no relevant document, fewer than"
            f" {count} folds",
            remedy=f"Make {len(parts)} folds, or give more queries",
        )
    order = np.random.default_rng(seed).permutation(len(parts))
    members: list[list[str]] = [[] for _ in range(count)]
    for part in sorted((parts[i] for i in order), key=len, reverse=True):
        min(members, key=len).extend(part)
    return tuple(map(frozenset, members))


def trainings(training: Training, folds: Sequence[Fold]) -> tuple[Training, ...]:
    """For each fold the training without its queries, for as many epochs; it keeps no snapshots.

    Held-out groups that are in the fold, or share a relevant document with it, are left out too: a selection must not
    see them. Folds may hold queries that are not trained on. Raises InputError for a training in parts, for a query
    trained on that is not in exactly one fold, for folds that share a relevant document, and for a fold of all queries.
    """
    if training.earlier or training.until:
        raise InputError(
            "a training in parts cannot be cross-fitted: the parts before it know every query",
            remedy="Give one whole training, without negatives mined anew",
        )
    own = {g.query_id for g in training.examples.groups}
    if wrong := sorted(q for q in own if sum(q in fold for fold in folds) != 1):
        raise InputError(
            f"{len(wrong):,} of {len(own):,} queries trained on are in no fold or in several "
            f"(first: {excerpt(wrong[0])})",
            remedy="Make the folds of these groups, with cross_fitting.folds",
        )
    return tuple(_without(training, fold) for fold in folds)


def cross_fitted(
    training: Training,
    candidates: Run,
    queries: ById,
    documents: ById,
    folds: Sequence[Fold],
    store: Store,
    progress: Progress = silent,
    precision: Precision = "float32",
) -> Run:
    """All candidates of the folds' queries, scored by the reranker that was trained on the other folds.

    `candidates` of a query in no fold are left out; cut the run with `top` first if it is deep. `queries` and
    `documents` are the texts of its ids. Trainings and rerankings are artifacts: a killed call goes on where it was.

    Each fold's scores are as its own model gives them: a logit of 0 means even odds. Distillation reads differences
    within a query alone, in which an offset of a model cancels out. Do not compare scores of different queries closely.

    Raises InputError as `trainings` does, for candidates of which no query is in a fold, and for an id without a text.
    """
    parts = trainings(training, folds)
    own = [Run({q: candidates[q] for q in candidates if q in fold}) for fold in folds]
    if not any(own):
        raise InputError("no query of the candidates is in a fold", remedy="Give candidates of the queries trained on")
    scored: dict[str, Ranking] = {}
    for number, (part, run) in enumerate(zip(parts, own, strict=True), start=1):
        if run:
            within = _within(f"fold {number}/{len(folds)}", progress)
            model = tuned_model(part(store, within))
            scored |= scores(store, model, run, queries, documents, within, precision)
    return Run({q: scored[q] for q in candidates if q in scored})


def scores(
    store: Store,
    model: Pretrained,
    candidates: Run,
    queries: ById,
    documents: ById,
    progress: Progress = silent,
    precision: Precision = "float32",
) -> Run:
    """Every candidate scored by one model, however deep."""
    deepest = max(len(ranking.doc_ids) for ranking in candidates.values())
    task = Task(store, queries, documents, progress=progress)
    return run_of(retriever_of(model).rerank(task, candidates, deepest, precision))


def own_candidates(groups: Sequence[Group]) -> Run:
    """Each query's positives and negatives, all of its groups together, unordered: their scores are 0."""
    candidates: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for group in groups:
        candidates[group.query_id].update(dict.fromkeys((*group.positives, *group.negatives), 0.0))
    return Run({q: (documents, documents.values()) for q, documents in candidates.items()})


def _within(fold: str, progress: Progress) -> Progress:
    """Progress that says in which fold it is."""
    return lambda what, total: progress(f"{fold}: {what}", total)


def _parts(query_ids: Sequence[str], groups: Sequence[Group], queries: ById, documents: ById) -> list[list[str]]:
    """The queries in connected parts, each in order, the parts by their first query."""
    place = {query_id: i for i, query_id in enumerate(query_ids)}
    first: dict[tuple[str, str], int] = {}
    links = []
    for group in groups:
        own = place[group.query_id]
        shared = [("query", queries.get(group.query_id, group.query_id))]
        shared += [("document", documents.get(d, d)) for d in sorted(_relevant(group))]
        links += [(first.setdefault(what, own), own) for what in shared]
    parts: defaultdict[int, list[str]] = defaultdict(list)
    for query_id, part in zip(query_ids, components(len(query_ids), links), strict=True):
        parts[part].append(query_id)
    return list(parts.values())


def _without(training: Training, fold: Fold) -> Training:
    groups = training.examples.groups
    theirs = frozenset[str]().union(*(_relevant(g) for g in groups if g.query_id in fold))
    if not (kept := [g for g in groups if g.query_id not in fold]):
        raise InputError("a fold holds every query: nothing is left to train on", remedy="Make 2 or more folds")
    for group in kept:
        if shared := _relevant(group) & theirs:
            raise InputError(
                f"query {excerpt(group.query_id)} shares the relevant document "
                f"{excerpt(min(shared))} with a query of another fold",
                remedy="Make the folds of these groups, with cross_fitting.folds",
            )
    held_out = {
        name: held.only(apart)
        for name, held in training.held_out.items()
        if (apart := [g for g in held.groups if g.query_id not in fold and not _relevant(g) & theirs])
    }
    updates = max(1, round(training.recipe.updates * len(kept) / len(groups)))
    recipe, examples = replace(training.recipe, updates=updates), training.examples.only(kept)
    return replace(training, recipe=recipe, examples=examples, held_out=held_out, snapshots=0)


def _relevant(group: Group) -> frozenset[str]:
    return group.relevant.union(group.positives)
