from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from strop.records.errors import InputError
from strop.study.claims import Claim, Verdict, judge, judge_figure

EFFECT = Claim(
    id="T3",
    paper="a paper",
    table="Table 3",
    kind="effect",
    statement="tuned is worse than base",
    rule="below",
    system="tuned",
    against="base",
    collection="somewhere",
    measure="nDCG@10",
    published=0.20,
    published_against=0.35,
    tolerance=0.02,
)
FIGURE = Claim("T1", "a paper", "Table 1", "arithmetic", "trains 884,736", "value", published=884_736.0)


def per_query(difference: float, sd: float = 0.1, n: int = 120) -> tuple[dict[str, float], dict[str, float]]:
    """System and baseline whose per-query differences have exactly this mean and spread."""
    noise = np.random.default_rng(0).normal(size=n)
    noise = (noise - noise.mean()) / noise.std(ddof=1) * sd + difference
    base = {f"q{i}": 0.5 for i in range(n)}
    return {q: base[q] + float(d) for q, d in zip(base, noise, strict=True)}, base


@pytest.mark.parametrize(
    ("rule", "difference", "own", "word"),
    [
        ("below", -0.10, True, "holds"),
        ("below", -0.10, False, "analogue: same direction"),
        ("below", +0.10, True, "fails"),
        ("below", +0.10, False, "analogue: opposite"),
        ("below", -0.03, True, "not resolved"),  # below zero, but not surely by more than the tolerance of .02
        ("below", -0.03, False, "analogue: same direction"),
        ("below", -0.002, True, "fails"),  # surely not below by more than .02
        ("below", -0.002, False, "not resolved"),
        ("above", +0.10, True, "holds"),
        ("above", +0.10, False, "analogue: same direction"),
        ("above", -0.10, True, "fails"),
        ("above", -0.10, False, "analogue: opposite"),
        ("equal", 0.0, True, "holds"),
        ("equal", 0.0, False, "analogue: same direction"),
        ("equal", 0.06, True, "fails"),
        ("equal", 0.06, False, "analogue: opposite"),
        ("equal", 0.02, True, "not resolved"),
    ],
)
def test_the_word_follows_from_rule_interval_and_setting(rule: Any, difference: float, own: bool, word: str) -> None:
    verdict = judge(replace(EFFECT, rule=rule), *per_query(difference), own_setting=own)
    assert verdict.word == word
    assert verdict.comparison is not None
    assert verdict.comparison.difference == pytest.approx(difference)


def test_away_from_its_setting_no_effect_ever_holds_or_fails() -> None:
    words = {
        judge(replace(EFFECT, rule=rule, tolerance=tolerance), *per_query(difference, sd, n)).word
        for rule in ("above", "below", "equal")
        for tolerance in (0.02, 0.2)
        for difference in (-0.3, -0.05, 0.0, 0.01, 0.05, 0.3)
        for sd in (0.01, 0.3)
        for n in (3, 60)
    }
    assert words == {"analogue: same direction", "analogue: opposite", "not resolved"}
    for word in ("holds", "fails"):
        with pytest.raises(ValueError, match="away from its setting"):
            Verdict(EFFECT, word, own_setting=False)  # type: ignore[arg-type]


def test_not_resolved_says_what_the_design_sees_and_what_it_would_take() -> None:
    verdict = judge(EFFECT, *per_query(-0.01, sd=0.12, n=97))
    assert verdict.word == "not resolved"
    assert verdict.comparison is not None
    assert verdict.comparison.n == 97
    assert verdict.detectable == pytest.approx(0.035, abs=0.001)
    assert verdict.queries_needed == 1131  # (2.8016 · .12 / .01)², rounded up
    assert verdict.queries_needed_published == 6  # the same for their .35 - .20
    same, base = per_query(0.0, sd=0.0, n=10)
    assert judge(replace(EFFECT, published=None), same, base).queries_needed is None


