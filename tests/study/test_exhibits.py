"""The exhibits of a study: what notes and verdicts they may carry, and what demonstrations add to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from strop.artifacts.store import Artifact
from strop.models.cross_encoder import FreshHead
from strop.negatives.from_run import RankWindow
from strop.records.errors import InputError
from strop.records.exhibits.projection import Projection, ProjectionPanel, VectorsAbout
from strop.records.plain import from_plain, to_plain
from strop.retrieval.lexical import BM25
from strop.study.claims import Claim
from strop.study.definition import Preset, Study
from strop.study.exhibits import _answer, _parameters, _read
from strop.study.negative_policies import Mined
from strop.study.open_questions import Evidence, OpenQuestion
from strop.study.schedule import Done, Trial
from strop.study.systems import Start, System, Tuned
from strop.training.recipes import IN_BATCH_FULL, recipe

LEDGER = {"total": 100, "trainable": 60, "by_part": {"pooler": 10, "attention": 50}}
RERANKER = Tuned(recipe("rerank-bce"), 1, Mined(RankWindow(1, 9), BM25()), start=Start(FreshHead()))
PRESET = Preset(
    "all",
    (
        System("bm25", "BM25", BM25()),
        System("base", "base", None),
        System("dense", "dense", Tuned(IN_BATCH_FULL, epochs=1)),
        System("counted", "counted by the paper", Tuned(IN_BATCH_FULL, epochs=1)),
        System("reranker", "reranker", RERANKER),
    ),
    candidates="bm25",
)


def study(notes: dict[str, str]) -> Study:
    claim = Claim("count", "a paper", "2", "arithmetic", "it trains 999", "value", system="counted", published=999)
    return Study(
        name="s", title="A study", paper="a paper", base="b", baseline="base", primary_measure="RR@10",
        presets=(PRESET,), scales=(), claims=(claim,), published={}, published_loss={}, choices={},
        parameter_notes=notes,
    )  # fmt: skip


def done() -> Done:
    trained = {
        Trial(PRESET, name, 1): Artifact(name, Path(name), {"ledger": LEDGER})
        for name in ("dense", "counted", "reranker")
    }
    return Done({}, trained, ())


def test_a_count_that_a_paper_prints_is_explained_by_its_study_alone() -> None:
    ledgers = {row.system: row for row in _parameters(study({}), done())}
    assert (ledgers["counted"].published, ledgers["dense"].published) == (999, None)
    assert "12,288" not in ledgers["counted"].note, "that is one paper's arithmetic about MiniLM"
    ledgers = {row.system: row for row in _parameters(study({"counted": "999 counts heads"}), done())}
    assert ledgers["counted"].note == "999 counts heads"


def test_a_pooler_is_called_unused_except_of_a_cross_encoder_which_scores_with_it() -> None:
    notes = {row.system: row.note for row in _parameters(study({}), done())}
    assert notes["dense"].startswith("The pooler counts as trainable, but")
    assert notes["reranker"] == ""


def test_a_question_that_no_run_can_decide_gets_no_verdict_of_a_run() -> None:
    asked = OpenQuestion("T9", "defect", "The sampler stops.", test="tests/test_sampler.py")
    question, evidence = _answer(asked, cast(Any, None), done())
    assert (question.verdict, question.test, evidence) == ("shown by a test", "tests/test_sampler.py", None)


def picture() -> Projection:
    return Projection(
        baseline="base",
        seeds=(1, 2),
        pairs=1,
        drawn_pairs=1,
        neighbours=15,
        min_dist=0.1,
        panels=(ProjectionPanel("joint", True, 1, "base", 0.9, 0.6, ((0.0, 1.0), (1.0, 0.0))),),
        table=(VectorsAbout("base", (1.0, 0.0), 0.5, -3.0, -3.0, 80.0, 90.0),),
        overlaps=(),
    )


def test_what_a_demonstration_exhibits_is_the_same_whether_it_ran_now_or_was_kept() -> None:
    evidence = Evidence("shown", "A sentence.", exhibits={"projection": picture()})
    kept = from_plain(Evidence, json.loads(json.dumps(to_plain(evidence))), "evidence.json")
    assert _read(kept.exhibits) == _read(evidence.exhibits) == {"projection": picture()}


def test_an_exhibit_that_no_page_shows_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="there is no exhibit 'mine'"):
        _read({"mine": {"a": 1}})
