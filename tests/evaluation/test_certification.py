from __future__ import annotations

import numpy as np
import pytest

from strop.evaluation.certification import (
    alpha_of_look,
    certified,
    evidence,
    lower_bound,
    p_at_most,
    p_of_samples,
    smallest,
    worst_of,
)


@pytest.mark.parametrize("n", [1, 3, 10, 160, 2000])
@pytest.mark.parametrize("margin", [0.5, 0.1, 0.02, 0.001])
def test_ties_alone_have_the_p_that_algebra_gives(n: int, margin: float) -> None:
    assert p_at_most(np.zeros(n), -margin, -1) == pytest.approx((1 - margin) ** n, rel=1e-6, abs=1e-60)


@pytest.mark.parametrize(("n", "gain", "worst"), [(3, 0.2, -0.01), (3, 0.4, -0.8), (40, 0.2, -0.5), (500, 0.01, -0.7)])
def test_equal_gains_have_the_p_that_algebra_gives(n: int, gain: float, worst: float) -> None:
    assert p_at_most(np.full(n, gain), 0, worst) == pytest.approx((1 - gain / worst) ** -n, rel=1e-6)


@pytest.mark.parametrize("n", [3, 5, 20])
@pytest.mark.parametrize(("threshold", "worst"), [(0.0, -0.4), (-0.02, -1.0), (0.1, -0.8)])
def test_p_is_the_share_of_random_weights_whose_mean_is_no_higher(n: int, threshold: float, worst: float) -> None:
    rng = np.random.default_rng(n)
    differences = np.round(rng.normal(0.1, 0.3, n), 2) * (rng.random(n) < 0.6)
    weights = rng.exponential(size=(400_000, n + 1))
    share = (weights @ (np.append(differences, worst) - threshold) <= 0).mean()
    error = np.sqrt(share * (1 - share) / 400_000)
    assert 0.001 < share < 0.999
    assert p_at_most(differences, threshold, worst) == pytest.approx(share, abs=4 * error)


def test_a_p_of_one_in_ten_thousand_is_right() -> None:
    differences = [0.5, 0.1, 0.3, 0.2, 0.4, -0.01]
    terms = np.array([*differences, -0.04])
    # Partial fractions: each negative term's share of the sum's distribution; exact, as no two terms are equal.
    exact = sum(np.prod([a / (a - b) for b in terms if b != a]) for a in terms if a < 0)
    assert p_at_most(differences, 0, -0.04) == pytest.approx(exact, rel=1e-8)
    assert 1e-5 < exact < 1e-3


def test_many_samples_at_once_have_the_p_of_each_alone() -> None:
    rng = np.random.default_rng(4)
    values = np.array([-0.6, -0.1, 0.0, 0.05, 0.4])
    counts = rng.multinomial(60, [0.05, 0.1, 0.6, 0.15, 0.1], 50).astype(float)
    worst = -rng.uniform(0.3, 1, 50)
    together = p_of_samples(values, counts, -0.02, worst)
    alone = [
        p_at_most(np.repeat(values, count.astype(int)), -0.02, float(w)) for count, w in zip(counts, worst, strict=True)
    ]
    assert np.ptp(alone) > 0.5
    assert together == pytest.approx(alone, abs=1e-7)


def test_what_cannot_be_is_not_computed() -> None:
    assert p_at_most([0.0, 0.0], 0, -0.5) == 1, "ties certify no gain"
    assert p_at_most([0.1, 0.0], -0.5, -0.5) == 0, "nothing is below the worst"
    assert p_at_most([0.1, 0.2], 0.3, -0.5) == 1
    assert p_at_most([-0.5], -0.5, -0.5) == 1
    with pytest.raises(ValueError, match="no differences"):
        p_at_most([], 0, -1)


def test_p_rises_with_the_threshold_and_with_a_worse_unseen_query() -> None:
    differences = np.random.default_rng(2).normal(0.02, 0.1, 80)
    assert (np.diff([p_at_most(differences, t, -0.7) for t in np.linspace(-0.1, 0.1, 21)]) > 0).all()
    assert (np.diff([p_at_most(differences, 0, worst) for worst in (-0.1, -0.5, -1)]) > 0).all()


@pytest.mark.parametrize("alpha", [0.05, 0.025, 1e-4])
def test_the_bound_is_where_p_is_alpha(alpha: float) -> None:
    differences = np.random.default_rng(3).normal(0.05, 0.2, 30)
    bound = lower_bound(differences, alpha, -0.9)
    assert bound < differences.mean()
    assert p_at_most(differences, bound, -0.9) == pytest.approx(alpha, rel=1e-4)


def test_160_ties_never_certify_a_margin_of_0_02_against_the_worst_possible_query() -> None:
    assert lower_bound(np.zeros(160), 0.025, -1) == pytest.approx(0.025 ** (1 / 160) - 1, abs=1e-8)
    assert p_at_most(np.zeros(160), -0.02, -1) > 0.025
    assert p_at_most(np.zeros(160), -0.02, -0.6) < 0.025


