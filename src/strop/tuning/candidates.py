"""Candidates of the race, by what kind of model the base is: the first ones are tried first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from strop.losses.contrastive import InfoNCE
from strop.losses.hold_base import HoldBase
from strop.losses.nested import NestedLoss
from strop.models.adapters import LoRA, QueryTower, attention_targets
from strop.models.encoder import Model
from strop.models.scoring import Dot, Nested
from strop.records.errors import InputError
from strop.training.optimizers import AdamW
from strop.training.recipes import RECIPES, Recipe

#: Peak rates. Full tuning's is sentence-transformers' default; LoRA's is twenty times that.
RATE, LORA_RATE = 5e-5, 1e-3
#: Where most documents are longer, they are cut here while a candidate trains, and never when it is tested.
SHORT = 128
BUDGET = 4096


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recipe and what it is trained on: pairs alone, with `negatives` mined negatives each, or with general pairs
    replayed. `updates` of the recipe are set when it is known how long it may train."""

    name: str
    recipe: Recipe
    negatives: int = 0
    replay: bool = False


def candidates(
    model: Model, shorten: bool, dims: Sequence[int], query_side: bool, replay: bool
) -> tuple[Candidate, ...]:
    """For a base of this kind, the most promising first. Raises InputError for dims or a kept index of a model that has
    no single vectors."""
    kind = next(name for name in ("in-batch-full", "late-full", "rerank-softmax") if _fits(model, RECIPES[name]))
    if (dims or query_side) and kind != "in-batch-full":
        option = "--truncate-dims" if dims else "--keep-index"
        raise InputError(
            f"{option} needs a model with one vector per text", remedy="Leave it out, or give another base"
        )
    recipe = replace(
        RECIPES[kind],
        optimizer=AdamW(learning_rate=RATE),
        token_budget=BUDGET,
        max_length=min(SHORT, model.max_length) if shorten else None,
    )
    if kind == "rerank-softmax":
        return _family(recipe, negatives=4, whole=shorten)
    if kind == "late-full":
        return (*_family(recipe, whole=shorten, lora=attention_targets(model)), _mined(recipe))
    assert model.encoder is not None
    if not model.encoder.unit:
        recipe = replace(recipe, scoring=Dot(), loss=InfoNCE(1.0))
    if dims:
        if too_wide := [d for d in dims if not 0 < d < model.encoder.dimension]:
            raise InputError(
                f"{too_wide[0]} dimensions cannot be cut from {model.encoder.dimension}",
                remedy="Give smaller numbers, such as 128",
            )
        recipe = replace(recipe, scoring=Nested(tuple(dims), recipe.scoring), loss=NestedLoss(recipe.loss))
    if query_side:
        recipe = replace(recipe, tuning=QueryTower())
        return (Candidate("query tower", recipe), Candidate("query tower, mined negatives", recipe, negatives=1),
                Candidate("query tower, lower rate", _rated(recipe, 0.4)))  # fmt: skip
    plain, mined, lora, slow, *rest = _family(recipe, whole=shorten, lora=attention_targets(model))
    held = Candidate("full, held to the base's vectors", replace(recipe, penalty=HoldBase(1.0)))
    pulled = Candidate("full, weights pulled back (L2-SP)", replace(recipe, optimizer=AdamW(RATE, towards_start=1.0)))
    general = [Candidate("full, general pairs replayed", recipe, replay=True)] if replay else []
    return (plain, mined, lora, slow, held, *rest, pulled, *general)


def _family(
    recipe: Recipe, negatives: int = 0, whole: bool = False, lora: tuple[str, ...] = ()
) -> tuple[Candidate, ...]:
    """What any kind of model can be tuned by."""
    plain = Candidate("full", recipe, negatives)
    low = replace(recipe, tuning=LoRA(targets=lora), optimizer=AdamW(LORA_RATE)) if lora else None
    return tuple(
        each
        for each in (
            plain,
            None if negatives else _mined(recipe),
            Candidate("LoRA", low, negatives) if low else None,
            Candidate("full, lower rate", _rated(recipe, 0.4), negatives),
            Candidate("full, higher rate", _rated(recipe, 2), negatives),
            Candidate("full, whole length", replace(recipe, max_length=None), negatives) if whole else None,
        )
        if each
    )


def _mined(recipe: Recipe) -> Candidate:
    return Candidate("full, mined negatives", recipe, negatives=1)


def _rated(recipe: Recipe, factor: float) -> Recipe:
    return replace(recipe, optimizer=replace(recipe.optimizer, learning_rate=factor * RATE))


def _fits(model: Model, recipe: Recipe) -> bool:
    try:
        model.check(recipe.scoring, recipe.batching.in_batch)
    except InputError:
        return False
    return True
