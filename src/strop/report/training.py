"""Training as the rows have it: one series a system and seed, their mean, and the figures at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from strop.results import Results

#: measure -> how the page names it; in the order shown.
CURVES: Mapping[str, str] = {
    "train/loss": "loss",
    "train/cosine_accuracy": "held-out cosine accuracy",
    "train/active_share": "share of active triplets",
    "train/gradient_norm": "gradient norm",
    "train/learning_rate": "learning rate",
}
MOST_POINTS, MOST_OF_A_SEED = 240, 80

Points = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Values over the updates, of one system: of a single seed (its number), or their mean (`mean`)."""

    system: str
    seed: str
    points: Points


def series(results: Results, measure: str) -> tuple[Series, ...]:
    """The mean over seeds of every system that logged `measure`, after its single seeds where there are several."""
    read: dict[str, dict[int, dict[int, float]]] = {}
    for row in results.rows:
        if row.measure == measure and row.step >= 0 and not row.item:
            read.setdefault(row.system, {}).setdefault(row.seed, {})[row.step] = row.value
    out = []
    for system in _ordered(read, results):
        by_seed = read[system]
        if len(by_seed) > 1:
            out += [
                Series(system, str(seed), thin(sorted(v.items()), MOST_OF_A_SEED))
                for seed, v in sorted(by_seed.items())
            ]
        steps = sorted(set().union(*by_seed.values()))
        averaged = [(step, fmean(v[step] for v in by_seed.values() if step in v)) for step in steps]
        out.append(Series(system, "mean", thin(averaged)))
    return tuple(out)


def _ordered(present: Mapping[str, object], results: Results) -> list[str]:
    described = [s for s in results.record.get("systems", {}) if s in present]
    return described + [s for s in present if s not in described]


def thin(points: Sequence[tuple[int, float]], most: int = MOST_POINTS) -> Points:
    """At most `most` points: equal stretches of updates become their mean at their last update."""
    if len(points) <= most:
        return tuple((step, float(f"{value:.5g}")) for step, value in points)
    width = -(-len(points) // most)
    stretches = [points[i : i + width] for i in range(0, len(points), width)]
    return tuple((s[-1][0], float(f"{fmean(v for _, v in s):.5g}")) for s in stretches)


def published_loss(results: Results) -> tuple[Series, ...]:
    """The exhibit `published_loss`: {system: [[update, loss], ...]}, as read off the paper's figure."""
    read = results.exhibits.get("published_loss", {})
    return tuple(
        Series(system, "mean", tuple((int(step), float(loss)) for step, loss in read[system]))
        for system in _ordered(read, results)
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """How one system's training went, averaged over seeds. Shares are of one; None where nothing was logged.

    `loss` is the mean over the last tenth of the updates.
    """

    system: str
    seeds: int
    updates: int
    loss: float | None
    cosine_accuracy: float | None
    active_share: float | None
    padding_share: float | None
    tokens_per_second: float | None


def endings(results: Results) -> tuple[Ending, ...]:
    values: dict[str, dict[str, dict[int, dict[int, float]]]] = {}
    for row in results.rows:
        if row.measure.startswith("train/") and row.step >= 0 and not row.item:
            values.setdefault(row.system, {}).setdefault(row.measure, {}).setdefault(row.seed, {})[row.step] = row.value
    out = []
    for system in _ordered(values, results):
        logged = values[system]
        losses = logged.get("train/loss", {})
        out.append(
            Ending(
                system=system,
                seeds=max(len(v) for v in logged.values()),
                updates=max(max(v) for by_seed in logged.values() for v in by_seed.values()),
                loss=_over_seeds(losses, lambda v: fmean(v[-max(1, len(v) // 10) :])),
                cosine_accuracy=_over_seeds(logged.get("train/cosine_accuracy", {}), lambda v: v[-1]),
                active_share=_over_seeds(logged.get("train/active_share", {}), fmean),
                padding_share=_over_seeds(logged.get("train/padding_share", {}), fmean),
                tokens_per_second=_over_seeds(logged.get("train/tokens_per_second", {}), fmean),
            )
        )
    return tuple(out)


def _over_seeds(by_seed: Mapping[int, Mapping[int, float]], say: Callable[[list[float]], float]) -> float | None:
    return fmean(say([v for _, v in sorted(steps.items())]) for steps in by_seed.values()) if by_seed else None
