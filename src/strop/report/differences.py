"""How a difference is written: marked where it is resolved, its interval beside it."""

from __future__ import annotations

from typing import Protocol

from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE, Verdict
from strop.records import formats

MARKS = {BETTER: "▲ ", WORSE: "▼ ", UNRESOLVED: ""}


class Difference(Protocol):
    """What `Comparison`, and what an exhibit kept of one, have in common."""

    @property
    def difference(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def verdict(self) -> Verdict: ...


def marked(of: Difference) -> str:
    """`▲ +0.031`."""
    return f"{MARKS[of.verdict]}{formats.signed(of.difference)}"


def span(of: Difference) -> str:
    """`[+0.020, +0.042]`."""
    return formats.interval(of.low, of.high, signs=True)
