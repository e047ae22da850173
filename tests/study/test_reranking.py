"""What a study of rerankers shows, from runs written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from strop.artifacts.store import Artifact
from strop.evaluation.comparison import compare
from strop.evaluation.measures import evaluate, mean
from strop.evaluation.reordering import ceiling
from strop.evaluation.significance import USUAL_SD, holm, minimum_detectable_difference
from strop.models.cross_encoder import FreshHead
from strop.negatives.from_run import RankWindow
from strop.records.documents import Collection, Document, Query
from strop.records.exhibits.reranking import Reranking
from strop.records.plain import to_plain
from strop.records.results import read_json, write_json
from strop.records.runs import Run, write_run
from strop.report.reranking import section
from strop.retrieval.lexical import BM25
from strop.study.claims import Claim
from strop.study.definition import Preset, Scale, Study
from strop.study.negative_policies import Mined
from strop.study.reranking import exhibit
from strop.study.schedule import Done, Trial
from strop.study.systems import Reranked, Start, System, Tuned, WithPositive
from strop.study.workbench import Workbench
from strop.training.recipes import recipe

SEEDS = (1, 2)
RERANKER = Tuned(recipe("rerank-bce"), epochs=1, negatives=Mined(RankWindow(1, 9), BM25()))
#: Three documents of six are relevant to every query, one of grade 2; f is in no run.
JUDGED = {q: {"a": 1, "b": 2, "c": 0, "f": 1} for q in ("q1", "q2", "q3")}
#: system -> seed -> the order of each query, a letter a document.
ORDERS: dict[str, dict[int, dict[str, str]]] = {
    "bm25": {1: {"q1": "cdab", "q2": "acdb", "q3": "dcab"}},
    "lion": {1: {"q1": "acdb", "q2": "acdb", "q3": "acdb"}, 2: {"q1": "cadb", "q2": "acdb", "q3": "adcb"}},
    "adamw": {1: {"q1": "cdab", "q2": "acdb", "q3": "cdab"}, 2: {"q1": "cdab", "q2": "dcab", "q3": "cadb"}},
    "random": {1: {"q1": "acdb", "q2": "acdb", "q3": "acdb"}, 2: {"q1": "acdb", "q2": "acdb", "q3": "acdb"}},
    "own": {1: {"q1": "bcd", "q2": "bcd", "q3": "cdb"}},
    "lion_own": {1: {"q1": "bcd", "q2": "bcd", "q3": "bdc"}, 2: {"q1": "bcd", "q2": "cbd", "q3": "bcd"}},
    "random_own": {1: {"q1": "bcd", "q2": "bcd", "q3": "bdc"}},
}
PRESET = Preset(
    "kept",
    (
        System("bm25", "BM25", BM25()),
        System("base", "base", None),
        System("lion", "Lion", RERANKER),
        System("adamw", "AdamW", RERANKER),
        System("random", "random", replace(RERANKER, start=Start(base="away"))),
        System("own", "own passages", WithPositive("bm25", 2)),
        System("lion_own", "Lion, own passages", Reranked("own", "lion", 3)),
        System("random_own", "random, own passages", Reranked("own", "random", 3)),
    ),
    candidates="bm25",
)
LION = Claim("lion", "p", "1", "effect", "x", "above", "lion", "adamw", collection="c", measure="RR@10")
BINARY = {"RR@10", "AP", "Rprec", "P@10", "R@10"}


def run(system: str, seed: int) -> Run:
    return Run({q: (tuple(o), -np.arange(len(o))) for q, o in ORDERS[system][seed].items()})


def collection(name: str = "c", judged: Mapping[str, Mapping[str, int]] = JUDGED) -> Collection:
    documents = {d: Document(d, d) for d in "abcdef"}
    return Collection(name, "dl19", documents, {q: Query(q, q) for q in judged}, judged, fingerprint=name)


def bench(*panels: Collection, claims: Sequence[Claim] = (LION,), preset: Preset = PRESET) -> Workbench:
    scale = Scale(
        "s",
        "c",
        None,
        None,
        None,
        None,
        None,
        10,
        SEEDS,
        {preset.name: 2},
        rerank_depth=3,
        stand_ins={"away": FreshHead(1)},
    )
    study = Study("s", "t", "p", "b", "base", "nDCG@10", (preset,), (scale,), tuple(claims), {}, {}, {})
    own = SimpleNamespace(test=panels[0])
    named = {c.name: c for c in panels}
    searched = {"study": study, "scale": scale, "own": own, "panels": named, "is_given": lambda _: False}
    return cast(Workbench, SimpleNamespace(**searched))


def done(
    folder: Path, preset: Preset = PRESET, out_of_domain: Sequence[str] = (), left_out: Sequence[Trial] = ()
) -> Done:
    runs = {}
    for system, by_seed in ORDERS.items():
        for seed in by_seed:
            if (cell := Trial(preset, system, seed)) not in left_out:
                path = folder / f"{system}-{seed}"
                path.mkdir(exist_ok=True)
                write_run(run(system, seed), path / "run.trec", "x")
                cost = {"pairs": 9, "tokens": 90, "cut": 1, "seconds": 0.6}
                reranks = system not in ("bm25", "own")
                name = "rerank" if reranks else {"bm25": "lexical", "own": "with_positive"}[system]
                record: dict[str, Any] = {"stage": {"name": name}, "wall_seconds": 1.5}
                runs[cell] = Artifact(path.name, path, record | ({"cost": cost} if reranks else {}))
    return Done(runs, {}, (), {cell: dict.fromkeys(out_of_domain, a) for cell, a in runs.items()})


@pytest.fixture
def made(tmp_path: Path) -> Reranking:
    return reranking(bench(collection()), done(tmp_path))


def reranking(of: Workbench, cells: Done) -> Reranking:
    made = exhibit(of, cells)
    assert made
    return made


def value(system: str, measure: str, level: int = 1) -> float:
    """The mean over queries and seeds, worked out from the orders."""
    means = [mean(evaluate(run(system, s), JUDGED, (measure,), level)[measure]) for s in ORDERS[system]]
    return float(np.mean(means))


def test_every_finished_system_has_its_means_over_seeds_at_both_grades(made: Reranking) -> None:
    rows = {row.system: row for row in made.rows}
    assert list(rows) == ["bm25", "lion", "adamw", "random", "own", "lion_own", "random_own"], "the base was not run"
    assert [rows[s].seeds for s in rows] == [1, 2, 2, 2, 1, 2, 1]
    assert rows["lion"].values["1"]["RR@10"] == pytest.approx((1 + 1 + 1 + 0.5 + 1 + 1) / 6)
    assert rows["lion"].values["2"]["RR@10"] == pytest.approx(1 / 4)
    assert set(rows["lion"].values["2"]) == BINARY, "nDCG and Judged know no least grade"
    assert next(iter(rows["lion"].values["1"])) == "nDCG@10"
    for system in ("bm25", "adamw", "lion_own"):
        for level, of in rows[system].values.items():
            for measure, found in of.items():
                assert found == pytest.approx(value(system, measure, int(level)), rel=1e-12)


def test_what_random_weights_had_a_say_in_has_no_values_and_is_in_no_comparison(tmp_path: Path) -> None:
    claims = (LION, replace(LION, id="r", system="random"), replace(LION, id="o", system="random_own"))
    found = reranking(bench(collection(), claims=claims), done(tmp_path))
    rows = {row.system: row for row in found.rows}
    assert {s for s, row in rows.items() if row.random} == {"random", "random_own"}
    assert rows["random"].values == rows["random_own"].values == {}
    assert [(c.system, c.against) for c in found.comparisons] == [("lion", "adamw")]
    assert {c.by for c in found.candidates} == {"lion"}
    assert "random" in {stage.system for stage in found.stages}, "its cost is shown"


def test_a_panel_says_its_ceiling_its_depth_and_what_its_queries_resolve(made: Reranking) -> None:
    (panel,) = made.panels
    assert (panel.collection, panel.split, panel.queries) == ("c", "dl19", 3)
    assert (panel.first_label, panel.depth_note) == ("BM25", "depth 3")
    best = ceiling(run("bm25", 1), JUDGED, "nDCG@10", 3)
    assert panel.ceiling == panel.ceilings["1"]["nDCG@10"] == pytest.approx(mean(best))
    assert panel.ceilings["2"]["RR@10"] == pytest.approx(0.25), "the one of grade 2 is at rank 4, below the depth"
    assert panel.value == pytest.approx(value("bm25", "nDCG@10"))
    assert panel.judged == pytest.approx(3 / 4)
    a, b = (
        np.mean([list(evaluate(run(s, seed), JUDGED, ("nDCG@10",))["nDCG@10"].values()) for seed in SEEDS], axis=0)
        for s in ("lion", "adamw")
    )
    assert panel.sd_of == ("lion", "adamw")
    assert panel.sd == pytest.approx(float((a - b).std(ddof=1)))
    assert panel.detectable == pytest.approx(minimum_detectable_difference(panel.sd, 3))


def test_with_one_reranker_the_usual_spread_says_what_the_queries_resolve(tmp_path: Path) -> None:
    left = [Trial(PRESET, s, seed) for s in ("adamw", "lion_own", "random_own") for seed in SEEDS]
    (panel,) = reranking(bench(collection()), done(tmp_path, left_out=left)).panels
    assert (panel.sd, panel.sd_of) == (USUAL_SD, ())


def test_claimed_pairs_are_compared_over_the_seeds_both_have_with_holm_over_a_collection(tmp_path: Path) -> None:
    claims = (LION, replace(LION, id="b", against="bm25"), replace(LION, id="again", rule="below"))
    cells = done(tmp_path, out_of_domain=["d"], left_out=[Trial(PRESET, "adamw", 2)])
    found = reranking(bench(collection(), collection("d"), claims=claims), cells).comparisons
    assert [(c.collection, c.against, c.seeds) for c in found] == [
        ("c", "adamw", 1),
        ("c", "bm25", 2),
        ("d", "adamw", 1),
        ("d", "bm25", 2),
    ], "a pair claimed twice is one comparison"
    ranks = {
        (s, seed): evaluate(run(s, seed), JUDGED, ("RR@10",))["RR@10"]
        for s in ("lion", "adamw", "bm25")
        for seed in ORDERS[s]
    }
    seen = [
        compare([ranks["lion", 1]], [ranks["adamw", 1]]),
        compare([ranks["lion", 1], ranks["lion", 2]], [ranks["bm25", 1]]),
    ]
    for row, c, p in zip(found, seen, holm([c.p for c in seen]), strict=False):
        assert (row.difference, row.low, row.high, row.p) == (c.difference, c.low, c.high, p)
        assert row.detectable == minimum_detectable_difference(cast(float, c.sd), 3, alpha=0.05 / 2)


def test_a_model_given_several_candidates_stands_side_by_side_with_itself(made: Reranking) -> None:
    bm25, own = made.candidates
    assert [(c.by, c.system, c.first_label, c.depth) for c in (bm25, own)] == [
        ("lion", "lion", "BM25", 3),
        ("lion", "lion_own", "own passages", 3),
    ]
    assert own.ceiling > bm25.ceiling
    assert own.first_value == pytest.approx(value("own", "nDCG@10"))
    assert own.value == pytest.approx(value("lion_own", "nDCG@10"))


def test_a_stage_s_time_is_given_by_query_a_reranker_s_without_what_surrounds_it(made: Reranking) -> None:
    stages = {stage.system: stage for stage in made.stages}
    assert stages["bm25"].ms_per_query == pytest.approx(500)
    assert stages["bm25"].pairs is None
    assert stages["lion"].ms_per_query == pytest.approx(200)
    assert (stages["lion"].pairs, stages["lion"].tokens, stages["lion"].wall_seconds) == (9, 90, 1.5)
    assert "own" not in stages, "putting a positive among others is no search"


def test_without_grades_there_is_one_level(tmp_path: Path) -> None:
    flat = {q: {d: min(g, 1) for d, g in of.items()} for q, of in JUDGED.items()}
    found = reranking(bench(collection(judged=flat)), done(tmp_path))
    assert {tuple(row.values) for row in found.rows if not row.random} == {("1",)}


def test_a_study_of_random_weights_shows_cost_alone(tmp_path: Path) -> None:
    whole = bench(collection())
    whole.study = replace(whole.study, random_weights=True)
    found = reranking(whole, done(tmp_path))
    assert {row.system for row in found.rows if row.values} == {"bm25", "own"}
    assert found.comparisons == found.candidates == ()


def test_a_preset_that_reorders_nothing_shows_nothing(tmp_path: Path) -> None:
    plain = Preset("plain", (System("bm25", "BM25", BM25()), System("base", "base", None)))
    runs = {Trial(plain, "bm25", 1): done(tmp_path).runs[Trial(PRESET, "bm25", 1)]}
    assert exhibit(bench(collection(), claims=(), preset=plain), Done(runs, {}, ())) is None


def test_the_exhibit_reads_back_as_it_was_written_and_its_page_can_be_made(made: Reranking, tmp_path: Path) -> None:
    write_json(to_plain(made), tmp_path / "reranking.json")
    assert read_json(Reranking, tmp_path / "reranking.json") == made
    assert section(made).lead.startswith(
        "Lion against AdamW: not resolved on 3 queries of c and 2 seeds (RR@10 +0.444 ["
    )
