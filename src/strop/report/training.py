"""Training as the rows have it: one series a system and seed, their mean, and the figures at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from statistics import fmean

from strop.records.record import Record
from strop.records.results import Results

#: What the held-out accuracies are called; the kind of negatives follows after a slash.
ACCURACY = "train/cosine_accuracy"
#: measure -> how the page names it; in the order shown, the accuracies after the loss.
CURVES: Mapping[str, str] = {
    "train/loss": "loss",
    "train/active_share": "share of active triplets",
    "train/gradient_norm": "gradient norm",
    "train/learning_rate": "learning rate",
}
#: The same for what a monitor measures, where a training was long enough to have one.
MONITORED: Mapping[str, str] = {
    "dev/RR@10": "RR@10 of held-out queries",
    "geometry/effective_rank/document": "effective rank of documents",
    "geometry/mean_cosine/document": "mean cosine of documents",
    "geometry/overlap@10/document": "neighbours kept from the base",
}
MOST_POINTS, MOST_OF_A_SEED = 240, 80

Points = tuple[tuple[int, float], ...]
#: system -> seed -> update -> value.
Logged = Mapping[str, Mapping[int, Mapping[int, float]]]
#: preset -> measure -> what was logged, systems as recorded.
Logs = Mapping[str, Mapping[str, Logged]]


@dataclass(frozen=True, slots=True)
class Series:
    """Values over the updates, of one system: of a single seed (its number), or their mean (`mean`)."""

    system: str
    seed: str
    points: Points


def logs(results: Results[Record]) -> Logs:
    """Every training row, read once."""
    read: dict[str, dict[str, dict[str, dict[int, dict[int, float]]]]] = {}
    for row in results.rows:
        if row.step >= 0 and not row.item and row.measure.startswith(("train/", "dev/", "geometry/")):
            of_measure = read.setdefault(row.preset, {}).setdefault(row.measure, {})
            of_measure.setdefault(row.system, {}).setdefault(row.seed, {})[row.step] = row.value
    return {
        preset: {m: {s: of[s] for s in ordered(of, results.record)} for m, of in measures.items()}
        for preset, measures in read.items()
    }


def ordered(systems: Iterable[str], record: Record) -> tuple[str, ...]:
    """Each once, as recorded; those that the record does not know come last."""
    systems = dict.fromkeys(systems)
    return tuple(s for s in dict.fromkeys((*record.systems, *systems)) if s in systems)


def accuracy_kinds(measures: Iterable[str]) -> tuple[str, ...]:
    """The kinds of held-out negatives that accuracies were logged on: `random`, `hard`."""
    return tuple(dict.fromkeys(m.removeprefix(f"{ACCURACY}/") for m in measures if m.startswith(f"{ACCURACY}/")))


def series(logged: Logged) -> tuple[Series, ...]:
    """The mean over seeds of every system, after its single seeds where there are several."""
    out = []
    for system, by_seed in logged.items():
        if len(by_seed) > 1:
            out += [
                Series(system, str(seed), thin(sorted(v.items()), MOST_OF_A_SEED))
                for seed, v in sorted(by_seed.items())
            ]
        steps = sorted(set().union(*by_seed.values()))
        averaged = [(step, fmean(v[step] for v in by_seed.values() if step in v)) for step in steps]
        out.append(Series(system, "mean", thin(averaged)))
    return tuple(out)


def thin(points: Sequence[tuple[int, float]], most: int = MOST_POINTS) -> Points:
    """At most `most` points: equal stretches of updates become their mean at their last update."""
    if len(points) <= most:
        return tuple((step, float(f"{value:.5g}")) for step, value in points)
    width = -(-len(points) // most)
    stretches = [points[i : i + width] for i in range(0, len(points), width)]
    return tuple((s[-1][0], float(f"{fmean(v for _, v in s):.5g}")) for s in stretches)


def published_loss(results: Results[Record]) -> tuple[Series, ...]:
    """As read off the paper's figure."""
    losses = results.exhibits.published_loss
    return tuple(Series(system, "mean", losses[system]) for system in ordered(losses, results.record))


@dataclass(frozen=True, slots=True)
class Ending:
    """How one system's training went, averaged over seeds. Shares are of one; None where nothing was logged.

    `loss` is the mean over the last tenth of the updates; `accuracies` are the last ones, by kind of negatives.
    """

    system: str
    seeds: int
    updates: int
    loss: float | None
    accuracies: Mapping[str, float]
    active_share: float | None
    padding_share: float | None
    tokens_per_second: float | None


def endings(measures: Mapping[str, Logged]) -> tuple[Ending, ...]:
    """Of one preset."""
    systems = dict.fromkeys(system for of in measures.values() for system in of)
    return tuple(_ending(system, {m: of[system] for m, of in measures.items() if system in of}) for system in systems)


def _ending(system: str, logged: Mapping[str, Mapping[int, Mapping[int, float]]]) -> Ending:
    def over_seeds(measure: str, figure: Callable[[list[float]], float] = fmean) -> float | None:
        by_seed = logged.get(measure, {}).values()
        return fmean(figure([v for _, v in sorted(steps.items())]) for steps in by_seed) if by_seed else None

    accuracies = {kind: over_seeds(f"{ACCURACY}/{kind}", itemgetter(-1)) for kind in accuracy_kinds(logged)}
    return Ending(
        system=system,
        seeds=max(len(v) for v in logged.values()),
        updates=max(max(v) for by_seed in logged.values() for v in by_seed.values()),
        loss=over_seeds("train/loss", lambda v: fmean(v[-max(1, len(v) // 10) :])),
        accuracies={kind: value for kind, value in accuracies.items() if value is not None},
        active_share=over_seeds("train/active_share"),
        padding_share=over_seeds("train/padding_share"),
        tokens_per_second=over_seeds("train/tokens_per_second"),
    )
