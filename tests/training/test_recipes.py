from __future__ import annotations

from dataclasses import replace

import pytest

from strop.losses.contrastive import InfoNCE
from strop.losses.distillation import KLDivergence
from strop.losses.triplet import Triplet
from strop.models.adapters import Full, LoRA
from strop.models.scoring import Cosine, Euclidean
from strop.records.errors import InputError
from strop.training.batches import Batching
from strop.training.optimizers import AdamW, WarmupLinear
from strop.training.recipes import RECIPES, TRIPLET_FULL, recipe


def test_the_triplet_recipe_is_what_the_paper_s_code_ran() -> None:
    made = recipe("triplet-full")
    assert made.tuning == Full()
    assert made.scoring == Euclidean(squared=False, normalized=False)
    assert made.loss == Triplet(margin=5.0)
    assert made.batching == Batching(size=32, in_batch=False)
    assert made.optimizer == AdamW(learning_rate=2e-5, weight_decay=0.01)
    assert made.schedule == WarmupLinear(warmup=0.1)
    assert recipe("triplet-lora") == replace(made, tuning=LoRA(16, 32, 0.05), max_length=512)


def test_the_control_differs_from_the_triplet_recipe_in_loss_scoring_and_negatives_only() -> None:
    in_batch = Batching(size=32, in_batch=True)
    assert recipe("in-batch-full") == replace(TRIPLET_FULL, scoring=Cosine(), loss=InfoNCE(0.05), batching=in_batch)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_a_value_of_its_own(name: str) -> None:
    assert recipe(name) == RECIPES[name]
    assert hash(recipe(name)) == hash(RECIPES[name])
    assert [recipe(name) == other for other in RECIPES.values()].count(True) == 1


def test_settings_are_parsed_as_the_type_they_replace_and_change_nothing_else() -> None:
    changed = recipe(
        "triplet-lora",
        {
            "updates": "7",
            "clip": "2",
            "max_length": "128",
            "loss.margin": "1.5",
            "scoring.squared": "True",
            "batching.in_batch": "true",
            "scoring.normalized": "false",
            "tuning.targets": "query,key,value",
            "optimizer.betas": "0.8,0.99",
            "optimizer.learning_rate": "1e-4",
        },
    )
    assert changed == replace(
        RECIPES["triplet-lora"],
        updates=7,
        clip=2.0,
        max_length=128,
        loss=Triplet(1.5),
        scoring=Euclidean(squared=True),
        batching=Batching(32, in_batch=True),
        tuning=LoRA(targets=("query", "key", "value")),
        optimizer=AdamW(learning_rate=1e-4, betas=(0.8, 0.99)),
    )
    assert type(changed.clip) is float
    assert recipe("triplet-full", {"max_length": "128"}).max_length == 128  # replaces None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": "1"}, "'learning_rate' names no field of Recipe. It has tuning, scoring, loss, batching"),
        ({"loss.temperature": "1"}, "'loss.temperature' names no field of Triplet. It has margin"),
        ({"updates.x": "1"}, "'updates' has no inner fields. Set updates=VALUE"),
        ({"updates": "1.5"}, "'updates=1.5' does not fit. A value like 100 does"),
        ({"updates": ""}, "'updates=' does not fit"),
        ({"scoring.squared": "1"}, "'scoring.squared=1' does not fit. A value like False does"),
        ({"clip": "much"}, "'clip=much' does not fit. A value like 1.0 does"),
        ({"optimizer.betas": "0.9,x"}, r"'optimizer.betas=0.9,x' does not fit"),
        ({"max_length": "long"}, "'max_length=long' does not fit"),
        ({"loss": "triplet"}, "'loss=triplet' does not fit"),
        ({"precision": "float8"}, "precision is 'float8'. Give float32 or bfloat16"),
        ({"precision": ""}, "'precision=' does not fit. A value like 'float32' does"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_fit(settings: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe("triplet-full", settings)


def test_words_are_set_as_they_are_and_checked_by_the_value_they_become_part_of() -> None:
    assert recipe("triplet-full", {"precision": "bfloat16"}) == replace(TRIPLET_FULL, precision="bfloat16")
    both = recipe("in-batch-full", {"loss.direction": "both"})
    assert both == replace(RECIPES["in-batch-full"], loss=InfoNCE(0.05, "both"))
    with pytest.raises(InputError, match=r"the direction is 'sideways'\. Give query, document or both"):
        recipe("in-batch-full", {"loss.direction": "sideways"})


@pytest.mark.parametrize("order", [("loss.direction", "batching.in_batch"), ("batching.in_batch", "loss.direction")])
def test_documents_choose_only_in_batch_in_whatever_order_it_is_set(order: tuple[str, str]) -> None:
    wanted = {"loss.direction": "document", "batching.in_batch": "false"}
    with pytest.raises(InputError, match=r"but none is in-batch\. Set batching.in_batch=true, or loss.direction=query"):
        recipe("in-batch-full", {path: wanted[path] for path in order})
    assert recipe("in-batch-full", {"batching.in_batch": "false"}).loss == InfoNCE(0.05)


def test_the_recipes_of_a_teacher_see_each_query_s_own_candidates_and_can_span_its_logits() -> None:
    for name in ("distill-kl", "distill-margin-mse"):
        made = recipe(name)
        assert made.loss.taught
        assert not made.batching.in_batch
        assert made.scoring == Cosine()
        assert 2 / made.loss.temperature == 40, "the widest margin of a cosine student; a cross-encoder's is near 20"
    assert recipe("distill-kl", {"loss.teacher_temperature": "0.05"}).loss == KLDivergence(0.05, 0.05)
    assert not any(made.loss.taught for name, made in RECIPES.items() if not name.startswith("distill"))


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(
        InputError, match=r"no recipe 'thesis'\. Choose one of triplet-full, triplet-lora, in-batch-full"
    ):
        recipe("thesis")


def test_a_recipe_s_old_name_is_answered_with_the_new_one() -> None:
    for old, new in ("thesis-full", "triplet-full"), ("thesis-lora", "triplet-lora"):
        with pytest.raises(InputError, match=f"'{old}' has another name now. Write {new}"):
            recipe(old)
        assert new in RECIPES
