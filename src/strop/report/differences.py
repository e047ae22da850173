"""How a difference is written: marked where it is resolved, its interval beside it."""

from __future__ import annotations

from dataclasses import dataclass

from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE, Comparison, Verdict, verdict
from strop.records import formats

MARKS = {BETTER: "▲ ", WORSE: "▼ ", UNRESOLVED: ""}


@dataclass(frozen=True, slots=True)
class Change:
    """What an exhibit keeps of a comparison: the difference, its 95 % interval and its p by Holm."""

    difference: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> Verdict:
        return verdict(self.difference, self.low, self.high, self.p)


Difference = Comparison | Change


def marked(of: Difference) -> str:
    """`▲ +0.031`."""
    return f"{MARKS[of.verdict]}{formats.signed(of.difference)}"


def span(of: Difference) -> str:
    """`[+0.020, +0.042]`."""
    return formats.interval(of.low, of.high, signs=True)


def marked_and_span(of: Difference) -> str:
    """Both, for a cell of two lines."""
    return f"{marked(of)}\n{span(of)}"