def test_differences_all_at_the_worst_are_their_own_bound_and_a_level_is_checked() -> None:
    assert lower_bound([-0.4, -0.4], 0.05, -0.4) == -0.4
    for alpha in (0.0, 0.5):
        with pytest.raises(ValueError, match="level"):
            lower_bound([0.1], alpha, -1)
        with pytest.raises(ValueError, match="level"):
            smallest(10, 0.1, alpha, -1)
    with pytest.raises(ValueError, match="no differences"):
        lower_bound([], 0.05, -1)


def test_the_unseen_query_loses_what_the_base_reaches_where_it_reaches_anything() -> None:
    assert worst_of([0.0, 0.0, 0.5, 1.0]) == -0.75
    assert worst_of([0.0, 0.0]) == -1, "a base that answers nothing says nothing of what can be lost"


def test_certified_is_the_bound_at_or_above_the_threshold() -> None:
    rng = np.random.default_rng(8)
    base = rng.choice([0.0, 0.5, 1.0], 120)
    differences = np.where(rng.random(120) < 0.3, rng.normal(0.08, 0.1, 120), 0.0)
    bound = lower_bound(differences, 0.05, worst_of(base))
    assert certified(differences, base, bound - 1e-6, 0.05)
    assert not certified(differences, base, bound + 1e-6, 0.05)


@pytest.mark.parametrize(("n", "sd", "worst"), [(30, 0.15, -0.8), (160, 0.05, -0.5), (400, 0.12, -0.9)])
def test_the_smallest_gain_is_certified_by_about_four_test_sets_in_five(n: int, sd: float, worst: float) -> None:
    gain = smallest(n, sd, 0.05, worst)
    rng = np.random.default_rng(n)
    tied = rng.random((300, n)) < 0.75
    values = np.where(tied, 0, rng.normal(0, 2 * sd, (300, n))) + gain  # sd: 2 sd times the root of a quarter
    power = np.mean([p_at_most(differences, 0, worst) <= 0.05 for differences in values])
    assert 0.7 < power < 0.9
    unchanged = np.mean([p_at_most(differences - gain, -gain, worst) <= 0.05 for differences in values])
    assert power - 0.01 <= unchanged < 0.92


def test_the_smallest_gain_without_a_spread_is_what_algebra_gives() -> None:
    assert smallest(160, 0.0, 0.025, -0.6) == pytest.approx(0.6 * (0.025 ** (-1 / 160) - 1), abs=1e-7)
    assert smallest(1, 0.1, 0.05, -1) > 1, "one query certifies nothing"
    with pytest.raises(ValueError, match="0 queries"):
        smallest(0, 0.1, 0.05, -1)


def test_every_look_halves_the_level_and_all_looks_together_stay_below_it() -> None:
    assert [alpha_of_look(look) for look in (1, 2, 3)] == [0.025, 0.0125, 0.00625]
    assert alpha_of_look(1, 0.1) == 0.05
    assert sum(alpha_of_look(look) for look in range(1, 40)) < 0.05
    with pytest.raises(ValueError, match="from 1"):
        alpha_of_look(0)


def test_the_evidence_pairs_queries_by_their_ids() -> None:
    rng = np.random.default_rng(6)
    base = {f"q{i}": float(value) for i, value in enumerate(rng.uniform(0, 0.5, 60))}
    tuned = {query: value + 0.3 if i < 20 else value for i, (query, value) in enumerate(base.items())}
    tuned["q59"] -= 0.01
    shuffled = {query: tuned[query] for query in sorted(tuned, reverse=True)}
    found = evidence(base, shuffled, 0.0, 0.025, "cran", "test", "new answers")
    assert (found.collection, found.split, found.population, found.queries) == ("cran", "test", "new answers", 60)
    assert (found.won, found.tied, found.lost) == (20, 39, 1)
    assert found.difference == pytest.approx((20 * 0.3 - 0.01) / 60)
    assert found.tuned - found.base == pytest.approx(found.difference)
    assert found.low < found.difference < found.high
    assert 0 < found.bound < found.low + 0.02
    assert found.passed
    differences = [tuned[query] - base[query] for query in base]
    assert found.bound == lower_bound(differences, 0.025, worst_of(list(base.values())))
    stricter = evidence(base, tuned, found.bound + 1e-6, 0.025, "cran", "test")
    assert not stricter.passed
    assert stricter.population == "all"
    assert found.smallest == pytest.approx(
        smallest(60, float(np.std(differences, ddof=1)), 0.025, worst_of(list(base.values())))
    )
    with pytest.raises(ValueError, match="different queries"):
        evidence(base, {"q1": 0.5}, 0.0, 0.025, "cran", "test")
