"""Selection on dev queries: what a look is worth, whether guards permit it, and how likely a certificate is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from strop.evaluation.certification import smallest, worst_of
from strop.tuning.looks import Seen

#: One-sided 80 %: the certainty with which a candidate's gain is above 0 and each loss within the margin. A small pool
#: has a large standard error, so it asks for more.
CONFIDENCE_Z = 0.8416
#: Documents that lose more than half of their ten nearest neighbours: the space is another, whatever the guards say.
LEAST_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Worth:
    """Mean differences from the base: `gain` on dev queries, and on each guard. `score`, what candidates are ranked by,
    is the lower 80 % bound of the gain, less what a guard falls beyond the margin. `reason` says what forbids it.
    `likely` is the chance, in [0, 1], that the test split and every guard certify it: the lowest of theirs."""

    gain: float
    guards: Mapping[str, float]
    score: float
    reason: str
    likely: float

    @property
    def allowed(self) -> bool:
        return not self.reason


@dataclass(frozen=True, slots=True)
class Exam:
    """What a choice has to pass: `queries` by the pool that speaks for them, each at `alpha`; and the `gain` that
    must be certified."""

    queries: Mapping[str, int]
    alpha: float
    gain: float = 0.0


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares looks with the base's. `guarded` are the pools of guards and, of the dev pool, the queries with `new`
    answers, which guard against learning the known ones by heart."""

    base: Seen
    dev: str
    margin: float
    new: frozenset[str] = frozenset()
    exam: Exam | None = None

    def __call__(self, seen: Seen) -> Worth:
        own = self._differences(seen, self.dev)
        guards = {name: self._differences(seen, name) for name in seen.values if name != self.dev}
        new = np.array([d for q, d in zip(seen.values[self.dev], own, strict=True) if q in self.new])
        if 0 < len(new) < len(own):
            guards["new answers"] = new
        low = float(own.mean()) - _error(own)
        short = {name: -self.margin - (float(of.mean()) - _error(of)) for name, of in guards.items()}
        worst = max(short, key=short.__getitem__, default="")
        beyond = max(0.0, short.get(worst, 0.0))
        reason = f"{worst} may fall by more than {self.margin:g}" if beyond else ""
        if seen.overlap is not None and seen.overlap < LEAST_OVERLAP:
            reason = f"documents keep only {seen.overlap:.0%} of their neighbours"
        if low <= 0:
            reason = reason or f"a gain above 0 is not sure: {own.mean():+.3f} on {len(own)} dev queries"
        means = {name: float(of.mean()) for name, of in guards.items()}
        return Worth(float(own.mean()), means, low - beyond, reason, self._likely({self.dev: own, **guards}))

    def _likely(self, differences: Mapping[str, np.ndarray]) -> float:
        if self.exam is None:
            return 0.0
        chances = [
            chance(
                differences[name], n, self.exam.gain if name == self.dev else -self.margin, self.exam.alpha,
                worst_of([*self.base.values[name].values()]),
            )
            for name, n in self.exam.queries.items()
        ]  # fmt: skip
        return min(chances, default=0.0)

    def _differences(self, seen: Seen, pool: str) -> np.ndarray:
        theirs = self.base.values[pool]
        return np.array([value - theirs[query] for query, value in seen.values[pool].items()])


def _error(differences: np.ndarray) -> float:
    """What the mean may be off by, at one-sided 80 %; all of it for a single query."""
    if len(differences) < 2:
        return 1.0
    return CONFIDENCE_Z * float(differences.std(ddof=1)) / math.sqrt(len(differences))


def chance(differences: np.ndarray, queries: int, threshold: float, alpha: float, worst: float) -> float:
    """How likely it is that so many new queries certify a mean difference above `threshold`, judged by those seen here.

    Both means vary, the one seen here and the one to come; the bound lies below the latter by what `smallest` says for
    a power of a half. In [0, 1].
    """
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 1.0
    slack = float(differences.mean()) - threshold - smallest(queries, spread, alpha, worst, power=0.5)
    error = spread * math.sqrt(1 / len(differences) + 1 / queries)
    return NormalDist().cdf(slack / error) if error else float(slack >= 0)
