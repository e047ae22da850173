"""The statistics of paired differences: the test, intervals over queries and seeds, Holm's correction, power."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import scipy  # type: ignore[import-untyped]

#: Query id -> value; where a system was trained several times, one such mapping per seed.
Values = Mapping[str, float] | Sequence[Mapping[str, float]]
Floats = npt.NDArray[np.float64]

ALPHA = 0.05
POWER = 0.8
RESAMPLES = 10_000
#: Standard deviation of a per-query difference of nDCG@10 between two systems: a rule of thumb before any is measured.
USUAL_SD = 0.12
_BLOCK = 2_000_000  # numbers held at once while resampling: 16 MB


def leaves_zero_out(low: float, high: float) -> bool:
    """Whether an interval settles the sign of what it bounds."""
    return low > 0 or high < 0


def significant(p: float) -> bool:
    """Whether a test rejects at `ALPHA`; p is corrected where several are asked together."""
    return p < ALPHA


def randomisation_p(differences: npt.ArrayLike, resamples: int = RESAMPLES) -> float:
    """Two-sided p of the paired randomisation test: how often random signs reach the observed mean.

    The primary test, because per-query differences are skewed and mostly ties: it assumes exchangeable labels only,
    where t assumes normal means. In (0, 1]: the observed assignment counts as one of `resamples` + 1.
    Source: Smucker, Allan and Carterette, CIKM 2007; Phipson and Smyth 2010 for the + 1.
    """
    values = np.asarray(differences, dtype=np.float64)
    observed = abs(values.sum()) - 1e-9 * np.abs(values).sum()  # a sum that differs by rounding alone is a tie
    rng = np.random.default_rng(0)
    reached = 0
    for size in blocks(resamples, values.size):
        signs = rng.integers(0, 2, (size, values.size), dtype=np.int8) * 2 - 1
        reached += int((np.abs(signs @ values) >= observed).sum())
    return (reached + 1) / (resamples + 1)


def bootstrap_interval(values: npt.ArrayLike, resamples: int = RESAMPLES) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of `values`, (queries,) or (seeds, queries).

    Queries are drawn with replacement, and so are seeds where there are several: their variation is part of the answer.
    Source: Owen, "The pigeonhole bootstrap", 2007, for the crossed case.
    """
    matrix = np.atleast_2d(np.asarray(values, dtype=np.float64))
    return interval(matrix, np.zeros((1, matrix.shape[1])), resamples)


def percentile_interval(resampled: Floats) -> tuple[float, float]:
    """The 95 % interval that resampled values span: their quantiles at 2.5 % and 97.5 %."""
    low, high = np.quantile(resampled, (ALPHA / 2, 1 - ALPHA / 2))
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given; each at most 1. Source: Holm 1979."""
    adjusted = [0.0] * len(p_values)
    reached = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = reached
    return adjusted


def minimum_detectable_difference(sd: float, n: int, alpha: float = ALPHA) -> float:
    """The smallest true mean difference that n queries resolve with power 0.8, two-sided, normal approximation.

    `sd` is that of per-query differences: with the usual .12 of nDCG@10 it is .05 for 43 queries and .02 for 300.
    Raises ValueError when n is below 1.
    """
    if n < 1:
        raise ValueError(f"{n} queries detect nothing")
    return _quantiles(alpha) * sd / math.sqrt(n)


def queries_needed(effect: float, sd: float, alpha: float = ALPHA) -> int:
    """How many queries resolve a true mean difference of `effect`: `minimum_detectable_difference` inverted.

    Raises ValueError when the effect is zero.
    """
    if effect == 0:
        raise ValueError("no number of queries resolves an effect of zero")
    return max(1, math.ceil((_quantiles(alpha) * sd / effect) ** 2 - 1e-9))


def paired_t_p(differences: Floats) -> float:
    """The two-sided p of the paired t test, bit by bit scipy's, whose `stats` takes half a second to load."""
    n, mean = differences.size, differences.mean()
    variance = np.mean((differences - mean) ** 2) * (n / (n - 1))
    return float(2 * scipy.special.stdtr(n - 1, -abs(mean / np.sqrt(variance / n))))


def _quantiles(alpha: float) -> float:
    return float(scipy.special.ndtri(1 - alpha / 2) + scipy.special.ndtri(POWER))


def paired(a: Values, b: Values) -> tuple[Floats, Floats]:
    """Both systems as (seeds, queries), columns aligned by query id. Raises ValueError unless all have the same."""
    of_a, of_b = ([v] if isinstance(v, Mapping) else list(v) for v in (a, b))
    if not of_a or not of_b or not of_a[0]:
        raise ValueError("nothing to compare: a system without seeds or without queries")
    queries = sorted(of_a[0])
    for values in (*of_a, *of_b):
        if set(values) != set(queries):
            odd = sorted(set(values) ^ set(queries))
            raise ValueError(f"systems were measured on different queries ({len(odd)}, for one {odd[0]!r})")
    first, second = (np.array([[values[q] for q in queries] for values in v], dtype=np.float64) for v in (of_a, of_b))
    return first, second


def interval(a: Floats, b: Floats, resamples: int = RESAMPLES) -> tuple[float, float]:
    """95 % percentile interval of mean(a) - mean(b): one draw of queries serves both, seeds are drawn for each."""
    rng = np.random.default_rng(0)
    a, b = widened(a), widened(b)
    n = a.shape[1]
    means = [
        (_resampled(a, queries, rng) - _resampled(b, queries, rng)).mean(axis=1)
        for size in blocks(resamples, n)
        for queries in (rng.integers(0, n, (size, n)),)
    ]
    return percentile_interval(np.concatenate(means))


def spread(a: Values, b: Values) -> float | None:
    """Standard deviation of per-query differences, each averaged over seeds; None for one query. Raises as `paired`."""
    of_a, of_b = paired(a, b)
    differences = of_a.mean(axis=0) - of_b.mean(axis=0)
    return float(differences.std(ddof=1)) if differences.size > 1 else None


def widened(values: Floats) -> Floats:
    """Seeds moved apart by sqrt(S / (S - 1)): S drawn from S vary that much less than seeds do, a third at S = 3."""
    if (seeds := len(values)) == 1:
        return values
    of_seed = values.mean(axis=1, keepdims=True)
    moved: Floats = values + (math.sqrt(seeds / (seeds - 1)) - 1) * (of_seed - of_seed.mean())
    return moved


def _resampled(values: Floats, queries: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """(resamples, queries): the drawn queries' values, each averaged over drawn seeds."""
    if len(values) == 1:
        return np.take(values, queries)
    resampled: Floats = np.take_along_axis(seed_shares(len(values), len(queries), rng) @ values, queries, axis=1)
    return resampled


def seed_shares(seeds: int, resamples: int, rng: np.random.Generator) -> Floats:
    """(resamples, seeds): how often each seed was drawn, as a share; nothing is drawn of one."""
    if seeds == 1:
        return np.ones((resamples, 1))
    shares: Floats = np.eye(seeds)[rng.integers(0, seeds, (resamples, seeds))].mean(axis=1)
    return shares


def blocks(resamples: int, n: int) -> list[int]:
    """Resamples of n numbers each, cut into blocks that fit in memory."""
    size = max(1, _BLOCK // n)
    return [min(size, resamples - start) for start in range(0, resamples, size)]
