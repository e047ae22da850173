"""Candidates: what a model of each kind is tuned by, and what cannot be asked of it."""

from __future__ import annotations

import pytest
from tiny_models import dense, late
from tiny_rerankers import reranker

from strop.models.adapters import LoRA, QueryTower
from strop.models.scoring import Cosine, Dot, Joint, MaxSim, Nested
from strop.records.errors import InputError
from strop.tuning.candidates import RATE, candidates


def names(model: object, **changes: object) -> list[str]:
    return [each.name for each in of(model, **changes)]


def of(model: object, shorten: bool = False, dims: tuple[int, ...] = (), query_side: bool = False, replay: bool = True):  # type: ignore[no-untyped-def]
    return candidates(model, shorten, dims, query_side, replay)  # type: ignore[arg-type]


def test_a_dense_model_has_every_kind_of_candidate_the_usual_ones_first() -> None:
    assert names(dense(), shorten=True) == [
        "full",
        "full, mined negatives",
        "LoRA",
        "full, lower rate",
        "full, held to the base's vectors",
        "full, higher rate",
        "full, whole length",
        "full, weights pulled back (L2-SP)",
        "full, general pairs replayed",
    ]
    assert of(dense())[0].recipe.optimizer.learning_rate == RATE
    assert isinstance(of(dense())[2].recipe.tuning, LoRA)
    assert "full, general pairs replayed" not in names(dense(), replay=False)


def test_a_model_is_trained_by_the_score_it_is_searched_by() -> None:
    assert isinstance(of(dense())[0].recipe.scoring, Cosine)
    assert isinstance(of(dense(unit=False, similarity="dot"))[0].recipe.scoring, Dot)
    assert isinstance(of(late())[0].recipe.scoring, MaxSim)
    assert isinstance(of(reranker())[0].recipe.scoring, Joint)


def test_a_cross_encoder_always_has_negatives() -> None:
    assert all(each.negatives for each in of(reranker()))


def test_shorter_vectors_are_trained_with_the_whole_ones() -> None:
    assert of(dense(), dims=(16, 8))[0].recipe.scoring == Nested((16, 8), Cosine())


def test_a_kept_index_tunes_the_query_tower_alone() -> None:
    assert {type(each.recipe.tuning) for each in of(dense(), query_side=True)} == {QueryTower}


@pytest.mark.parametrize("changes", [{"dims": (8,)}, {"query_side": True}])
@pytest.mark.parametrize("model", [late, reranker])
def test_both_need_one_vector_per_text(model: object, changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="needs a model with one vector per text"):
        of(model(), **changes)  # type: ignore[operator]


@pytest.mark.parametrize("dims", [(0,), (32,), (400, 8)])
def test_dimensions_that_cannot_be_cut_are_refused(dims: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="cannot be cut from 32"):
        of(dense(), dims=dims)
