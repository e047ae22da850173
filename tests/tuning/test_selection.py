"""What a look is worth: the lower bound of the gain, less what guards may lose beyond the margin."""

from __future__ import annotations

import numpy as np
import pytest

from strop.tuning.looks import Seen
from strop.tuning.selection import CONFIDENCE_Z, Judge

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
