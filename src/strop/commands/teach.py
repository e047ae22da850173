"""`strop teach`: mined examples in, the same with a teacher's scores out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import store
from strop.commands.inputs import free
from strop.commands.options import BASE
from strop.records.errors import InputError, InputWarning

if TYPE_CHECKING:
    from strop.models.pretrained import Pretrained
    from strop.negatives.examples import Examples
    from strop.negatives.filters import TeacherBound
    from strop.records.documents import Group
    from strop.records.runs import Run
    from strop.training.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Taught:
    """What a teacher made of examples.

    `folds`: queries of each, none when the model scored them as it was. `negatives`: all that were mined. `right`: the
    share of its negatives that an example's positive scores above, its mean over the examples before any was dropped,
    in [0, 1]; 0.5 is chance. `dropped` negatives, and `emptied` examples that lost all theirs and are not among the
    `examples` written.
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
    """Write `examples` with a reranker's `scores`, logits of each positive and negative; scores they had are replaced.

    A trained cross-encoder scores them as it is. Any other `model` gets a fresh head, as `train` with the architecture
    "reranker" does, and is trained by `recipe` once for each fold, on the other folds, so that no query is scored by a
    model trained on it. Updates follow from `epochs`, unless `settings` sets `updates` (of all examples; a fold's share
    of them is done). With `drop_above`, negatives to which the teacher gives that probability or more are dropped.

    All that can be refused is refused before anything is trained, but for a `drop_above` that leaves no negative.
    Raises InputError. Warns of a teacher that may be no better than chance: what it drops, it drops at random.
    """

    from strop.models.cross_encoder import untrained_in
    from strop.models.loading import is_trained_reranker
    from strop.models.pretrained import resolve
    from strop.negatives.examples import read_examples, write_examples
    from strop.negatives.filters import TeacherBound, denoise, run_scores
    from strop.negatives.taught import teach as taught
    from strop.training import cross_fitting
    from strop.training.initial_models import ARCHITECTURES, converted
    from strop.training.stage import Training

    free(out)
    data = read_examples(examples)
    if lacking := sum(not g.negatives for g in data.groups):
        raise InputError(
            f"{lacking:,} of {len(data.groups):,} examples have no negatives for a teacher to score",
            where=str(examples),
            remedy="Mine them with 'strop mine'",
        )
    bound = None if drop_above is None else TeacherBound.of_probability(drop_above)
    start = resolve(model)
    made: tuple[frozenset[str], ...] = ()
    if is_trained_reranker(start.path):
        run = _as_it_is(start, data, settings, progress)
    else:
        chosen = _reranker(recipe, settings, bound)
        if "updates" not in (settings or {}):
            chosen = replace(chosen, updates=epochs * chosen.batching.per_epoch(len(data.groups)))
        made = cross_fitting.folds(data.groups, folds, seed, data.queries, data.documents)
        if not untrained_in(start.path):
            start = converted(store(), start, ARCHITECTURES["reranker"])
        training, own = Training(start, chosen, data, {}, seed), cross_fitting.own_candidates(data.groups)
        run = cross_fitting.cross_fitted(training, own, data.queries, data.documents, made, store(), progress)
    groups = taught(data.groups, run)
    mined = sum(len(g.negatives) for g in groups)
    found = Taught(len(groups), tuple(map(len, made)), mined, _right(groups))
    if bound is not None:
        most = max(len(g.negatives) for g in groups)
        left = denoise(groups, bound, {bound.source: run_scores(run)}, keep=most)
        groups = list(left.groups)
        found = replace(found, examples=len(groups), dropped=left.flagged, emptied=left.emptied)
    write_examples(replace(data, groups=tuple(groups)), out)
    return found


