"""Selection: which update's weights a training keeps, and when it stops early. Every rule reads the log alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from strop.logbook import Entry
from strop.nouns import InputError

DEV, OVERLAP = "dev/RR@10", "geometry/overlap@10/document"
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
    """`Best`, which also stops once `patience` looks in a row were no better. Needs labels."""

    measure: str = DEV
    share: float = 0.1
    patience: int = 3

    def __post_init__(self) -> None:
        _check_share(self.share)
        if self.patience < 1:
            raise InputError(f"patience is {self.patience}", remedy="Give 1 or more looks")

    def keeps(self, log: Sequence[Entry]) -> bool:
        return Best(self.measure, self.share).keeps(log)

    def stops(self, log: Sequence[Entry]) -> str | None:
        seen = looks(log, self.measure)
        best, value = max(seen, key=lambda look: (look[1], -look[0]))
        if sum(step > best for step, _ in seen) < self.patience:
            return None
        return f"{self.measure} was best at update {best} ({value:.3f}) and no better at {self.patience} looks since"


@dataclass(frozen=True, slots=True)
class WithinDrift:
    """Keep the newest weights as long as `measure` has stayed at `least`, and stop when it falls below. No labels.

    The default asks that documents keep half of their ten nearest neighbours in the base. The first look is kept
    whatever it shows, so that there is something to keep.
    """

    measure: str = OVERLAP
    share: float = 0.1
    least: float = 0.5

    def __post_init__(self) -> None:
        _check_share(self.share)

    def keeps(self, log: Sequence[Entry]) -> bool:
        seen = looks(log, self.measure)
        return len(seen) == 1 or all(value >= self.least for _, value in seen)

    def stops(self, log: Sequence[Entry]) -> str | None:
        step, value = looks(log, self.measure)[-1]
        return (
            None if value >= self.least else f"{self.measure} fell to {value:.3f} at update {step}, below {self.least}"
        )


@dataclass(frozen=True, slots=True)
class DevWithinDrift:
    """The best of a dev measure among the updates within the drift allowed; stops when either rule does."""

    measure: str = DEV
    share: float = 0.1
    patience: int = 3
    drift: str = OVERLAP
    least: float = 0.5

    def keeps(self, log: Sequence[Entry]) -> bool:
        return self._drift.keeps(log) and self._dev.keeps(log)

    def stops(self, log: Sequence[Entry]) -> str | None:
        return self._drift.stops(log) or self._dev.stops(log)

    @property
    def _dev(self) -> EarlyStop:
        return EarlyStop(self.measure, self.share, self.patience)

    @property
    def _drift(self) -> WithinDrift:
        return WithinDrift(self.drift, self.share, self.least)


def looks(log: Sequence[Entry], measure: str) -> Looks:
    """(update, value) of a measure at every look after the start. Raises InputError where nobody measured it."""
    found = [(step, value) for step, name, value in log if name == measure and step > 0]
    if not found:
        raise InputError(f"no observer measured {measure!r}", remedy="Give held-out examples for it")
    return found


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        raise InputError(f"share is {share}", remedy="Give a share of all updates, above 0 and at most 1")


#: What `strop train --stop` takes.
STOPS: dict[str, Selection] = {"geometry": WithinDrift(), "dev": EarlyStop(), "both": DevWithinDrift()}
