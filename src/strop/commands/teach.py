"""`strop teach`: add a teacher's scores to training examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import store
from strop.commands import terminal
from strop.commands.inputs import check_seed, check_there, free, warn
from strop.commands.options import BASE, ExamplesFile, Seed, Settings, parsed
from strop.models.model_names import check_named
from strop.records.errors import InputError

if TYPE_CHECKING:
    from strop.models.pretrained import Pretrained
    from strop.negatives.filters import TeacherBound
    from strop.records.documents import Group
    from strop.training.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Taught:
    """Counts of what `teach` scored, dropped and wrote.

    `examples`: written. `folds`: queries per fold; empty when a trained model scored everything. `negatives`: all that
    were scored. `right`: the share of an example's negatives that its positive scores above, averaged before any is
    dropped, in [0, 1]; 0.5 is chance. `dropped`: negatives. `emptied`: examples that lost all negatives and were not
    written.
    """

    examples: int
    folds: tuple[int, ...]
    negatives: int
    right: float
    dropped: int = 0
    emptied: int = 0


def teach(
    examples: str | Path,
    out: str | Path,
    model: str = BASE,
    recipe: str = "rerank-bce",
    settings: Mapping[str, str] | None = None,
    epochs: int = 1,
    folds: int = 2,
    seed: int = 42,
    drop_above: float | None = None,
    progress: Progress = silent,
) -> Taught:
    """Write `examples` with a reranker's `scores` (one logit per positive and negative), replacing any there were.

    A trained cross-encoder is used as it is. Any other `model` is converted to a reranker and trained by `recipe` once
    per fold, on the other folds, so that no query is scored by a model trained on it. The number of updates follows
    from `epochs`, unless `settings` sets `updates` (for all examples; a fold does its share). With `drop_above`,
    negatives to which the teacher gives that probability or more are dropped. Pairs are scored in bfloat16 where the
    device multiplies in it, their logits in float32.

    Raises InputError before any training, except where `drop_above` leaves no negative. Warns of a teacher that may be
    no better than chance: what it drops, it drops at random.
    """
    free(out)
    check_seed(seed)
    check_named(model)
    check_there(examples)

    from strop.models.precision import native
    from strop.models.pretrained import resolve  # with torch, which no wrong path waits for
    from strop.negatives import taught
    from strop.negatives.examples import read_examples, write_examples
    from strop.negatives.filters import TeacherBound, denoise, run_scores
    from strop.records.runs import check_ids
    from strop.retrieval.retriever import retriever_of
    from strop.training import cross_fitting, stage
    from strop.training.initial_models import ARCHITECTURES, converted

    data = read_examples(examples)
    if lacking := sum(not g.negatives for g in data.groups):
        raise InputError(
            f"{lacking:,} of {len(data.groups):,} examples have no negatives for a teacher to score",
            where=str(examples),
            remedy="Mine them with 'strop mine'",
        )
    bound = None if drop_above is None else TeacherBound.of_probability(drop_above)
    teacher, own = resolve(model), cross_fitting.own_candidates(data.groups)
    check_ids(own, str(examples))
    parts: tuple[frozenset[str], ...] = ()
    ranker = retriever_of(teacher)
    if not (ranker.has_geometry or ranker.untrained):
        _check_as_it_is(teacher, settings)
        run = cross_fitting.scores(store(), teacher, own, data.queries, data.documents, progress, native("bfloat16"))
    else:
        chosen = _reranker(recipe, settings, bound)
        if "updates" not in (settings or {}):
            chosen = replace(chosen, updates=epochs * chosen.batching.per_epoch(len(data.groups)))
        parts = cross_fitting.folds(data.groups, folds, seed, data.queries, data.documents)
        if ranker.has_geometry:
            teacher = converted(store(), teacher, ARCHITECTURES["reranker"])
        training = stage.Training(teacher, chosen, data, {}, seed)
        run = cross_fitting.cross_fitted(
            training, own, data.queries, data.documents, parts, store(), progress, native("bfloat16")
        )
    groups = taught.teach(data.groups, run)
    mined = sum(len(g.negatives) for g in groups)
    counts = Taught(len(groups), tuple(map(len, parts)), mined, _right(groups))
    if bound is not None:
        most = max(len(g.negatives) for g in groups)
        left = denoise(groups, bound, {bound.source: run_scores(run)}, keep=most)
        groups = list(left.groups)
        counts = replace(counts, examples=len(groups), dropped=left.flagged, emptied=left.emptied)
    write_examples(replace(data, groups=tuple(groups)), out)
    return counts


def _check_as_it_is(model: Pretrained, settings: Mapping[str, str] | None) -> None:
    if settings:
        raise InputError(
            f"{model.title} is a trained cross-encoder and is not trained again: settings have no effect",
            remedy="Leave them out, or give a model to train",
        )
    problem = f"if {model.title} was trained on these queries, its scores only repeat their labels"
    warn(f"{problem}; strop cannot check that", stacklevel=4)


def _reranker(name: str, settings: Mapping[str, str] | None, bound: TeacherBound | None) -> Recipe:
    from strop.losses.pointwise import BinaryCrossEntropy
    from strop.training import recipes

    chosen = recipes.recipe(name, settings)
    if not chosen.reads_pairs:
        raise InputError(f"recipe {name} is not a reranker's", remedy="Choose rerank-bce or rerank-softmax")
    if bound is not None and not isinstance(chosen.loss, BinaryCrossEntropy):
        raise InputError(
            f"with recipe {name} scores are no logits of a probability, so --drop-above has no meaning",
            remedy="Choose rerank-bce, or keep every negative",
        )
    return chosen


def _right(groups: Sequence[Group]) -> float:
    """The mean share of a query's negatives that its positives score above; warns where it may be chance."""
    import numpy as np

    by_query: dict[str, list[float]] = {}
    for g in groups:
        below = np.array([g.teacher[n] for n in g.negatives])
        by_query.setdefault(g.query_id, []).extend(float((g.teacher[p] > below).mean()) for p in g.positives)
    shares = np.array([fmean(of) for of in by_query.values()])
    right, low = float(shares.mean()), float(shares.mean() - 1.645 * shares.std() / np.sqrt(len(shares)))
    if low <= 0.5:
        problem = f"the teacher ranks the positive above {right:.1%} of its negatives, which may be chance"
        warn(f"{problem}: train it for more epochs, or on more examples", stacklevel=4)
    return right


