"""Certifying a tuned model: a one-sided bound for the mean difference that holds for few, tied and skewed queries."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import scipy  # type: ignore[import-untyped]

from strop.evaluation.comparison import compare
from strop.evaluation.significance import ALPHA, POWER, Floats
from strop.records.tuned import Evidence, Population

Complexes = npt.NDArray[np.complex128]

#: Where the path of integration is evaluated, in the parameter that `_path` describes.
_STEP = 0.2
_PLACES = np.arange(0, 13, _STEP)
_WEIGHTS = np.where(_PLACES == 0, 0.5, 1.0) * _STEP / np.pi
#: The steepest that the path leans away from the vertical, as a tangent.
_LEAN = 0.7
_BISECTIONS = 45
_TINY = 1e-9


def worst_of(base_values: npt.ArrayLike) -> float:
    """The difference of the query that was never seen: minus the mean of the base's values that are not 0.

    So it is a query that the base answers as well as its answered queries on average, and for which the tuned model
    finds nothing; -1 where the base answers none. This assumes that losses which no test query shows are, on average,
    no greater than that. -1 would assume nothing, but 160 queries then never certify a margin of 0.02 at alpha 0.025,
    even if every one is tied. Minus the mean of all values is less, and too little: where a few queries lose
    everything, more than 5 % of harmful models pass (`strop study run never_worse --part gate`). Source: ours.
    """
    values = np.asarray(base_values, dtype=np.float64)
    answered = values[values > 0]
    return -float(answered.mean()) if answered.size else -1.0


def lower_bound(differences: npt.ArrayLike, alpha: float, worst: float) -> float:
    """The lower confidence bound of the mean at level 1 - alpha, one-sided: the threshold where `p_at_most` is alpha.

    Raises ValueError without differences, or unless 0 < alpha < 0.5.
    """
    _check(alpha)
    values = np.asarray(differences, dtype=np.float64)
    if not values.size:
        raise ValueError("no differences to bound")
    low, high = float(values.min(initial=worst)), float(values.max(initial=worst))
    return low if low == high else _root(lambda threshold: p_at_most(values, threshold, worst) - alpha, low, high)


def certified(differences: npt.ArrayLike, base_values: npt.ArrayLike, threshold: float, alpha: float) -> bool:
    """Whether the mean difference is above `threshold` at level alpha: 0 for a gain, minus the margin for a guard."""
    return p_at_most(differences, threshold, worst_of(base_values)) <= alpha


def smallest(n: int, sd: float, alpha: float, worst: float, power: float = POWER) -> float:
    """The smallest true gain that n queries certify with this power; above 1 where there is none.

    Also the smallest margin, if slightly too large, within which a model that changes nothing on average is certified.
    `sd` is that of per-query differences, taken as normal; for skewed ones it is an approximation. Raises ValueError
    when n is below 1, or unless 0 < alpha < 0.5.
    """
    _check(alpha)
    if n < 1:
        raise ValueError(f"{n} queries certify nothing")
    scores = scipy.special.ndtri((np.arange(n) + 0.5) / n)
    spread = sd * scores / max(float(scores.std()), _TINY)
    high = 1.0
    while p_at_most(spread + high, 0.0, worst) > alpha:
        high *= 2
    gain = _root(lambda gain: alpha - p_at_most(spread + gain, 0.0, worst), 0.0, high)
    return gain + float(scipy.special.ndtri(power)) * sd / math.sqrt(n)


def alpha_of_look(look: int, alpha: float = ALPHA) -> float:
    """The level of the so-manieth look at one test split, from 1: halved each time, so that all together stay below
    alpha. Raises ValueError when look is below 1."""
    if look < 1:
        raise ValueError(f"looks are counted from 1, not {look}")
    return float(alpha / 2**look)


def evidence(
    base_values: Mapping[str, float],
    tuned_values: Mapping[str, float],
    threshold: float,
    alpha: float,
    collection: str,
    split: str,
    population: Population = "all",
) -> Evidence:
    """The tuned model against the base, both by query id: the certified bound beside the two-sided interval.

    Raises ValueError unless both have the same queries.
    """
    about = compare(tuned_values, base_values)
    base = np.array([base_values[query] for query in sorted(base_values)])
    differences = np.array([tuned_values[query] for query in sorted(base_values)]) - base
    worst = worst_of(base)
    return Evidence(
        collection=collection,
        split=split,
        population=population,
        queries=about.n,
        base=about.mean_b,
        tuned=about.mean_a,
        difference=about.difference,
        low=about.low,
        high=about.high,
        bound=lower_bound(differences, alpha, worst),
        threshold=threshold,
        passed=certified(differences, base, threshold, alpha),
        smallest=smallest(about.n, about.sd or 0.0, alpha, worst),
        won=about.won,
        tied=about.tied,
        lost=about.lost,
    )


def p_at_most(differences: npt.ArrayLike, threshold: float, worst: float) -> float:
    """p of the hypothesis that the mean of `differences` is at most `threshold` in the population of queries.

    Queries get random weights, Exp(1) each, and so does one more query that was never seen and has the difference
    `worst`: p is the probability that the weighted mean is at most `threshold`. Where no query of the population is
    below `worst`, it holds its level for every n and every shape, however tied and skewed: a conjecture, proven for
    special cases, of which no counterexample is known. Computed to about eight digits, without random numbers. Source:
    Gaffke, "Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative variable",
    2005; Learned-Miller and Thomas, arXiv 1905.06208. Raises ValueError without differences.
    """
    values, counts = np.unique(np.asarray(differences, dtype=np.float64), return_counts=True)
    if not values.size:
        raise ValueError("no differences to test")
    return float(p_of_samples(values, counts[None].astype(np.float64), threshold, np.array([worst]))[0])


def p_of_samples(values: Floats, counts: Floats, threshold: float, worst: Floats) -> Floats:
    """`p_at_most` of many samples (m,) at once, in which each of `values` (k,) occurs `counts` (m, k) times.

    A sum of weighted exponentials has the moment generating function M(s), the product of 1 / (1 - s a); its tail is
    the integral of -M(s) / s along any path that crosses the real axis between 0 and the poles left of it.
    """
    apart, unseen = values - threshold, worst - threshold
    moved = apart != 0
    apart, counts = apart[moved], counts[:, moved]
    falls = float(counts.mean(axis=0) @ apart + unseen.mean()) < 0
    p = 1 - _tail(-apart, counts, -unseen) if falls else _tail(apart, counts, unseen)
    lower, higher = counts @ (apart < 0) > 0, counts @ (apart > 0) > 0
    p = np.where(~lower & (unseen >= 0), 0.0, np.clip(p, 0.0, 1.0))
    return np.where(~higher & (unseen <= 0), 1.0, p)


def _tail(apart: Floats, counts: Floats, unseen: Floats) -> Floats:
    """P(sum of weighted exponentials <= 0) per sample: the integral of -M(s) / (2 pi i s) along `_path`."""
    s, derivative = _path(apart, counts.mean(axis=0), unseen)
    logs = -np.log(1 - np.multiply.outer(apart, s))
    total = counts @ logs.real + 1j * (counts @ logs.imag) - np.log(1 - np.multiply.outer(unseen, s))
    tail: Floats = -(np.exp(total) / s * derivative).imag @ _WEIGHTS
    return tail


def _path(apart: Floats, counts: Floats, unseen: Floats) -> tuple[Complexes, Complexes]:
    """The path s(v) = c + width (i sinh v - lean (cosh v - 1)) and its derivative, at `_PLACES` of v.

    It starts at the saddlepoint c, where nothing cancels, so that tiny p are right too, and leans as the path of
    steepest descent does, so that nothing oscillates. sinh lets the trapezoidal rule converge exponentially, however
    few differences are not tied and however slowly M therefore falls.
    """
    terms, weights = np.append(apart, unseen), np.append(counts, np.full(unseen.size, 1 / unseen.size))
    pole = left = 1 / terms.min(initial=-_TINY)
    right = 0.0
    for _ in range(_BISECTIONS):
        c = (left + right) / 2
        if weights @ (terms / (1 - c * terms)) > 1 / c:
            right = c
        else:
            left = c
    slopes = terms / (1 - c * terms)
    second, third = weights @ slopes**2 + 1 / c**2, 2 * (weights @ slopes**3) - 2 / c**3
    width = min(-c, c - pole, 1 / float(np.sqrt(second)))
    lean = np.clip(-width * third / (3 * second), -_LEAN, _LEAN)
    path = c + width * (1j * np.sinh(_PLACES) - lean * (np.cosh(_PLACES) - 1))
    return path, width * (1j * np.cosh(_PLACES) - lean * np.sinh(_PLACES))


def _check(alpha: float) -> None:
    if not 0 < alpha < 0.5:
        raise ValueError(f"a level is between 0 and 0.5, not {alpha}")


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    return float(scipy.optimize.brentq(rising, low, high, xtol=1e-10))
