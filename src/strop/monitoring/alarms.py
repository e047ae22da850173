"""Alarms over a training's logbook: what goes wrong most often, noticed while it goes wrong, with its remedy.

An alarm raised at an update has looked at nothing later, so that a live page and a finished run tell the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from strop.monitoring.logbook import Series

Points = Sequence[tuple[int, float]]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Alarm:
    """At which update, which alarm, and a sentence with its figures and what to do."""

    step: int
    name: str
    sentence: str


class Watch(Protocol):
    """A frozen value whose fields are its thresholds. Silent (None) where what it watches was not measured."""

    def __call__(self, series: Series, about: Mapping[str, Any]) -> Alarm | None:
        """The first update at which it is raised. `about` is the logbook's `run.json`."""
        ...


@dataclass(frozen=True, slots=True)
class Collapse:
    """Effective rank below `share` of the base's, or a mean cosine above `cosine` that the base's was not."""

    share: float = 0.5
    cosine: float = 0.9

    def __call__(self, series: Series, about: Mapping[str, Any]) -> Alarm | None:
        raised = []
        for measure, points in series.items():
            base = dict(points).get(0, float("nan"))  # without one nothing compares
            for step, value in points:
                if (measure.startswith("geometry/effective_rank/") and value < self.share * base) or (
                    measure.startswith("geometry/mean_cosine/") and base <= self.cosine < value
                ):
                    sentence = (
                        f"{measure} went from {base:.3g} to {value:.3g}: all texts begin to look alike. "
                        "Lower the learning rate, or add in-batch negatives, which push texts apart"
                    )
                    raised.append(Alarm(step, "collapse", sentence))
        return _first(raised)


@dataclass(frozen=True, slots=True)
class LossAtChance:
    """The median loss of `updates` updates is not below chance by more than `within` of it, nor is it falling.

    Not falling: the second half's mean is less than two standard errors below the first's. A warm-up does not count:
    the learning rate must not rise in these updates.
    """

    within: float = 0.02
    updates: int = 20

    def __call__(self, series: Series, about: Mapping[str, Any]) -> Alarm | None:
        chance, half = float(about.get("chance") or 0), self.updates // 2
        rates = dict(series.get("train/learning_rate", ()))
        for steps, values in _windows(series.get("train/loss", ()), self.updates if chance else 0):
            first, second = values[:half], values[half:]
            falling = first.mean() - second.mean() > 2 * np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / half)
            warming_up = any(rates.get(a, 0.0) < rates.get(b, 0.0) for a, b in pairwise(steps))
            middle = float(np.median(values))
            if middle >= (1 - self.within) * chance and not falling and not warming_up:
                sentence = (
                    f"for {self.updates} updates the loss ({middle:.3g}) was no better than chance "
                    f"({chance:.3g}): the rate is too low, the labels are shuffled, or scores are constant. "
                    "Look at train/score_spread, then at some training pairs, then raise the rate"
                )
                return Alarm(steps[-1], "loss at chance", sentence)
        return None


