from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import stats

from strop.evaluation.comparison import Comparison, compare, compare_together, corrected, verdict
from strop.evaluation.significance import holm, minimum_detectable_difference, queries_needed


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


def test_a_sign_is_resolved_only_where_the_test_agrees_with_the_interval() -> None:
    few = by_query([0.239, -0.009, 0.204, 0.279, 0.008, 0.011])
    got = compare(few, dict.fromkeys(few, 0.0))
    assert got.low > 0
    assert got.p > 0.05
    assert not got.resolved
    clear = compare({q: v + 0.1 for q, v in few.items()}, dict.fromkeys(few, 0.0))
    assert clear.resolved


@pytest.mark.parametrize(
    ("low", "high", "p", "word"),
    [
        (0.01, 0.03, 0.049, "better"),
        (0.01, 0.03, 0.05, "not resolved"),  # 0.05 itself is not below 0.05
        (0.0, 0.04, 0.01, "not resolved"),  # an interval that ends at zero does not leave it out
        (-0.01, 0.05, 0.01, "not resolved"),
    ],
)
def test_a_difference_is_resolved_when_its_interval_leaves_zero_out_and_its_corrected_p_is_below_the_level(
    low: float, high: float, p: float, word: str
) -> None:
    mirrored = {"better": "worse"}.get(word, word)
    assert (verdict(0.02, low, high, p), verdict(-0.02, -high, -low, p)) == (word, mirrored)


def noisy(shift: float, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    rng = np.random.default_rng(seed)
    base = rng.random(50)
    return by_query(list(base + shift + rng.normal(0, 0.1, 50))), by_query(list(base))


def test_several_pairs_are_corrected_together_and_the_corrected_p_decides() -> None:
    pairs = [noisy(shift, seed) for shift, seed in ((0.04, 1), (0.0, 2), (-0.06, 3))]
    alone = [compare(*pair) for pair in pairs]
    assert all(each.p_corrected == each.p for each in alone)
    together = compare_together(pairs)
    assert together == corrected(alone)
    assert [each.p_corrected for each in together] == holm([each.p for each in alone])
    assert [replace(each, p_corrected=each.p) for each in together] == alone, "nothing else changes"
    assert [each.verdict for each in together] == ["better", "not resolved", "worse"]
    weak = replace(together[0], p_corrected=0.2)
    assert weak.p < 0.05
    assert not weak.resolved


def test_a_comparison_says_what_it_can_detect_and_how_many_queries_a_difference_needs() -> None:
    comparison: Comparison = compare(*noisy(0.01, 4))
    assert comparison.sd is not None
    assert comparison.minimum_detectable_difference == minimum_detectable_difference(comparison.sd, 50)
    assert comparison.queries_needed(0.01) == queries_needed(0.01, comparison.sd)
    assert (comparison.queries_needed(0.0), comparison.queries_needed(None)) == (None, None)
    same = compare(by_query([0.1, 0.7]), by_query([0.1, 0.7]))
    assert (same.minimum_detectable_difference, same.queries_needed(0.1)) == (None, None)


def test_no_number_of_queries_resolves_what_rounding_leaves_of_zero() -> None:
    spread = compare({"q1": 0.1, "q2": 0.4, "q3": 0.2}, {"q1": 0.2, "q2": 0.1, "q3": 0.3})
    assert spread.queries_needed(0.1) is not None
    assert [spread.queries_needed(difference) for difference in (None, 0.0, 1e-16, -1e-16)] == [None] * 4
