from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from strop.evaluation.significance import (
    bootstrap_interval,
    compare,
    holm,
    minimum_detectable_effect,
    paired_t_p,
    queries_needed,
    randomisation_p,
)


def by_query(values: list[float]) -> dict[str, float]:
    return {f"q{i}": v for i, v in enumerate(values)}


def test_a_comparison_worked_by_hand() -> None:
    a, b = [0.5, 0.25, 1.0, 0.0], [0.25, 0.25, 0.5, 0.25]
    got = compare(by_query(a), by_query(b))
    assert (got.n, got.won, got.tied, got.lost) == (4, 2, 1, 1)
    assert (got.mean_a, got.mean_b, got.difference) == (0.4375, 0.3125, 0.125)
    assert got.relative == pytest.approx(0.4)
    assert got.sd == pytest.approx(np.std([0.25, 0, 0.5, -0.25], ddof=1))
    assert got.effect_size == pytest.approx(0.125 / np.std([0.25, 0, 0.5, -0.25], ddof=1))
    assert got.t_p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert got.low < 0.125 < got.high
    assert not got.resolved


def test_queries_are_paired_by_id_and_swapping_the_systems_mirrors_everything() -> None:
    rng = np.random.default_rng(3)
    a = by_query(list(rng.random(60)))
    b = {q: a[q] - 0.05 + rng.normal(0, 0.1) for q in reversed(a)}
    one, other = compare(a, b), compare(b, a)
    assert one.difference == pytest.approx(-other.difference)
    assert one.difference == pytest.approx(np.mean([a[q] - b[q] for q in a]))
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert (one.p, one.won) == (other.p, other.lost)
    assert compare(a, b) == one


def test_systems_measured_on_different_queries_are_refused() -> None:
    with pytest.raises(ValueError, match=r"different queries \(2, for one 'q1'\)"):
        compare({"q0": 1.0, "q1": 1.0}, {"q0": 1.0, "q2": 1.0})
    with pytest.raises(ValueError, match="different queries"):
        compare([{"q0": 1.0}, {"q0": 1.0, "q1": 0.0}], {"q0": 1.0})
    with pytest.raises(ValueError, match="nothing to compare"):
        compare({}, {})
    with pytest.raises(ValueError, match="nothing to compare"):
        compare([], {"q0": 1.0})


def test_seeds_are_averaged_for_the_tests_and_widen_the_interval() -> None:
    rng = np.random.default_rng(4)
    base = rng.random(200)
    against = by_query(list(base))
    apart = [by_query(list(base + shift + rng.normal(0, 0.05, 200))) for shift in (-0.05, 0.02, 0.09)]
    many = compare(apart, against)
    averaged = compare({q: float(np.mean([s[q] for s in apart])) for q in against}, against)
    assert (many.seeds_a, many.seeds_b) == (3, 1)
    assert many.difference == pytest.approx(averaged.difference)
    assert many.p == averaged.p < 0.05
    assert averaged.low > 0 > many.low
    assert averaged.resolved
    assert not many.resolved


def test_undefined_figures_are_none_and_nothing_divides_by_zero() -> None:
    single = asdict(compare({"q": 0.5}, {"q": 0.0}))
    assert {k: single[k] for k in ("relative", "t_p", "sd", "effect_size", "p")} == dict.fromkeys(
        ("relative", "t_p", "sd", "effect_size")
    ) | {"p": 1.0}
    same = compare(by_query([0.1, 0.7]), by_query([0.1, 0.7]))
    assert (same.difference, same.low, same.high, same.p, same.t_p, same.tied) == (0.0, 0.0, 0.0, 1.0, None, 2)
    shifted = compare(by_query([0.3, 0.8]), by_query([0.1, 0.6]))
    assert (shifted.t_p, shifted.effect_size) == (None, None)


def test_the_randomisation_test_agrees_with_every_assignment_of_signs() -> None:
    differences = np.random.default_rng(5).normal(0.05, 0.1, 11)
    signs = np.array(np.meshgrid(*[[-1, 1]] * 11)).reshape(11, -1).T
    exact = (np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12).mean()
    assert 0.01 < exact < 0.5
    assert randomisation_p(differences, 40_000) == pytest.approx(exact, abs=0.01)


def test_the_randomisation_test_agrees_with_scipys() -> None:
    differences = np.random.default_rng(6).gamma(0.3, 0.2, 50) - 0.02
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(1)
    ).pvalue
    assert randomisation_p(differences) == pytest.approx(theirs, abs=0.01)


