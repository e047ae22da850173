from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from strop.evaluation.significance import (
    bootstrap_interval,
    holm,
    minimum_detectable_difference,
    paired_t_p,
    queries_needed,
    randomisation_p,
)


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
    samples = rng.gamma(0.5, 0.2, (600, 60)) - 0.1  # skewed, true mean 0
    covered = np.mean([low <= 0 <= high for low, high in (bootstrap_interval(row, 500) for row in samples)])
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
    assert minimum_detectable_difference(0.12, n) == pytest.approx(effect, abs=0.0015)


def test_a_design_of_the_needed_size_finds_the_effect_four_times_in_five() -> None:
    n = queries_needed(0.04, 0.12)
    assert minimum_detectable_difference(0.12, n) <= 0.04 < minimum_detectable_difference(0.12, n - 1)
    rng = np.random.default_rng(11)
    rejected = stats.ttest_1samp(rng.normal(0.04, 0.12, (4000, n)), 0, axis=1).pvalue < 0.05
    assert rejected.mean() == pytest.approx(0.8, abs=0.03)
    assert queries_needed(-0.04, 0.12) == n


def test_impossible_designs_are_refused() -> None:
    with pytest.raises(ValueError, match="effect of zero"):
        queries_needed(0.0, 0.12)
    with pytest.raises(ValueError, match="0 queries"):
        minimum_detectable_difference(0.12, 0)
