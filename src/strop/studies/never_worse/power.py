"""What the gate can certify: the smallest gain, and which losses of a guard it refuses, by queries and spread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from strop.evaluation.certification import smallest, worst_of
from strop.evaluation.significance import POWER
from strop.studies.never_worse.populations import Null, Pairs
from strop.studies.never_worse.rules import OURS, RULES, draw

SPREADS = (0.03, 0.08, 0.15)
_SETS = 2000
_REFUSED = 0.95


@dataclass(frozen=True, slots=True)
class Power:
    """For n queries whose differences have this standard deviation, at the gate's alpha.

    `gain` is the smallest true gain that is certified with power 0.8, `predicted` what `smallest` says of it;
    `unchanged` is the share of test sets that let a model with no change on average pass a guard; `refused` is the
    smallest true loss that 95 % of test sets refuse: 0 where they refuse even a model without one.
    """

    n: int
    sd: float
    gain: float
    predicted: float
    unchanged: float
    refused: float


def power(pairs: Pairs, queries: Sequence[int], alpha: float, margin: float) -> list[Power]:
    """Simulated with the differences of one set of queries, moved to 0 and stretched to each spread."""
    return [_power(pairs, n, sd, alpha, margin) for sd in SPREADS for n in queries]


def _power(pairs: Pairs, n: int, sd: float, alpha: float, margin: float) -> Power:
    shape = pairs.differences - pairs.differences.mean()
    even = np.full(shape.size, 1 / shape.size)
    null = Null(pairs.name, "stretched", 0.0, pairs.base, shape * (sd / shape.std()), even)
    draws = draw(null, n, _SETS, 0)

    def share(mean: float, threshold: float) -> float:
        """Of test sets that certify a model of this true mean difference."""
        moved = replace(draws, null=replace(null, differences=null.differences + mean))
        return float(RULES[OURS](moved, threshold, alpha).mean())

    gain = _first(lambda gain: share(gain, 0.0) >= POWER, 1.0)
    refused = _first(lambda loss: share(-loss, -margin) <= 1 - _REFUSED, margin)
    return Power(n, sd, gain, smallest(n, sd, alpha, worst_of(pairs.base)), share(0.0, -margin), refused)


def _first(holds: Callable[[float], bool], high: float) -> float:
    """Where in [0, high] a condition begins to hold, by bisection."""
    low = 0.0
    if holds(low):
        return low
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
