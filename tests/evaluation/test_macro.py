from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from strop.evaluation import comparison
from strop.evaluation.macro import compare, over_collections, relative, resampled
from strop.records.errors import InputError

Pairs = list[tuple[np.ndarray, np.ndarray]]


def by_query(values: list[float]) -> dict[str, float]:
    return {f"q{i}": v for i, v in enumerate(values)}


def drawn_pairs(seed: int, shape: tuple[int, ...], tau: float, between_seeds: float, seeds: int) -> Pairs:
    """System a a normal effect of each collection above b, plus what each training does everywhere."""
    rng = np.random.default_rng(seed)
    training = rng.normal(0, between_seeds, (seeds, 1))
    return [(rng.normal(rng.normal(0, tau), 0.12, (1, n)) + training, np.zeros((1, n))) for n in shape]


def coverage(shape: tuple[int, ...], tau: float, general: bool, between_seeds: float = 0.0, seeds: int = 1) -> float:
    intervals = [
        np.quantile(resampled(drawn_pairs(i, shape, tau, between_seeds, seeds), general, 300), (0.025, 0.975))
        for i in range(300)
    ]
    return float(np.mean([low <= 0 <= high for low, high in intervals]))


def test_two_collections_worked_by_hand() -> None:
    got = compare(
        {"x": by_query([0.5, 0.7]), "y": by_query([0.2, 0.2, 0.2])},
        {"x": by_query([0.4, 0.4]), "y": by_query([0.3, 0.2, 0.4])},
    )
    macro = got.macro
    assert (got.each["x"].difference, got.each["y"].difference) == pytest.approx((0.2, -0.1))
    # Collections count alike, however many queries they have: (0.6 + 0.2) / 2 against (0.4 + 0.3) / 2.
    assert (macro.mean_a, macro.mean_b, macro.difference) == pytest.approx((0.4, 0.35, 0.05))
    assert (macro.n, macro.won, macro.tied, macro.lost) == (2, 1, 0, 1)
    assert macro.ratio_of_means.to_old == pytest.approx(0.05 / 0.35)
    assert macro.ratio_of_means.to_new == pytest.approx(0.05 / 0.4)
    assert macro.mean_of_ratios.to_old == pytest.approx((0.2 / 0.4 - 0.1 / 0.3) / 2)
    assert macro.mean_of_ratios.to_new == pytest.approx((0.2 / 0.6 - 0.1 / 0.2) / 2)
    assert macro.t == pytest.approx(1 / 3)  # 0.05 over sd 0.3 / sqrt(2) / sqrt(2)
    assert macro.wilcoxon_p is None
    assert "2 collections" in macro.no_wilcoxon


def test_a_relative_difference_has_two_definitions_and_none_of_zero() -> None:
    assert relative(38.4, 33.8).to_old == pytest.approx(0.1361, abs=1e-4)
    assert relative(38.4, 33.8).to_new == pytest.approx(0.1198, abs=1e-4)
    assert (relative(1.0, 0.0).to_old, relative(0.0, 1.0).to_new) == (None, None)
    zero = over_collections({"x": 0.5, "y": 0.2}, {"x": 0.0, "y": 0.1})
    assert zero.mean_of_ratios.to_old is None
    assert zero.mean_of_ratios.to_new == pytest.approx((1 + 0.5) / 2)


def test_swapping_the_systems_mirrors_wins_t_and_both_relatives() -> None:
    rng = np.random.default_rng(0)
    a, b = ({f"c{i}": v for i, v in enumerate(rng.random(11))} for _ in range(2))
    one, other = over_collections(a, b), over_collections(b, a)
    assert (one.won, one.lost, one.difference, one.t) == pytest.approx(
        (other.lost, other.won, -other.difference, -(other.t or 0))
    )
    assert one.ratio_of_means.to_old == pytest.approx(-(other.ratio_of_means.to_new or 0))
    assert one.wilcoxon_p == pytest.approx(other.wilcoxon_p)
    assert one.t_p == pytest.approx(stats.ttest_rel(list(a.values()), list(b.values())).pvalue)