def test_too_few_queries_settle_nothing_however_clear() -> None:
    for rule in ("above", "below", "equal"):
        for own in (True, False):
            for difference in (-0.4, 0.0, 0.4):
                verdict = judge(replace(EFFECT, rule=rule), *per_query(difference, 0.001, n=5), own_setting=own)  # type: ignore[arg-type]
                assert verdict.word == "not resolved"
    assert judge(EFFECT, *per_query(-0.4, 0.001, n=6)).word == "analogue: same direction"


def test_a_sign_that_only_the_interval_sees_is_not_resolved() -> None:
    system = {f"q{i}": v for i, v in enumerate([0.239, -0.009, 0.204, 0.279, 0.008, 0.011])}
    base = dict.fromkeys(system, 0.0)
    for rule in ("above", "below"):
        claim = replace(EFFECT, rule=rule, tolerance=0.0)  # type: ignore[arg-type]
        assert {judge(claim, system, base, own_setting=own).word for own in (True, False)} == {"not resolved"}


def test_seeds_that_disagree_leave_an_effect_unresolved() -> None:
    system, base = per_query(-0.05)
    apart = [{q: v + shift for q, v in system.items()} for shift in (-0.1, 0.0, 0.1)]
    assert judge(EFFECT, system, base).word == "analogue: same direction"
    assert judge(EFFECT, apart, base).word == "not resolved"


@pytest.mark.parametrize(
    ("published", "tolerance", "ours", "word"),
    [
        (884_736.0, 0.0, 884_736, "holds"),
        (884_736.0, 0.0, 147_456, "fails"),
        (0.3, 0.0, 0.1 + 0.2, "holds"),
        (44.5, 0.05, 44.45, "holds"),
        (44.5, 0.05, 44.449, "fails"),
        (44.5, 0.05, float("nan"), "fails"),
    ],
)
def test_arithmetic_holds_or_fails_by_its_tolerance(published: float, tolerance: float, ours: float, word: str) -> None:
    verdict = judge_figure(replace(FIGURE, published=published, tolerance=tolerance), ours)
    assert verdict.word == word


def test_each_kind_has_its_own_judge() -> None:
    system, base = per_query(0.0)
    with pytest.raises(ValueError, match="T1 is arithmetic, not effect"):
        judge(FIGURE, system, base)
    with pytest.raises(ValueError, match="T3 is effect, not arithmetic"):
        judge_figure(EFFECT, 0.2)


@pytest.mark.parametrize(
    ("claim", "change", "message"),
    [
        (EFFECT, {"rule": "value"}, "'value' does not judge effect"),
        (FIGURE, {"rule": "above"}, "'above' does not judge arithmetic"),
        (EFFECT, {"table": ""}, "names no table"),
        (EFFECT, {"against": ""}, "needs system, against and collection"),
        (EFFECT, {"tolerance": -0.1}, "decides nothing"),
        (EFFECT, {"rule": "equal", "tolerance": 0.0}, "decides nothing"),
        (FIGURE, {"published": None}, "needs the published figure"),
    ],
)
def test_a_claim_that_could_not_be_judged_is_refused(claim: Claim, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(claim, **change)


def test_a_claim_on_an_unknown_measure_is_refused() -> None:
    with pytest.raises(InputError, match="'NDCG10'"):
        replace(EFFECT, measure="NDCG10")


def test_a_verdict_as_json_carries_theirs_beside_ours() -> None:
    said = json.loads(json.dumps(judge(EFFECT, *per_query(-0.10)).as_json(), allow_nan=False))
    assert said["word"] == "analogue: same direction"
    assert said["own_setting"] is False
    assert said["claim"]["table"] == "Table 3"
    assert (said["claim"]["published"], said["claim"]["published_against"]) == (0.20, 0.35)
    assert said["published_difference"] == pytest.approx(-0.15)
    assert said["ours"] == said["comparison"]["mean_a"] == pytest.approx(0.4)
    assert said["comparison"]["low"] < -0.1 < said["comparison"]["high"]
    assert json.loads(json.dumps(judge_figure(FIGURE, 147_456).as_json()))["ours"] == 147_456
