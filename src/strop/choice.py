"""Rules that choose a checkpoint from what a training logged, without ever seeing a test value; and the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from strop.logbook import Series
from strop.nouns import InputError


class Choice(Protocol):
    """A frozen value that names one of the checkpoints.

    `steps` are the updates at which weights were kept. Update 0, the base, is a candidate only where a rule has
    `base=True`: it would win often, and hide what training did. Of equals the earliest is chosen. Raises InputError
    without a candidate, or where a candidate lacks the measure that a rule reads.
    """

    def __call__(self, series: Series, steps: Sequence[int]) -> int: ...


@dataclass(frozen=True, slots=True)
class Last:
    """The last checkpoint."""

    def __call__(self, series: Series, steps: Sequence[int]) -> int:
        return _candidates(steps, base=False)[-1]


@dataclass(frozen=True, slots=True)
class LowestLoss:
    """The lowest training loss, as the mean over the `updates` updates that end at the checkpoint."""

    updates: int = 20
    base: bool = False

    def __call__(self, series: Series, steps: Sequence[int]) -> int:
        loss = series.get("train/loss", ())
        means = {}
        for step in _candidates(steps, self.base):
            # update s has its loss taken before its step, so on the weights of checkpoint s
            before = [value for at, value in loss if step - self.updates < at <= step]
            if not before:
                raise InputError(
                    f"no loss was logged in the {self.updates} updates up to {step}", remedy="Average over more updates"
                )
            means[step] = float(np.mean(before))
        return min(means, key=means.__getitem__)


@dataclass(frozen=True, slots=True)
class BestDev:
    """The best value of a measure on dev queries. Needs labels."""

    measure: str = "dev/RR@10"
    good: Literal["higher", "lower"] = "higher"
    base: bool = False

    def __call__(self, series: Series, steps: Sequence[int]) -> int:
        return _best(_at(series, self.measure, _candidates(steps, self.base)), self.good)


@dataclass(frozen=True, slots=True)
class ByGeometry:
    """The best value of a geometry measure in its good direction. No labels, where the measure needs none."""

    measure: str
    good: Literal["higher", "lower"]
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


@dataclass(frozen=True, slots=True)
class Oracle:
    """The checkpoint with the highest test value: no rule, but what rules are measured against.

    Chosen and scored on the same queries it is too good by chance: `rule_scores.rule_table` halves them.
    """

    base: bool = False

    def __call__(self, values: Mapping[int, float]) -> int:
        """`values`: update -> mean test value."""
        return _best({step: values[step] for step in _candidates(list(values), self.base)}, "higher")


def _candidates(steps: Sequence[int], base: bool) -> list[int]:
    found = sorted({step for step in steps if step > 0 or base})
    if not found:
        raise InputError(f"there is no checkpoint to choose among {list(steps)}", remedy="Keep weights while training")
    return found


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
