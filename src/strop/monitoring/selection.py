"""Selection: which update's weights a training keeps, and when it stops early. Every rule reads the log alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from strop.monitoring.logbook import Entry, Series, series_of
from strop.records.errors import InputError, excerpt

#: Names one of the checkpoints, whose updates are `steps`. Update 0, the base, is a candidate only where a rule has
#: `base=True`: it would win often, and hide what training did. Of equals the earliest is chosen. Raises InputError
#: without a candidate, or where a candidate lacks the measure that the rule reads.
Choice = Callable[[Series, Sequence[int]], int]


def last(series: Series, steps: Sequence[int]) -> int:
    """The last checkpoint."""
    return _candidates(steps)[-1]


def lowest_loss(series: Series, steps: Sequence[int], updates: int = 20) -> int:
    """The lowest training loss, as the mean over the `updates` updates that end at the checkpoint."""
    means = {}
    for step in _candidates(steps):
        # update s has its loss taken before its step, so on the weights of checkpoint s
        losses = [value for at, value in series.get("train/loss", ()) if step - updates < at <= step]
        if not losses:
            raise InputError(
                f"no loss was logged in the {updates} updates up to {step}", remedy="Average over more updates"
            )
        means[step] = float(np.mean(losses))
    return min(means, key=means.__getitem__)


def oracle_step(values: Mapping[int, float], base: bool = False) -> int:
    """The checkpoint with the highest mean test value, by update: no rule, but what rules are measured against.

    Chosen and scored on the same queries it is too good by chance: `rule_scores.rule_table` halves them.
    """
    return _best({step: values[step] for step in _candidates(list(values), base)}, "higher")


@dataclass(frozen=True, slots=True)
class BestDev:
    """The best value of a measure: on dev queries, which needs labels, or of geometry, which may need none."""

    measure: str = "dev/RR@10"
    good: Literal["higher", "lower"] = "higher"
    base: bool = False

    def __call__(self, series: Series, steps: Sequence[int]) -> int:
        return _best(_at(series, self.measure, _candidates(steps, self.base)), self.good)


@dataclass(frozen=True, slots=True)
class WithinDrift:
    """The last checkpoint up to which a measure has stayed within `tolerance` of the base's value. No labels needed.

    Where the first candidate is already beyond, it is chosen all the same: the least drift on offer.
    """

    measure: str = "geometry/overlap@10/document"
    tolerance: float = 0.5
    base: bool = False

    def __call__(self, series: Series, steps: Sequence[int]) -> int:
        return self.within(series, steps)[-1]

    def within(self, series: Series, steps: Sequence[int]) -> list[int]:
        """Candidates before the first one that is beyond the tolerance, at least the first."""
        candidates = _candidates(steps, self.base)
        values = _at(series, self.measure, sorted({0, *candidates}))
        beyond = [step for step in candidates if abs(values[step] - values[0]) > self.tolerance]
        return [step for step in candidates if not beyond or step < beyond[0]] or candidates[:1]


@dataclass(frozen=True, slots=True)
class Both:
    """The best on dev among the checkpoints within the drift allowed; the bound says whether the base is one."""

    dev: BestDev
    bound: WithinDrift

    def __call__(self, series: Series, steps: Sequence[int]) -> int:
        return _best(_at(series, self.dev.measure, self.bound.within(series, steps)), self.dev.good)


def _candidates(steps: Sequence[int], base: bool = False) -> list[int]:
    candidates = sorted({step for step in steps if step > 0 or base})
    if not candidates:
        raise InputError(f"there is no checkpoint to choose among {list(steps)}", remedy="Keep weights while training")
    return candidates


def _at(series: Series, measure: str, steps: Sequence[int]) -> dict[int, float]:
    """The measure at each step. NaN is no value."""
    known = {step: value for step, value in series.get(measure, ()) if not np.isnan(value)}
    if missing := [step for step in steps if step not in known]:
        raise InputError(
            f"{measure} was not measured at updates {missing}",
            remedy=f"Measure it at every checkpoint, or choose by one of {', '.join(sorted(series)) or 'nothing'}",
        )
    return {step: known[step] for step in steps}


def _best(values: Mapping[int, float], good: Literal["higher", "lower"]) -> int:
    """The best step, the first of equals."""
    return (max if good == "higher" else min)(values, key=values.__getitem__)


@dataclass(frozen=True, slots=True)
class Best:
    """Keep the weights of the update with the highest `measure`, the first of equals; never stop.

    Raises InputError unless 0 < share <= 1.
    """

    measure: str = "cosine_accuracy/negatives"
    share: float = 0.5

    def __post_init__(self) -> None:
        _check_share(self.share)

    def keeps(self, log: Sequence[Entry]) -> bool:
        *earlier, newest = looks(log, self.measure)
        return all(newest[1] > value for _, value in earlier)

    def stops(self, log: Sequence[Entry]) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """Keep what `rule` chooses among the looks so far, and stop once `patience` looks in a row did not change that.

    Raises InputError unless 0 < share <= 1 and patience >= 1.
    """

    rule: BestDev | WithinDrift | Both
    share: float = 0.1
    patience: int = 3

    def __post_init__(self) -> None:
        _check_share(self.share)
        if self.patience < 1:
            raise InputError(f"patience is {self.patience}", remedy="Give 1 or more looks")

    @property
    def measure(self) -> str:
        return self.rule.dev.measure if isinstance(self.rule, Both) else self.rule.measure

    def keeps(self, log: Sequence[Entry]) -> bool:
        return self._chosen(log) == looks(log, self.measure)[-1][0]

    def stops(self, log: Sequence[Entry]) -> str | None:
        points, chosen = looks(log, self.measure), self._chosen(log)
        if sum(step > chosen for step, _ in points) < self.patience:
            return None
        later = f"{self.patience} look{'s' * (self.patience > 1)} later it is {points[-1][1]:.3f}"
        return f"{self.measure} was {dict(points)[chosen]:.3f} at update {chosen}, which is kept; {later}"

    def _chosen(self, log: Sequence[Entry]) -> int:
        return self.rule(series_of(log), [step for step, _ in looks(log, self.measure)])


#: Looks every `share` of all updates and at the end, never at the start, which would win often. `keeps`: whether the
#: weights of the newest look replace those kept before. `stops`: why the training should end here, or None.
Selection = Best | EarlyStop


def looks(log: Sequence[Entry], measure: str) -> list[tuple[int, float]]:
    """(update, value) of a measure at every look after the start. Raises InputError where nobody measured it."""
    values = [(step, value) for step, name, value in log if name == measure and step > 0]
    if not values:
        raise InputError(f"no observer measured {excerpt(measure)}", remedy="Give held-out examples for it")
    return values


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        raise InputError(f"share is {share}", remedy="Give a share of all updates, above 0 and at most 1")


#: What `strop train --stop` takes. Drift: documents lose more than half of their ten nearest neighbours in the base.
STOPS: dict[str, Selection] = {
    "geometry": EarlyStop(WithinDrift(), patience=1),
    "dev": EarlyStop(BestDev()),
    "both": EarlyStop(Both(BestDev(), WithinDrift())),
}