def test_the_paired_t_test_is_scipy_s_bit_by_bit() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        differences = rng.normal(0.1, 1.0, int(rng.integers(2, 400))) * 10.0 ** rng.integers(-4, 3)
        assert paired_t_p(differences) == stats.ttest_1samp(differences, 0.0).pvalue


def test_p_is_never_zero() -> None:
    assert randomisation_p(np.full(500, 0.1)) == 1 / 10_001


def test_signs_that_reach_the_same_sum_count_however_it_is_rounded() -> None:
    # 26 of the 32 assignments reach |0.7|, four of them only when 0.7 and 0.7000000000000001 are the same.
    assert randomisation_p([0.4, -0.8, 0.7, 0.8, -0.4]) == pytest.approx(26 / 32, abs=0.02)


def test_a_sign_is_resolved_only_where_the_test_agrees_with_the_interval() -> None:
    few = by_query([0.239, -0.009, 0.204, 0.279, 0.008, 0.011])
    got = compare(few, dict.fromkeys(few, 0.0))
    assert got.low > 0
    assert got.p > 0.05
    assert not got.resolved
    clear = compare({q: v + 0.1 for q, v in few.items()}, dict.fromkeys(few, 0.0))
    assert clear.resolved


def test_p_values_are_uniform_under_the_null() -> None:
    rng = np.random.default_rng(7)
    skewed = rng.gamma(0.5, 0.2, (400, 40)) * rng.choice([-1, 1], (400, 40)) * (rng.random((400, 40)) < 0.6)
    p = np.array([randomisation_p(row, 499) for row in skewed])
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.02 <= (p <= 0.05).mean() <= 0.08


def test_the_interval_is_the_quantiles_of_resampled_means() -> None:
    values = np.random.default_rng(8).gamma(0.5, 0.3, 80)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert bootstrap_interval(values) == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_the_interval_covers_the_true_mean_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(9)
    drawn = rng.gamma(0.5, 0.2, (600, 60)) - 0.1  # skewed, true mean 0
    covered = np.mean([low <= 0 <= high for low, high in (bootstrap_interval(row, 500) for row in drawn)])
    assert 0.91 <= covered <= 0.97


def test_the_interval_over_seeds_and_queries_covers_where_queries_alone_do_not() -> None:
    rng = np.random.default_rng(10)
    shape = (300, 5, 60)
    crossed = rng.normal(0, 0.03, (300, 5, 1)) + rng.normal(0, 0.1, (300, 1, 60)) + rng.normal(0, 0.05, shape)

    def coverage(samples: np.ndarray) -> float:
        return float(np.mean([low <= 0 <= high for low, high in (bootstrap_interval(s, 300) for s in samples)]))

    assert coverage(crossed) >= 0.88
    assert coverage(crossed.mean(axis=1)) <= 0.85


def test_large_inputs_are_resampled_in_blocks_and_seeds_by_their_share() -> None:
    # Two seeds a unit apart and no other spread: the means are -.7, 0 and .7 about the centre, widened by sqrt(2).
    matrix = np.array([np.zeros(5000), np.ones(5000)])
    low, high = bootstrap_interval(matrix, 1000)
    assert (low, high) == pytest.approx((0.5 - 2**0.5 / 2, 0.5 + 2**0.5 / 2))


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.02, 0.02], [0.04, 0.04]),
        ([0.03], [0.03]),
        ([], []),
    ],
)
def test_holm_adjusts_step_by_step_and_keeps_the_order(p_values: list[float], expected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "effect"), [(43, 0.05), (97, 0.035), (300, 0.02)])
def test_the_detectable_effect_is_the_one_the_field_knows(n: int, effect: float) -> None:
    assert minimum_detectable_effect(0.12, n) == pytest.approx(effect, abs=0.0015)


def test_a_design_of_the_needed_size_finds_the_effect_four_times_in_five() -> None:
    n = queries_needed(0.04, 0.12)
    assert minimum_detectable_effect(0.12, n) <= 0.04 < minimum_detectable_effect(0.12, n - 1)
    rng = np.random.default_rng(11)
    found = stats.ttest_1samp(rng.normal(0.04, 0.12, (4000, n)), 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.03)
    assert queries_needed(-0.04, 0.12) == n


def test_impossible_designs_are_refused() -> None:
    with pytest.raises(ValueError, match="effect of zero"):
        queries_needed(0.0, 0.12)
    with pytest.raises(ValueError, match="0 queries"):
        minimum_detectable_effect(0.12, 0)