@dataclass(frozen=True, slots=True)
class DevFalls:
    """A dev measure falls while the loss falls too.

    The rule: the mean of the last `looks` looks lies below the best mean of as many earlier looks by more than `least`
    and by more than `sds` standard errors of such a difference; and the mean loss over the last looks is lower than it
    was over those best ones. The noise of a look is estimated from second differences, in which a straight trend
    leaves no trace. So it takes 2 x `looks` looks. Of 100 courses of 20 looks that only wavered 6 raised it
    (of 8 looks 2); of 100 that fell by half a look's noise at each of 20 looks all did (normal noise, sd 0.02; ours).
    """

    looks: int = 3
    sds: float = 5.0
    least: float = 0.01

    def __call__(self, series: Series, about: Mapping[str, Any]) -> Alarm | None:
        watched = [measure for measure in series if measure.startswith(("dev/", "train/cosine_accuracy/"))]
        return _first(self._of(measure, series[measure], series.get("train/loss", ())) for measure in watched)

    def _of(self, measure: str, points: Points, loss: Points) -> Alarm | None:
        steps, values = [s for s, _ in points], np.array([v for _, v in points], dtype=np.float64)
        k = self.looks
        for end in range(2 * k, len(points) + 1):
            means = [float(values[i : i + k].mean()) for i in range(end - k + 1)]
            best = int(np.argmax(means[: end - 2 * k + 1]))
            margin = max(self.least, self.sds * _noise(values[:end]) * (2 / k) ** 0.5)
            before, after = (_mean_between(loss, steps[i], steps[i + k - 1]) for i in (best, end - k))
            if means[best] - means[-1] > margin and after < before:
                sentence = (
                    f"the loss fell from {before:.3g} to {after:.3g} while {measure} fell from {means[best]:.3f} "
                    f"(around update {steps[best + k // 2]}) to {means[-1]:.3f}: what is learnt does not help the "
                    "search. Keep an earlier checkpoint, and check the pairs for wrong positives or false negatives"
                )
                return Alarm(steps[end - 1], "dev falls", sentence)
        return None


@dataclass(frozen=True, slots=True)
class DeadTriplets:
    """The mean share of active triplets is below `level` over `updates` updates."""

    level: float = 0.01
    updates: int = 20

    def __call__(self, series: Series, about: Mapping[str, Any]) -> Alarm | None:
        for steps, values in _windows(series.get("train/active_share", ()), self.updates):
            if values.mean() < self.level:
                sentence = (
                    f"over {self.updates} updates {values.mean():.1%} of triplets gave a gradient: the margin is met "
                    "nearly everywhere. Widen the margin, mine harder negatives, or stop here"
                )
                return Alarm(steps[-1], "dead triplets", sentence)
        return None


@dataclass(frozen=True, slots=True)
class ConstantScores:
    """For `updates` updates the spread of a query's scores is below `level`, or below `share` of the first's."""

    level: float = 1e-6
    share: float = 0.01
    updates: int = 5

    def __call__(self, series: Series, about: Mapping[str, Any]) -> Alarm | None:
        points = series.get("train/score_spread", ())
        for steps, values in _windows(points, self.updates):
            if values.max() < max(self.level, self.share * points[0][1]):
                sentence = (
                    f"for {self.updates} updates a query's scores spread by {values.max():.1g} at most "
                    f"({points[0][1]:.1g} at first): all documents score alike. Lower the learning rate, and check "
                    "that texts are not empty or cut to nothing"
                )
                return Alarm(steps[-1], "constant scores", sentence)
        return None


@dataclass(frozen=True, slots=True)
class SaturatedTemperature:
    """The positive's mean softmax probability is above `level` over `updates` updates."""

    level: float = 0.99
    updates: int = 20

    def __call__(self, series: Series, about: Mapping[str, Any]) -> Alarm | None:
        for steps, values in _windows(series.get("train/positive_probability", ()), self.updates):
            if values.mean() > self.level:
                sentence = (
                    f"over {self.updates} updates the positive's mean probability was {values.mean():.4f}: hardly a "
                    "gradient is left. Raise the temperature, use larger batches or harder negatives, or stop here"
                )
                return Alarm(steps[-1], "saturated temperature", sentence)
        return None


