"""Alarms over a training's logbook: what goes wrong most often, noticed while it goes wrong, with its remedy.

An alarm raised at an update has looked at nothing later, so that a live page and a finished run tell the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from strop.monitoring.logbook import Series

Floats = npt.NDArray[np.float64]
#: Every update at which something is wrong, in any order, each with a sentence: its figures and what to do.
Raised = Iterator[tuple[int, str]]
About = Mapping[str, Any]


class Alarm(NamedTuple):
    """At which update, which alarm, and a sentence with its figures and what to do."""

    step: int
    name: str
    sentence: str


def alarms(series: Series, about: About) -> tuple[Alarm, ...]:
    """The first of every alarm that is raised, in the order of updates. `about` is the logbook's `run.json`.

    What was not measured raises nothing.
    """
    return tuple(
        sorted(
            Alarm(step, name, sentence)
            for name, raised in ALARMS.items()
            for step, sentence in sorted(raised(series, about), key=itemgetter(0))[:1]
        )
    )


def _collapse(series: Series, about: About) -> Raised:
    """Effective rank below half the base's, or a mean cosine above 0.9 that the base's was not."""
    for measure, points in series.items():
        base = dict(points).get(0, float("nan"))  # without one nothing compares
        for step, value in points:
            if (measure.startswith("geometry/effective_rank/") and value < 0.5 * base) or (
                measure.startswith("geometry/mean_cosine/") and base <= 0.9 < value
            ):
                yield (
                    step,
                    f"{measure} went from {base:.3g} to {value:.3g}: all texts begin to look alike. "
                    "Lower the learning rate, or add in-batch negatives, which push texts apart",
                )


def _loss_at_chance(series: Series, about: About) -> Raised:
    """The median loss of 20 updates is not below chance by more than 2 % of it, nor is it falling.

    Not falling: the second half's mean is less than two standard errors below the first's. A warm-up does not count:
    the learning rate must not rise in these updates.
    """
    if not (chance := float(about.get("chance") or 0)):
        return
    rates = dict(series.get("train/learning_rate", ()))
    for steps, values in _windows(series, "train/loss", 20):
        first, second = values[:10], values[10:]
        falling = first.mean() - second.mean() > 2 * np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 10)
        warming_up = any(rates.get(a, 0.0) < rates.get(b, 0.0) for a, b in pairwise(steps))
        middle = float(np.median(values))
        if middle >= 0.98 * chance and not falling and not warming_up:
            yield (
                steps[-1],
                f"for 20 updates the loss ({middle:.3g}) was no better than chance ({chance:.3g}): the rate is too "
                "low, the labels are shuffled, or scores are constant. Look at train/score_spread, then at some "
                "training pairs, then raise the rate",
            )


def _dev_falls(series: Series, about: About) -> Raised:
    """A dev measure falls while the loss falls too.

    The rule: the mean of the last 3 looks lies below the best mean of 3 earlier ones by more than 0.01 and by more
    than 5 standard errors of such a difference; and the mean loss over the last looks is lower than it was over those
    best ones. The noise of a look is estimated from second differences, in which a straight trend leaves no trace.
    Of 100 courses of 20 looks that only wavered 6 raised it (of 8 looks 2); of 100 that fell by half a look's noise at
    each of 20 looks all did (normal noise, sd 0.02; ours).
    """
    looks, loss = 3, series.get("train/loss", ())
    for measure, points in series.items():
        if not measure.startswith(("dev/", "train/cosine_accuracy/")):
            continue
        steps, values = [s for s, _ in points], np.array([v for _, v in points], dtype=np.float64)
        for end in range(2 * looks, len(points) + 1):
            means = [float(values[i : i + looks].mean()) for i in range(end - looks + 1)]
            best = int(np.argmax(means[: end - 2 * looks + 1]))
            margin = max(0.01, 5.0 * _noise(values[:end]) * (2 / looks) ** 0.5)
            before, after = (_mean_between(loss, steps[i], steps[i + looks - 1]) for i in (best, end - looks))
            if means[best] - means[-1] > margin and after < before:
                yield (
                    steps[end - 1],
                    f"the loss fell from {before:.3g} to {after:.3g} while {measure} fell from {means[best]:.3f} "
                    f"(around update {steps[best + looks // 2]}) to {means[-1]:.3f}: what is learnt does not help the "
                    "search. Keep an earlier checkpoint, and check the pairs for wrong positives or false negatives",
                )


def _dead_triplets(series: Series, about: About) -> Raised:
    """The mean share of active triplets over 20 updates is below 1 %."""
    for steps, values in _windows(series, "train/active_share", 20):
        if values.mean() < 0.01:
            yield (
                steps[-1],
                f"over 20 updates {values.mean():.1%} of triplets gave a gradient: the margin is met nearly "
                "everywhere. Widen the margin, mine harder negatives, or stop here",
            )


def _margin_out_of_reach(series: Series, about: About) -> Raised:
    """The mean share of active triplets over 20 updates is above 99 %."""
    for steps, values in _windows(series, "train/active_share", 20):
        if values.mean() > 0.99:
            yield (
                steps[-1],
                f"over 20 updates {values.mean():.1%} of triplets were within the margin, those in good order too: "
                "it is beyond what the distances reach, and the loss rewards spread instead of order. Narrow the "
                "margin, or train with in-batch negatives",
            )


def _constant_scores(series: Series, about: About) -> Raised:
    """For 5 updates the spread of a query's scores is below 1e-6, or below 1 % of the first update's."""
    for steps, values in _windows(series, "train/score_spread", 5):
        first = series["train/score_spread"][0][1]
        if values.max() < max(1e-6, 0.01 * first):
            yield (
                steps[-1],
                f"for 5 updates a query's scores spread by {values.max():.1g} at most ({first:.1g} at first): all "
                "documents score alike. Lower the learning rate, and check that texts are not empty or cut to nothing",
            )


def _saturated_temperature(series: Series, about: About) -> Raised:
    """The positive's mean softmax probability over 20 updates is above 99 %."""
    for steps, values in _windows(series, "train/positive_probability", 20):
        if values.mean() > 0.99:
            yield (
                steps[-1],
                f"over 20 updates the positive's mean probability was {values.mean():.4f}: hardly a gradient is "
                "left. Raise the temperature, use larger batches or harder negatives, or stop here",
            )