def test_the_signed_rank_test_is_asked_of_nine_collections_or_more() -> None:
    eight = {f"c{i}": 0.1 * i for i in range(8)}
    nine = {f"c{i}": 0.1 * i for i in range(9)}
    assert over_collections(eight, dict.fromkeys(eight, 0.0)).wilcoxon_p is None
    # All nine ranks on one side: 2 of the 2^9 assignments.
    assert over_collections({c: v + 0.01 for c, v in nine.items()}, {c: -v for c, v in nine.items()}).wilcoxon_p == (
        pytest.approx(2 / 2**9)
    )
    same = over_collections(nine, nine)
    assert (same.wilcoxon_p, same.no_wilcoxon, same.t) == (None, "no collection differs", None)
    assert (same.won, same.tied, same.lost) == (0, 9, 0)


def test_the_signed_rank_test_is_exact_with_ties_and_without() -> None:
    rng = np.random.default_rng(1)
    plain = rng.normal(0.3, 1, 12)
    tied = np.array([0.1, 0.2, 0.1, -0.1, 0.3, 0.4, 0.2, 0.0, -0.3, 0.5])

    def p(values: np.ndarray) -> float | None:
        names = [f"c{i}" for i in range(len(values))]
        return over_collections(dict(zip(names, values, strict=True)), dict.fromkeys(names, 0.0)).wilcoxon_p

    assert p(plain) == pytest.approx(stats.wilcoxon(plain, method="exact").pvalue)
    kept = tied[tied != 0]
    ranks = stats.rankdata(np.abs(kept))
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(kept))).reshape(len(kept), -1).T
    reached = np.abs(signs @ ranks) >= abs((np.sign(kept) * ranks).sum()) - 1e-9
    assert p(tied) == pytest.approx(reached.mean())


def naive(pairs: Pairs, general: bool, resamples: int, moved: list[float]) -> list[float]:
    """The hierarchical bootstrap, one draw at a time, in the order in which it is documented to draw."""
    rng = np.random.default_rng(0)
    count = len(pairs)
    collections = [list(rng.integers(0, count, count)) if general else list(range(count)) for _ in range(resamples)]
    seeds = [[list(rng.integers(0, len(s), len(s))) if len(s) > 1 else [0] for _ in collections] for s in pairs[0]]
    sums = [0.0] * resamples
    for c, pair in enumerate(pairs):
        n = pair[0].shape[1]
        for r in range(resamples):
            for _ in range(collections[r].count(c)):
                queries = rng.integers(0, n, n)
                mean = []
                for side in (0, 1):
                    of_seed = [float(np.mean(row)) for row in pair[side]]
                    stretch = (len(of_seed) / (len(of_seed) - 1)) ** 0.5 - 1 if len(of_seed) > 1 else 0.0
                    values = [
                        pair[side][s][q] + stretch * (of_seed[s] - sum(of_seed) / len(of_seed))
                        for s in seeds[side][r]
                        for q in queries
                    ]
                    mean.append(sum(values) / len(values))
                sums[r] += mean[0] - mean[1] + moved[c]
    return [s / count for s in sums]


@pytest.mark.parametrize("general", [False, True])
def test_the_bootstrap_is_the_one_of_a_naive_loop_with_the_same_seed(general: bool) -> None:
    rng = np.random.default_rng(3)
    effects = (0.3, -0.1, 0.05)
    pairs = [(rng.normal(e, 0.1, (3, n)), rng.normal(0, 0.1, (2, n))) for e, n in zip(effects, (4, 7, 2), strict=True)]
    moved = [0.0] * 3
    if general:
        per_query = [a.mean(axis=0) - b.mean(axis=0) for a, b in pairs]
        means = [float(np.mean(v)) for v in per_query]
        within = sum(float(np.var(v, ddof=1)) / len(v) for v in per_query) / 3
        alone = 1 - within / float(np.var(means, ddof=1))
        assert alone > 0
        # Three of three draws vary 2/3 too little; t with two degrees of freedom reaches 4.3027, a normal 1.9600.
        factor = (alone * 3 / 2) ** 0.5 * 4.302653 / 1.959964
        moved = [(factor - 1) * (m - sum(means) / 3) for m in means]
    assert resampled(pairs, general, 40) == pytest.approx(naive(pairs, general, 40, moved), abs=1e-6)


