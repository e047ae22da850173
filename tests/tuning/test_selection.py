"""What a look is worth: the lower bound of the gain, less what guards may lose beyond the margin."""

from __future__ import annotations

import numpy as np
import pytest

from strop.evaluation.certification import p_at_most
from strop.records.tuned import Point
from strop.tuning.looks import Seen
from strop.tuning.race import Stop, choose
from strop.tuning.selection import CONFIDENCE_Z, Exam, Judge, Worth, chance

QUERIES = [f"q{i}" for i in range(100)]


def values(mean: float, spread: float, queries: list[str] = QUERIES) -> dict[str, float]:
    """Half of them above and half below the mean, so that it is exact."""
    return {q: mean + spread * (-1) ** i for i, q in enumerate(queries)}


BASE = Seen({"own": values(0.5, 0), "guard": values(0.5, 0)}, 1.0)


def seen(gain: float, guard: float, spread: float = 0.1, overlap: float | None = 0.9) -> Seen:
    return Seen({"own": values(0.5 + gain, spread), "guard": values(0.5 + guard, spread)}, overlap)


def test_the_score_is_the_gain_less_its_uncertainty() -> None:
    worth = Judge(BASE, "own", 0.02)(seen(0.05, 0.0))
    error = CONFIDENCE_Z * np.std([0.1, -0.1] * 50, ddof=1) / 10
    assert worth.score == pytest.approx(0.05 - error)
    assert (worth.gain, worth.guards["guard"]) == (pytest.approx(0.05), pytest.approx(0.0))
    assert worth.allowed


def test_a_guard_beyond_the_margin_forbids_and_costs_what_it_is_beyond() -> None:
    judge = Judge(BASE, "own", 0.02)
    inside, outside = judge(seen(0.05, -0.01)), judge(seen(0.05, -0.03))
    error = 0.05 - inside.score
    assert inside.allowed
    assert "guard may fall by more than 0.02" in outside.reason
    assert outside.score == pytest.approx(0.05 - error - (0.01 + error))


def test_of_the_allowed_points_of_all_trainings_the_best_is_chosen_and_of_equals_the_nearest_to_the_base() -> None:
    def stop(share: float, score: float, training: int, allowed: bool = True, likely: float = 0.9) -> Stop:
        point = Point("last", share, score, {}, 1.0, allowed, False, "", training)
        return Stop(point, Worth(score, {}, score, "" if allowed else "a guard", likely), ())

    stops = [stop(0.5, 0.02, 0), stop(0.5, 0.01, 1), stop(0.25, 0.02, -1), stop(1.0, 0.03, -1, allowed=False)]
    points, best = choose(stops)
    assert best is stops[2]
    assert [point.chosen for point in points] == [False, False, True, False]
    assert choose(stops[:2])[1] is stops[0], "a short training may be best"
    assert choose([stops[3]])[1] is None
    doubtful = [stop(0.75, 0.05, -1, likely=0.7), stop(1.0, 0.08, -1, likely=0.6)]
    assert choose([*stops, *doubtful])[1] is stops[2], "what will probably be certified goes before a larger gain"
    assert choose(doubtful)[1] is doubtful[0], "or else the likeliest"


def test_of_looks_with_a_chance_of_80_percent_about_80_percent_are_certified() -> None:
    rng = np.random.default_rng(0)
    alpha, worst = 0.025, -0.6
    certified = []
    for true in rng.uniform(-0.02, 0.01, 250):
        dev, test = (rng.normal(true, 0.07, n) for n in (100, 300))
        if 0.7 < chance(dev, 300, -0.02, alpha, worst) < 0.9:
            certified.append(p_at_most(test, -0.02, worst) <= alpha)
    assert len(certified) > 30
    assert float(np.mean(certified)) == pytest.approx(0.8, abs=0.1)
    ties = np.zeros(50)
    assert chance(ties, 300, -0.02, alpha, worst) == 1.0
    assert chance(ties, 30, -0.02, alpha, worst) == 0.0, "so few certify nothing"


def test_the_least_likely_of_gain_and_guards_counts_and_a_trade_asks_for_no_guard() -> None:
    look = seen(0.05, -0.008)
    both = Judge(BASE, "own", 0.02, exam=Exam({"own": 300, "guard": 300}, 0.025))(look).likely
    gain = Judge(BASE, "own", 0.02, exam=Exam({"own": 300}, 0.025))(look).likely
    assert both < 0.7 < 0.95 < gain
    assert Judge(BASE, "own", 0.02, exam=Exam({"own": 300}, 0.025, 0.06))(look).likely < 0.2


def test_fewer_queries_ask_for_a_wider_distance_from_the_margin() -> None:
    few = QUERIES[:10]
    base = Seen({"own": values(0.5, 0), "guard": values(0.5, 0, few)}, 1.0)
    look = Seen({"own": values(0.55, 0.1), "guard": values(0.495, 0.1, few)}, 1.0)
    assert not Judge(base, "own", 0.02)(look).allowed
    assert Judge(BASE, "own", 0.02)(seen(0.05, -0.005)).allowed


def test_a_gain_that_may_be_chance_is_not_allowed() -> None:
    assert "not sure" in Judge(BASE, "own", 0.02)(seen(0.005, 0.0)).reason


def test_new_answers_guard_against_learning_by_heart() -> None:
    new = frozenset(QUERIES[:40])
    learnt = {q: 0.5 + (-0.05 if q in new else 0.2) for q in QUERIES}
    worth = Judge(BASE, "own", 0.02, new)(Seen({"own": learnt, "guard": values(0.5, 0.0)}, 0.9))
    assert worth.guards["new answers"] == pytest.approx(-0.05)
    assert "new answers" in worth.reason


def test_drift_forbids_whatever_the_guards_say() -> None:
    assert "neighbours" in Judge(BASE, "own", 0.02)(seen(0.05, 0.0, overlap=0.3)).reason
    assert Judge(BASE, "own", 0.02)(seen(0.05, 0.0, overlap=None)).allowed, "a cross-encoder has no neighbours"