def _drift(series: Series, about: About) -> Raised:
    """Drift from the base beyond that of the last look at which dev was not below the base's.

    Drift is 1 - overlap of nearest neighbours, or the shift of vectors. Raised at the second look in a row with drift
    above 1.1 times that, and dev below the base's by more than 0.01 and twice the noise of a look.
    """
    drifts = {f"1 - {m}": {s: 1 - v for s, v in p} for m, p in series.items() if m.startswith("geometry/overlap@")}
    drifts |= {m: dict(p) for m, p in series.items() if m.startswith("geometry/shift/")}
    devs = [measure for measure in series if measure.startswith("dev/")]
    for (name, drift), dev in product(drifts.items(), devs):
        points = [(step, value) for step, value in series[dev] if step in drift]
        if not points or points[0][0] != 0:
            continue
        values = np.array([v for _, v in points], dtype=np.float64)
        safe, beyond = 0, 0
        for i, (step, value) in enumerate(points):
            below = values[0] - value
            if below <= 0:
                safe, beyond = step, 0
            elif below > max(0.01, 2 * _noise(values[: i + 1])):
                beyond = beyond + 1 if drift[step] > 1.1 * drift[safe] else 0
            if beyond == 2:
                yield (
                    step,
                    f"{name} grew to {drift[step]:.3f}; it was {drift[safe]:.3f} at update {safe}, the last look with "
                    f"{dev} not below the base's ({values[0]:.3f}, now {value:.3f}). Go back to update {safe}, lower "
                    "the rate, or train fewer weights",
                )


def _exploding_norm(series: Series, about: About) -> Raised:
    """The gradient norm (before clipping) is not finite, or for 3 updates above 10 times its median.

    The median is that of the 50 updates before these, and needs ten of them.
    """
    points = series.get("train/gradient_norm", ())
    values = np.array([v for _, v in points], dtype=np.float64)
    for i, (step, value) in enumerate(points):
        start = max(0, i - 2)
        past = values[max(0, start - 50) : start]
        usual = float(np.median(past)) if len(past) >= 10 else 0.0
        if not np.isfinite(value) or (usual > 0 and values[start : i + 1].min() > 10 * usual):
            beside = f", {usual:.3g} being usual" if usual else ""
            remedy = "Lower the learning rate, warm up longer, or clip at a smaller norm"
            yield step, f"the gradient norm is {value:.3g}{beside}. {remedy}"


ALARMS: Mapping[str, Callable[[Series, About], Raised]] = {
    "collapse": _collapse,
    "loss at chance": _loss_at_chance,
    "dev falls": _dev_falls,
    "dead triplets": _dead_triplets,
    "margin out of reach": _margin_out_of_reach,
    "constant scores": _constant_scores,
    "saturated temperature": _saturated_temperature,
    "drift": _drift,
    "exploding norm": _exploding_norm,
}


def _windows(series: Series, measure: str, size: int) -> Iterator[tuple[list[int], Floats]]:
    """Every run of `size` points of a measure: their updates and values."""
    points = series.get(measure, ())
    for end in range(size, len(points) + 1):
        window = points[end - size : end]
        yield [s for s, _ in window], np.array([v for _, v in window], dtype=np.float64)


def _noise(values: Floats) -> float:
    """Standard deviation of a look about a smooth course; 0 with fewer than four looks, which cannot tell."""
    return float(np.sqrt(np.square(np.diff(values, 2)).mean() / 6)) if len(values) >= 4 else 0.0


def _mean_between(points: Sequence[tuple[int, float]], first: int, last: int) -> float:
    """The mean of values from update `first` to `last`; NaN without any, which compares as not lower."""
    values = [v for s, v in points if first <= s <= last]
    return float(np.mean(values)) if values else float("nan")