def teach_command(
    examples: ExamplesFile,
    out: Annotated[Path, typer.Argument(help="The JSON-lines file to write, with scores.")],
    model: Annotated[
        str, typer.Option(help="A trained cross-encoder to use as it is, or a model to train as a reranker.")
    ] = BASE,
    recipe: Annotated[str, typer.Option(help="rerank-bce or rerank-softmax.")] = "rerank-bce",
    settings: Settings = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training folds.")] = 1,
    folds: Annotated[
        int, typer.Option(min=2, help="Number of folds: one training each, which scores the fold it did not see.")
    ] = 2,
    seed: Seed = 42,
    drop_above: Annotated[
        float | None,
        typer.Option(metavar="P", help="Drop negatives whose probability (rerank-bce) is P or more."),
    ] = None,
) -> None:
    """Score examples with a reranker, to distil it or to drop false negatives.

    The distill-… recipes of 'strop train' learn from the scores. A model trained here never scores a query it was
    trained on: queries are split into folds, and those that share a relevant document stay together. If the command is
    killed, the same command continues.
    """
    changes = parsed(settings or [])
    counts = teach(examples, out, model, recipe, changes, epochs, folds, seed, drop_above, terminal.progress)
    terminal.echo(f"{counts.examples:,} examples in {out}")
    if counts.folds:
        sizes = " and ".join(f"{size:,}" for size in counts.folds)
        terminal.echo(f"each scored by a model that was not trained on it: folds of {sizes} queries")
    terminal.echo(f"a positive scores above {counts.right:.1%} of its negatives on average; chance is 50%")
    if drop_above is not None:
        terminal.echo(
            f"{counts.dropped:,} of {counts.negatives:,} negatives dropped, at a probability of {drop_above:g} or more;"
            f" {counts.emptied:,} examples lost all negatives and are left out"
        )
