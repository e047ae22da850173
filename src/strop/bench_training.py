"""What a recipe costs with AdamW and with Lion: each training in a process of its own, in turns."""

from __future__ import annotations

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from strop import efficiency, train
from strop.bench import examples_of
from strop.memory import reuse_freed
from strop.models.cross_encoder import FreshHead
from strop.models.loading import is_cross_encoder, load_any
from strop.models.pair_scorer import PairScorer
from strop.models.pretrained import resolve
from strop.models.random_weights import RandomWeights
from strop.negatives.group_files import Examples
from strop.nouns import InputError
from strop.scoring import Joint, MaxSim
from strop.stages import Progress
from strop.train import Recipe
from strop.tuning import texts_of

#: Updates that are timed for each optimiser, repeat by repeat.
TIMED = 5


def efficiencies(
    recipe: Recipe, model: str, on: str, repeats: int, progress: Progress, weights: RandomWeights | None = None
) -> list[list[str]]:
    """Rows of a table, header first: what the recipe costs with AdamW and with Lion (`efficiency.Cost`).

    In turns, each time in a process of its own, on a collection's training queries with a document drawn by chance as
    each one's negative. Raises InputError when there are fewer of them than a batch, the recipe learns from a teacher,
    or the model is not of the kind it scores. For a recipe that scores pairs a model without a head gets one first, or
    `weights` of an architecture are measured, on the model's tokenizer alone.
    """
    if recipe.loss.taught:
        raise InputError("the recipe learns from a teacher's scores", remedy="Measure one that does not")
    if weights is not None and not isinstance(recipe.scoring, Joint):
        raise InputError("random weights are of cross-encoders", remedy="Take a rerank-… recipe, or leave --as out")
    source = resolve(model).path
    with tempfile.TemporaryDirectory() as place:
        folder = source
        if isinstance(recipe.scoring, Joint) and (weights is not None or not is_cross_encoder(source)):
            folder = Path(place) / "model"
            (weights or FreshHead()).convert(source, folder)
        return _in_turns(recipe, model, folder, on, repeats, progress)


def _in_turns(recipe: Recipe, model: str, folder: Path, on: str, repeats: int, progress: Progress) -> list[list[str]]:
    loaded = load_any(folder)
    train.check_fit(recipe, loaded)
    if not isinstance(loaded, PairScorer) and isinstance(loaded.similarity, MaxSim) != isinstance(
        recipe.scoring, MaxSim
    ):
        raise InputError(f"{model} is not scored by {recipe.scoring}", remedy="Take a late-… recipe for a late model")
    del loaded
    updates = efficiency.WARM + TIMED
    examples = examples_of(recipe.batching.size * updates, on)
    if len(examples.groups) < recipe.batching.size:
        raise InputError(f"{on} has {len(examples.groups)} training queries", remedy="Set a smaller batching.size")
    recipes = efficiency.with_each_optimizer(replace(recipe, updates=updates, selection=None))
    costs: dict[str, list[efficiency.Cost]] = {name: [] for name in recipes}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with (
        progress(f"{updates} updates with each optimiser", repeats * len(recipes)) as advance,
        ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool,
    ):
        for _ in range(repeats):
            for name, each in recipes.items():
                costs[name].append(pool.submit(_cost, folder, each, examples).result())
                advance(1)
    return efficiency.cost_table(costs)


def _cost(folder: Path, recipe: Recipe, examples: Examples) -> efficiency.Cost:
    reuse_freed()  # as every training does
    encoder = load_any(folder, recipe.max_length)
    queries, documents = texts_of(encoder, examples, "query"), texts_of(encoder, examples, "document")

    def work(progress: efficiency.Progress) -> list[train.Logged]:
        with tempfile.TemporaryDirectory() as place:
            return train.train(
                encoder, recipe, examples.groups, queries, documents, 0, Path(place), progress=progress,
                checkpoint_seconds=float("inf"),
            )  # fmt: skip

    return efficiency.cost(work, recipe.optimizer)
