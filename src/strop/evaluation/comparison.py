"""A against B on the same queries, as one value with one rule for when its sign is resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from strop.evaluation import significance
from strop.evaluation.significance import Floats, Values, leaves_zero_out, significant

Verdict = Literal["better", "worse", "not resolved"]
BETTER: Verdict = "better"
WORSE: Verdict = "worse"
UNRESOLVED: Verdict = "not resolved"

_NO_SPREAD = 1e-12


def verdict(difference: float, low: float, high: float, p: float) -> Verdict:
    """The rule: a difference is resolved when its 95 % interval leaves zero out and its corrected p is below 0.05."""
    if not (leaves_zero_out(low, high) and significant(p)):
        return UNRESOLVED
    return BETTER if difference > 0 else WORSE


@dataclass(frozen=True, slots=True)
class Comparison:
    """System a against system b on the same n queries; every difference is a - b.

    `p` is the primary test, `randomisation_p`; `p_corrected` that by Holm over whatever it is compared together with,
    and equal to it alone; `t_p` the paired t test beside it. `low` and `high` bound the difference with 95 %
    confidence, seeds resampled too. `sd` is that of per-query differences, `effect_size` difference / sd. `won`,
    `tied` and `lost` count queries. Undefined figures (one query, no spread, b = 0) are None. Tests see each query's
    mean over seeds; only the interval knows how much seeds vary.
    """

    n: int
    seeds_a: int
    seeds_b: int
    mean_a: float
    mean_b: float
    difference: float
    relative: float | None
    low: float
    high: float
    p: float
    p_corrected: float
    t_p: float | None
    sd: float | None
    effect_size: float | None
    won: int
    tied: int
    lost: int

    @property
    def verdict(self) -> Verdict:
        return verdict(self.difference, self.low, self.high, self.p_corrected)

    @property
    def resolved(self) -> bool:
        return self.verdict != UNRESOLVED

    @property
    def relative_interval(self) -> tuple[float, float] | None:
        """The difference's interval over b's mean, which counts as fixed here."""
        return (self.low / self.mean_b, self.high / self.mean_b) if self.mean_b else None

    @property
    def minimum_detectable_difference(self) -> float | None:
        """The smallest true difference that so many queries resolve with power 0.8; None without a spread."""
        return significance.minimum_detectable_difference(self.sd, self.n) if self.sd else None

    def queries_needed(self, difference: float | None, alpha: float = significance.ALPHA) -> int | None:
        """How many queries would resolve a difference of this size; None for none, for zero or what rounding leaves of
        it, and without a spread."""
        if difference is None or abs(difference) <= _NO_SPREAD or not self.sd:
            return None
        return significance.queries_needed(difference, self.sd, alpha)


def compare(a: Values, b: Values) -> Comparison:
    """The paired comparison of two systems, each one mapping or one per seed.

    The same input gives the same output: resampling is seeded. Raises ValueError unless all have the same queries.
    """
    of_a, of_b = significance.paired(a, b)
    differences = of_a.mean(axis=0) - of_b.mean(axis=0)
    n = differences.size
    difference, mean_b = float(differences.mean()), _mean(of_b)
    sd = float(differences.std(ddof=1)) if n > 1 else None
    spread = sd if sd and sd > _NO_SPREAD else None
    low, high = significance.interval(of_a, of_b)
    p = significance.randomisation_p(differences)
    won, lost = int((differences > _NO_SPREAD).sum()), int((differences < -_NO_SPREAD).sum())
    return Comparison(
        n=n,
        seeds_a=len(of_a),
        seeds_b=len(of_b),
        mean_a=_mean(of_a),
        mean_b=mean_b,
        difference=difference,
        relative=difference / mean_b if mean_b else None,
        low=low,
        high=high,
        p=p,
        p_corrected=p,
        t_p=significance.paired_t_p(differences) if spread else None,
        sd=sd,
        effect_size=difference / spread if spread else None,
        won=won,
        tied=n - won - lost,
        lost=lost,
    )


def compare_together(pairs: Sequence[tuple[Values, Values]]) -> list[Comparison]:
    """Several pairs (a, b), compared and corrected together."""
    return corrected([compare(a, b) for a, b in pairs])


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons, each `p_corrected` by Holm over all of them."""
    adjusted = significance.holm([comparison.p for comparison in comparisons])
    return [replace(comparison, p_corrected=p) for comparison, p in zip(comparisons, adjusted, strict=True)]


def _mean(values: Floats) -> float:
    """Over seeds and queries, queries summed one by one as trec_eval does: the same last digit as `measures.mean`."""
    return float(np.cumsum(values.mean(axis=0))[-1] / values.shape[1])
