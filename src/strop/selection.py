"""Selection: which update's weights a training keeps, and when it stops early. Every rule reads the log alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from strop.choice import BestDev, Both, WithinDrift
from strop.logbook import Entry
from strop.nouns import InputError

#: (update, value), in order.
Looks = Sequence[tuple[int, float]]


class Selection(Protocol):
    """Looked at every `share` of all updates and at the end. The start is no candidate: it would win often."""

    @property
    def measure(self) -> str: ...

    @property
    def share(self) -> float: ...

    def keeps(self, log: Sequence[Entry]) -> bool:
        """Whether the weights of the newest look are to be kept in place of those kept before."""
        ...

    def stops(self, log: Sequence[Entry]) -> str | None:
        """Why the training should end here, or None."""
        ...


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
        seen, chosen = looks(log, self.measure), self._chosen(log)
        if sum(step > chosen for step, _ in seen) < self.patience:
            return None
        later = f"{self.patience} look{'s' * (self.patience > 1)} later it is {seen[-1][1]:.3f}"
        return f"{self.measure} was {dict(seen)[chosen]:.3f} at update {chosen}, which is kept; {later}"

    def _chosen(self, log: Sequence[Entry]) -> int:
        series: dict[str, list[tuple[int, float]]] = {}
        for step, measure, value in log:
            series.setdefault(measure, []).append((step, value))
        return self.rule(series, [step for step, _ in looks(log, self.measure)])


def looks(log: Sequence[Entry], measure: str) -> Looks:
    """(update, value) of a measure at every look after the start. Raises InputError where nobody measured it."""
    found = [(step, value) for step, name, value in log if name == measure and step > 0]
    if not found:
        raise InputError(f"no observer measured {measure!r}", remedy="Give held-out examples for it")
    return found


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        raise InputError(f"share is {share}", remedy="Give a share of all updates, above 0 and at most 1")


#: What `strop train --stop` takes. Drift: documents lose more than half of their ten nearest neighbours in the base.
STOPS: dict[str, Selection] = {
    "geometry": EarlyStop(WithinDrift(), patience=1),
    "dev": EarlyStop(BestDev()),
    "both": EarlyStop(Both(BestDev(), WithinDrift())),
}
