"""Two systems over many collections: macro averages, wins, relative differences, intervals that say what is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # type: ignore[import-untyped]

from strop.evaluation import comparison, significance
from strop.evaluation.comparison import Comparison
from strop.evaluation.significance import ALPHA, RESAMPLES, Floats, Values
from strop.records.errors import InputError

#: With fewer, there is no signed-rank test: with five it cannot pass 0.05 whatever the differences.
LEAST_FOR_WILCOXON = 9
_TIE = 1e-9  # differences of printed decimals that are equal but for rounding


@dataclass(frozen=True, slots=True)
class Relative:
    """A relative difference a - b under both definitions, shares of one; None where its denominator is zero.

    `to_old` divides by b, the usual meaning of "a gains so much over b"; `to_new` divides by a, which makes losses look
    larger and gains smaller.
    """

    to_old: float | None
    to_new: float | None


@dataclass(frozen=True, slots=True)
class Macro:
    """n collections of equal weight; every difference is a - b of a collection's means.

    Relative differences are those of the means (`ratio_of_means`) or means of the collections' own (`mean_of_ratios`).
    `t`, `t_p`: paired t over collections with n - 1 degrees of freedom, None without a spread. `wilcoxon_p`: two-sided
    signed-rank, None where `no_wilcoxon` says why. `won`, `tied` and `lost` count collections.
    """

    n: int
    mean_a: float
    mean_b: float
    difference: float
    ratio_of_means: Relative
    mean_of_ratios: Relative
    won: int
    tied: int
    lost: int
    t: float | None
    t_p: float | None
    wilcoxon_p: float | None
    no_wilcoxon: str = ""


@dataclass(frozen=True, slots=True)
class Interval:
    """95 % interval of a macro difference, and its standard error: the spread of the resampled differences."""

    low: float
    high: float
    error: float

    @property
    def leaves_zero_out(self) -> bool:
        return significance.leaves_zero_out(self.low, self.high)

    @property
    def detectable(self) -> float:
        """The smallest true macro difference that is resolved with power 0.8 (normal approximation)."""
        return significance.minimum_detectable_difference(self.error, 1)


@dataclass(frozen=True, slots=True)
class Transfer:
    """System a against b over collections: each one's own comparison, the macro average, and its interval twice.

    `fixed` is about these very collections: seeds and queries are drawn. `general` is about collections like these:
    collections are drawn too, and it is None where there is one only. With four or five the second is wide.
    """

    each: Mapping[str, Comparison]
    macro: Macro
    fixed: Interval
    general: Interval | None


def compare(a: Mapping[str, Values], b: Mapping[str, Values]) -> Transfer:
    """Two systems by collection, each with one mapping query -> value, or one per seed.

    Place i of every collection is the same training i: seeds are drawn once for all collections, because what a seed
    does to a model it does on all of them. The same input gives the same output. Raises InputError unless both systems
    have the same collections, the same queries in each, and as many seeds in one as in the others.
    """
    pairs = {name: _pair(name, a[name], b[name]) for name in _collections(a, b)}
    for side, system in enumerate("ab"):
        seeds = {name: len(pair[side]) for name, pair in pairs.items()}
        if len(set(seeds.values())) > 1:
            raise InputError(
                f"system {system} has unequal numbers of seeds: {seeds}",
                remedy="Give every collection the values of the same trainings",
            )
    each = {name: comparison.compare(a[name], b[name]) for name in pairs}
    values = list(pairs.values())
    return Transfer(
        each=each,
        macro=over_collections({n: c.mean_a for n, c in each.items()}, {n: c.mean_b for n, c in each.items()}),
        fixed=_interval(resampled(values, general=False)),
        general=_interval(resampled(values, general=True)) if len(values) > 1 else None,
    )


def over_collections(a: Mapping[str, float], b: Mapping[str, float]) -> Macro:
    """Two systems' means by collection, such as one row of a printed table each.

    Raises InputError unless both have the same collections, at least one.
    """
    names = _collections(a, b)
    of_a, of_b = (np.array([values[name] for name in names], dtype=np.float64) for values in (a, b))
    differences = of_a - of_b
    mean_a, mean_b = float(of_a.mean()), float(of_b.mean())
    won, lost = int((differences > _TIE).sum()), int((differences < -_TIE).sum())
    t, t_p = _paired_t(differences)
    wilcoxon_p, reason = _wilcoxon(differences)
    return Macro(
        n=len(names),
        mean_a=mean_a,
        mean_b=mean_b,
        difference=float(differences.mean()),
        ratio_of_means=relative(mean_a, mean_b),
        mean_of_ratios=Relative(_mean_ratio(differences, of_b), _mean_ratio(differences, of_a)),
        won=won,
        tied=len(names) - won - lost,
        lost=lost,
        t=t,
        t_p=t_p,
        wilcoxon_p=wilcoxon_p,
        no_wilcoxon=reason,
    )


def relative(new: float, old: float) -> Relative:
    """(new - old) over old, and over new."""
    return Relative((new - old) / old if old else None, (new - old) / new if new else None)


def resampled(pairs: Sequence[tuple[Floats, Floats]], general: bool, resamples: int = RESAMPLES) -> Floats:
    """`resamples` macro differences of systems a and b, given as (seeds, queries) of each collection.

    Drawn with replacement: seeds of each system (once for all collections, widened as `significance` does), queries of
    each collection (one draw serves both systems), and, where the claim is about collections in `general`, collections;
    one that is drawn twice draws its queries twice. Collections' differences are first moved about their mean to have
    the variance of collections alone (without that of queries, which are drawn anyway) and t's quantiles for so few.
    Sources: Davison and Hinkley 1997, section 3.8, for why nested draws count the inner level twice; Hesterberg 2015
    (The American Statistician 69:4) for intervals widened to t's.
    """
    rng = np.random.default_rng(0)
    count = len(pairs)
    collections = rng.integers(0, count, (resamples, count)) if general else np.tile(np.arange(count), (resamples, 1))
    shares = [significance.seed_shares(len(values), resamples, rng) for values in pairs[0]]
    moved = _collections_apart(pairs) if general else [0.0] * count
    total = np.zeros(resamples)
    for c, pair in enumerate(pairs):
        sides = [significance.widened(values) for values in pair]
        n = pair[0].shape[1]
        of = np.nonzero(collections == c)[0]  # the resample of each draw of this collection
        start = 0
        for size in significance.blocks(len(of), n * max(map(len, sides))):
            rows = of[start : start + size]
            queries = rng.integers(0, n, (size, n))
            mean_a, mean_b = (
                (share[rows].T * values[:, queries].mean(axis=2)).sum(axis=0)
                for share, values in zip(shares, sides, strict=True)
            )
            total += np.bincount(rows, mean_a - mean_b + moved[c], resamples)
            start += size
    return total / count


def _collections(a: Mapping[str, object], b: Mapping[str, object]) -> list[str]:
    if a and a.keys() == b.keys():
        return sorted(a)
    odd = ", ".join(sorted(a.keys() ^ b.keys())) or "none"
    raise InputError(
        f"the systems were measured on different collections ({odd})",
        remedy="Give both systems' values on the same collections",
    )


def _pair(name: str, a: Values, b: Values) -> tuple[Floats, Floats]:
    try:
        return significance.paired(a, b)
    except ValueError as error:
        raise InputError(f"{name}: {error}", remedy="Give both systems' values on the same queries") from error


def _interval(differences: Floats) -> Interval:
    return Interval(*significance.percentile_interval(differences), float(differences.std()))


def _collections_apart(pairs: Sequence[tuple[Floats, Floats]]) -> list[float]:
    """By how much each collection's difference is moved away from their mean, or towards it."""
    per_query = [a.mean(axis=0) - b.mean(axis=0) for a, b in pairs]
    means = np.array([values.mean() for values in per_query])
    between = float(means.var(ddof=1))
    within = float(np.mean([values.var(ddof=1) / values.size if values.size > 1 else 0.0 for values in per_query]))
    count = len(pairs)
    alone = max(0.0, 1 - within / between) if between > 0 else 0.0
    tail = scipy.stats.t.ppf(1 - ALPHA / 2, count - 1) / scipy.stats.norm.ppf(1 - ALPHA / 2)
    factor = math.sqrt(alone * count / (count - 1)) * tail
    return [float((factor - 1) * gap) for gap in means - means.mean()]