def _as_it_is(model: Pretrained, data: Examples, settings: Mapping[str, str] | None, progress: Progress) -> Run:
    from strop.training import cross_fitting

    if settings:
        raise InputError(
            f"{model.title} is a trained cross-encoder and scores as it is: settings of a training do nothing",
            remedy="Leave them out, or give a model to train",
        )
    said = f"if {model.title} was trained on these queries, its scores only repeat their labels: that cannot be known"
    warnings.warn(said, InputWarning, stacklevel=3)
    own = cross_fitting.own_candidates(data.groups)
    return cross_fitting.scores(store(), model, own, data.queries, data.documents, progress)


def _reranker(name: str, settings: Mapping[str, str] | None, bound: TeacherBound | None) -> Recipe:
    from strop.losses.pointwise import BinaryCrossEntropy
    from strop.training.recipes import recipe as named_recipe

    chosen = named_recipe(name, settings)
    if not chosen.reads_pairs:
        raise InputError(f"recipe {name} is not a reranker's", remedy="Choose rerank-bce or rerank-softmax")
    if bound is not None and not isinstance(chosen.loss, BinaryCrossEntropy):
        raise InputError(
            f"with recipe {name} scores are no logits of a probability, and none can be dropped by one",
            remedy="Choose rerank-bce, or keep every negative",
        )
    return chosen


def _right(groups: Sequence[Group]) -> float:
    """The mean share of its negatives that a query's positives score above; warns where chance may have done that."""

    import numpy as np

    found: dict[str, list[float]] = {}
    for g in groups:
        below = np.array([g.teacher[n] for n in g.negatives])
        found.setdefault(g.query_id, []).extend(float((g.teacher[p] > below).mean()) for p in g.positives)
    shares = np.array([fmean(of) for of in found.values()])
    right, low = float(shares.mean()), float(shares.mean() - 1.645 * shares.std() / np.sqrt(len(shares)))
    if low <= 0.5:
        said = f"the teacher's positives score above {right:.1%} of their negatives, which may be chance"
        warnings.warn(f"{said}: train it for more epochs, or on more examples", InputWarning, stacklevel=3)
    return right


def teach_command(
    examples: Annotated[Path, typer.Argument(help="JSON lines of query, positive and negatives ('strop mine').")],
    out: Annotated[Path, typer.Argument(help="The JSON-lines file to write, with scores.")],
    model: Annotated[
        str, typer.Option(help="A trained cross-encoder, used as it is; or a model to make a reranker of and train.")
    ] = "all-MiniLM-L6-v2",
    recipe: Annotated[str, typer.Option(help="rerank-bce or rerank-softmax.")] = "rerank-bce",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="optimizer.learning_rate=1e-5, …")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the examples of the other folds.")] = 1,
    folds: Annotated[int, typer.Option(min=2, help="Trainings; each scores the queries it was kept from.")] = 2,
    seed: Annotated[int, typer.Option(help="Decides everything drawn by chance.")] = 42,
    drop_above: Annotated[
        float | None,
        typer.Option(metavar="P", help="Drop negatives to which the teacher gives a probability of P or more."),
    ] = None,
) -> None:
    """Score mined examples with a reranker, for denoising and for the distill-… recipes.

    A model trained here never scores a query it was trained on: queries are cut into folds, and those that share a
    relevant document stay together. A killed call goes on where it was when the same command is given again.
    """

    from strop.commands.terminal import progress
    from strop.training.recipes import parsed

    given = parsed(settings or [])
    found = teach(examples, out, model, recipe, given, epochs, folds, seed, drop_above, progress)
    typer.echo(f"{found.examples:,} examples in {out}")
    if found.folds:
        sizes = " and ".join(f"{size:,}" for size in found.folds)
        typer.echo(f"each scored by a model trained without it: folds of {sizes} queries")
    typer.echo(f"a positive scores above {found.right:.1%} of its negatives on average; chance is 50%")
    if drop_above is not None:
        typer.echo(
            f"{found.dropped:,} of {found.negatives:,} negatives dropped, at a probability of {drop_above:g} or more; "
            f"{found.emptied:,} examples lost all of theirs and are left out"
        )
