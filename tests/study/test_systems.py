"""Ways to make a system, and what each answers: its parts, what its model begins as, and what it reads."""

from dataclasses import replace

import pytest

from strop.models.architecture import Untied
from strop.negatives.filters import PositiveRelative
from strop.negatives.from_run import RankWindow
from strop.negatives.sampled import Uniform
from strop.retrieval.fuse import ReciprocalRank
from strop.retrieval.lexical import BM25
from strop.study.definition import Preset
from strop.study.negative_policies import Cleaned, Mined, Negatives, Provided, SelfMined, Taught, Union
from strop.study.systems import Fused, How, Rates, Reranked, Start, System, Tuned, WithPositive
from strop.training.recipes import IN_BATCH_FULL, RERANK_BCE

WINDOW = RankWindow(1, 100, count=3)
DENSE = Tuned(IN_BATCH_FULL, 1, start=Start(Untied()))
RERANKER = Tuned(replace(RERANK_BCE, precision="bfloat16"), 1, Mined(WINDOW))
PRESET = Preset(
    "all",
    (
        System("bm25", "", BM25(k1=1.2)),
        System("base", "", None),
        System("dense", "", DENSE),
        System("reranker", "", RERANKER),
        System("fused", "", Fused(("bm25", "dense"), ReciprocalRank())),
        System("pipeline", "", Reranked("fused", "dense", 7)),
        System("own", "", WithPositive("bm25")),
    ),
    candidates="bm25",
)


def way(name: str) -> How:
    return PRESET.system(name).way


def test_the_short_forms_are_bm25_and_a_base_that_nothing_changes() -> None:
    assert PRESET.system("bm25").lexical == BM25(k1=1.2)
    assert way("bm25").initial is None
    assert way("base") == way("base").initial == Start()
    assert PRESET.system("base").lexical is None
    assert replace(DENSE, start=None).initial == Start()


def test_only_a_reranker_needs_candidates_and_reads_them_in_the_precision_of_its_training() -> None:
    assert [s.name for s in PRESET.systems if s.way.needs_candidates] == ["reranker"]
    assert [s.name for s in PRESET.systems if s.way.is_tuned] == ["dense", "reranker"]
    assert {s.name: s.way.precision for s in PRESET.systems if s.way.precision != "float32"} == {"reranker": "bfloat16"}
    mixed = replace(DENSE, recipe=replace(IN_BATCH_FULL, precision="bfloat16"))
    assert mixed.precision == "float32", "the precision of pairs, which a dense model does not read in training"


def test_what_is_put_in_a_new_order_by_what_is_answered_once_for_rerankers_and_pipelines() -> None:
    rerankings = {s.name: PRESET.reranking(s.name, 50) for s in PRESET.systems}
    assert {name: r for name, r in rerankings.items() if r} == {
        "reranker": Reranked("bm25", "reranker", 50),
        "pipeline": Reranked("fused", "dense", 7),
    }


def test_parts_are_the_systems_whose_rankings_are_needed() -> None:
    assert {s.name: PRESET.parts(s.name) for s in PRESET.systems if PRESET.parts(s.name)} == {
        "reranker": ("bm25",),
        "fused": ("bm25", "dense"),
        "pipeline": ("fused", "dense"),
        "own": ("bm25",),
    }
    assert PRESET.trained("pipeline") == ("dense",)


def test_helpers_are_the_miners_teachers_and_the_system_whose_rate_is_taken_but_not_itself() -> None:
    rates = Rates((1e-5, 2e-5), on="dense")
    assert replace(DENSE, rates=rates).helpers("dense") == frozenset()
    how = replace(DENSE, rates=rates, negatives=Taught(Mined(WINDOW, "miner"), "teacher"))
    assert how.helpers("other") == {"dense", "miner", "teacher"}


def test_only_a_tuned_system_is_asked_how_it_is_tuned() -> None:
    assert PRESET.tuned("dense") is DENSE
    with pytest.raises(ValueError, match="preset all: the system 'base' is not tuned"):
        PRESET.tuned("base")


@pytest.mark.parametrize(
    ("policy", "negatives"),
    [
        (None, 0),
        (Uniform(2), 2),
        (Mined(WINDOW), 3),
        (SelfMined(WINDOW), 3),
        (Provided(Mined(WINDOW)), 3),
        (Taught(Mined(WINDOW), "reranker"), 3),
        (Cleaned(Mined(WINDOW), PositiveRelative(), keep=2), 2),
        (Union((Mined(WINDOW), Mined(WINDOW, BM25())), counts=(1, 3)), 4),
        (Union((Mined(RankWindow(1, 9)), Mined(RankWindow(1, 9), BM25()))), 1),
    ],
)
def test_a_row_holds_the_positive_and_as_many_negatives_as_the_policy_gives(
    policy: Negatives | None, negatives: int
) -> None:
    assert replace(DENSE, negatives=policy).texts == (1, 1 + negatives)
    if policy is not None:
        assert replace(RERANKER, negatives=policy).texts == (1 + negatives, 1 + negatives)