def test_one_collection_has_the_interval_of_a_single_comparison_and_no_general_one() -> None:
    rng = np.random.default_rng(4)
    a, b = (by_query(list(rng.random(80))) for _ in range(2))
    got = compare({"only": a}, {"only": b})
    single = comparison.compare(a, b)
    assert got.general is None
    assert (got.fixed.low, got.fixed.high) == pytest.approx((single.low, single.high), abs=0.004)


def test_the_interval_of_fixed_collections_covers_nineteen_times_in_twenty() -> None:
    assert 0.91 <= coverage((40, 15, 60, 25), tau=0.0, general=False) <= 0.98


@pytest.mark.parametrize("tau", [0.0, 0.02, 0.2])
def test_the_interval_of_collections_in_general_covers_however_much_they_differ(tau: float) -> None:
    assert 0.91 <= coverage((40, 15, 60, 25, 30), tau, general=True) <= 0.985


def test_fixed_collections_do_not_cover_a_claim_about_collections_in_general() -> None:
    assert coverage((40, 15, 60, 25, 30), 0.2, general=False) <= 0.4


def test_what_a_training_does_everywhere_is_not_averaged_away_by_more_collections() -> None:
    few, many = (float(resampled(drawn_pairs(5, (50,) * count, 0.0, 0.05, 5), False, 2000).std()) for count in (2, 40))
    assert many > 0.6 * few
    assert coverage((30,) * 6, 0.0, general=False, between_seeds=0.05, seeds=5) >= 0.86


def test_the_detectable_effect_is_the_fields_for_one_collection_and_shrinks_with_more() -> None:
    def values(seed: int) -> dict[str, float]:
        return by_query(list(np.random.default_rng(seed).normal(0, 0.12, 300)))

    one = compare({"c": values(0)}, {"c": dict.fromkeys(values(0), 0.0)}).fixed.detectable
    zeros = dict.fromkeys(values(0), 0.0)
    four = compare({f"c{i}": values(i) for i in range(4)}, {f"c{i}": zeros for i in range(4)}).fixed.detectable
    assert one == pytest.approx(0.02, abs=0.002)
    assert four == pytest.approx(one / 2, rel=0.1)


def test_the_general_interval_holds_the_fixed_one_and_leaves_zero_out_only_with_it() -> None:
    rng = np.random.default_rng(6)
    a = {f"c{i}": by_query(list(rng.normal(m, 0.1, 100))) for i, m in enumerate((0.3, 0.02, 0.05, 0.2))}
    got = compare(a, {c: dict.fromkeys(v, 0.0) for c, v in a.items()})
    assert got.general is not None
    assert got.general.low < got.fixed.low < got.macro.difference < got.fixed.high < got.general.high
    assert got.fixed.leaves_zero_out
    assert not got.general.leaves_zero_out
    assert compare(a, {c: dict.fromkeys(v, 0.0) for c, v in a.items()}) == got


def test_systems_that_cannot_be_compared_are_refused_by_name() -> None:
    one = by_query([0.1, 0.2])
    with pytest.raises(InputError, match=r"different collections \(y\)"):
        compare({"x": one}, {"x": one, "y": one})
    with pytest.raises(InputError, match="different collections"):
        compare({}, {})
    with pytest.raises(InputError, match="y: systems were measured on different queries"):
        compare({"x": one, "y": one}, {"x": one, "y": {"q0": 1.0}})
    with pytest.raises(InputError, match="system a has unequal numbers of seeds"):
        compare({"x": [one, one], "y": one}, {"x": one, "y": one})
    with pytest.raises(InputError, match=r"different collections \(x, y\)"):
        over_collections({"x": 1.0}, {"y": 1.0})