def _mean_ratio(differences: Floats, by: Floats) -> float | None:
    return float((differences / by).mean()) if np.all(by) else None


def _paired_t(differences: Floats) -> tuple[float | None, float | None]:
    if differences.size < 2 or differences.std(ddof=1) < _TIE:
        return None, None
    test = scipy.stats.ttest_1samp(differences, 0.0)
    return float(test.statistic), float(test.pvalue)


def _wilcoxon(differences: Floats) -> tuple[float | None, str]:
    """The exact two-sided p over all assignments of signs, with average ranks for ties; zeros are left out.

    Counted rank by rank, because scipy enumerates the 2^n assignments where there are ties. Source: Wilcoxon 1945.
    """
    if differences.size < LEAST_FOR_WILCOXON:
        return None, f"{differences.size} collections, and the test needs {LEAST_FOR_WILCOXON}"
    signed = differences[np.abs(differences) > _TIE]
    if not signed.size:
        return None, "no collection differs"
    doubled = np.rint(2 * scipy.stats.rankdata(np.abs(signed).round(9))).astype(np.int64)
    shares = np.ones(1)  # of all assignments, by twice the sum of the positive ranks
    for rank in doubled:
        shares = (np.pad(shares, (0, rank)) + np.pad(shares, (rank, 0))) / 2
    positive = int(doubled[signed > 0].sum())
    return min(1.0, 2 * float(min(shares[: positive + 1].sum(), shares[positive:].sum()))), ""


def weighted(values: Mapping[str, list[dict[str, float]]]) -> list[dict[str, float]]:
    """Every collection's queries together, one mapping per seed, weighted so that their mean is the macro average."""
    queries = sum(len(of[0]) for of in values.values())
    return [
        {
            f"{name}/{q}": value * (queries / (len(values) * len(of[seed])))  # times 1 for a single collection
            for name, of in values.items()
            for q, value in of[seed].items()
        }
        for seed in range(len(next(iter(values.values()))))
    ]