@dataclass(frozen=True, slots=True)
class Drift:
    """Drift from the base beyond that of the last look at which dev was not below the base's.

    Drift is 1 - overlap of nearest neighbours, or the shift of vectors. Raised at the `looks`-th look in a row with
    drift above `growth` times that, and dev below the base's by more than `least` and twice the noise of a look.
    """

    growth: float = 1.1
    least: float = 0.01
    looks: int = 2

    def __call__(self, series: Series, about: Mapping[str, Any]) -> Alarm | None:
        drifts = {f"1 - {m}": {s: 1 - v for s, v in p} for m, p in series.items() if m.startswith("geometry/overlap@")}
        drifts |= {m: dict(p) for m, p in series.items() if m.startswith("geometry/shift/")}
        devs = [measure for measure in series if measure.startswith("dev/")]
        return _first(self._of(name, drifts[name], dev, series[dev]) for name in drifts for dev in devs)

    def _of(self, name: str, drift: Mapping[int, float], dev: str, points: Points) -> Alarm | None:
        known = [(step, value) for step, value in points if step in drift]
        if not known or known[0][0] != 0:
            return None
        values = np.array([v for _, v in known], dtype=np.float64)
        safe, beyond = 0, 0
        for i, (step, value) in enumerate(known):
            below = values[0] - value
            if below <= 0:
                safe, beyond = step, 0
            elif below > max(self.least, 2 * _noise(values[: i + 1])):
                beyond = beyond + 1 if drift[step] > self.growth * drift[safe] else 0
            if beyond == self.looks:
                sentence = (
                    f"{name} grew to {drift[step]:.3f}; it was {drift[safe]:.3f} at update {safe}, the last look with "
                    f"{dev} not below the base's ({values[0]:.3f}, now {value:.3f}). Go back to update {safe}, lower "
                    "the rate, or train fewer weights"
                )
                return Alarm(step, "drift", sentence)
        return None


@dataclass(frozen=True, slots=True)
class ExplodingNorm:
    """The gradient norm (before clipping) is not finite, or for `updates` updates above `factor` times its median.

    The median is that of the `history` updates before these, and needs ten of them.
    """

    factor: float = 10.0
    updates: int = 3
    history: int = 50

    def __call__(self, series: Series, about: Mapping[str, Any]) -> Alarm | None:
        points = series.get("train/gradient_norm", ())
        values = np.array([v for _, v in points], dtype=np.float64)
        for i, (step, value) in enumerate(points):
            start = max(0, i + 1 - self.updates)
            past = values[max(0, start - self.history) : start]
            usual = float(np.median(past)) if len(past) >= 10 else 0.0
            if not np.isfinite(value) or (usual > 0 and values[start : i + 1].min() > self.factor * usual):
                beside = f", {usual:.3g} being usual" if usual else ""
                remedy = "Lower the learning rate, warm up longer, or clip at a smaller norm"
                sentence = f"the gradient norm is {value:.3g}{beside}. {remedy}"
                return Alarm(step, "exploding norm", sentence)
        return None


ALL: tuple[Watch, ...] = (
    *(Collapse(), LossAtChance(), DevFalls(), DeadTriplets()),
    *(ConstantScores(), SaturatedTemperature(), Drift(), ExplodingNorm()),
)


def alarms(series: Series, about: Mapping[str, Any], chosen: Sequence[Watch] = ALL) -> tuple[Alarm, ...]:
    """What the chosen alarms found, each at most once, in the order of updates."""
    return tuple(sorted((a for watch in chosen if (a := watch(series, about))), key=lambda a: (a.step, a.name)))


def _windows(points: Points, size: int) -> Iterator[tuple[list[int], Floats]]:
    """Every run of `size` points, their updates and values; none of size 0."""
    for end in range(size, len(points) + 1) if size else ():
        window = points[end - size : end]
        yield [s for s, _ in window], np.array([v for _, v in window], dtype=np.float64)


def _noise(values: Floats) -> float:
    """Standard deviation of a look about a smooth course; 0 with fewer than four looks, which cannot tell."""
    return float(np.sqrt(np.square(np.diff(values, 2)).mean() / 6)) if len(values) >= 4 else 0.0


def _mean_between(points: Points, first: int, last: int) -> float:
    """The mean of values from update `first` to `last`; NaN without any, which compares as not lower."""
    values = [v for s, v in points if first <= s <= last]
    return float(np.mean(values)) if values else float("nan")


def _first(raised: Iterable[Alarm | None]) -> Alarm | None:
    return min((a for a in raised if a), key=lambda a: a.step, default=None)
