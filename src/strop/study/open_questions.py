"""Points: a paper's doubtful statements, and what shows each. Evidence: what a demonstration saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from strop.records.results import Row

Kind = Literal["arithmetic", "mechanism", "effect", "defect"]
Verdict = Literal["shown", "not shown", "not resolved"]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text under headed columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"table {self.title!r}: a row has not {len(self.columns)} cells")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a demonstration saw: the verdict, one sentence with its figures, and the tables behind it. `exhibits` (plain
    values by name) and `rows` are for the study's Results, where it has a picture or clocks to show.

    `shown`: the doubt is borne out by what was run here. `not shown`: what was run speaks against it.
    `not resolved`: what was run cannot tell; the sentence then says what would.
    """

    verdict: Verdict
    sentence: str
    tables: tuple[Grid, ...] = ()
    exhibits: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One doubtful point. `doubt` says what is wrong or unproven, in a sentence or two.

    `demonstrate` takes the study's workbench and returns Evidence; where the doubt is arithmetic or a defect of
    scripts, `test` may name the test that shows it instead. `needs` are the (preset, system) pairs it compares, which
    are trained unless that was done before. A `slow` one takes minutes: a study reruns it only where its scale says.
    Raises ValueError when a point has neither.
    """

    id: str
    kind: Kind
    doubt: str
    demonstrate: Callable[[Any], Evidence] | None = None
    test: str = ""
    needs: tuple[tuple[str, str], ...] = ()
    slow: bool = False

    def __post_init__(self) -> None:
        if self.demonstrate is None and not self.test:
            raise ValueError(f"point {self.id} has neither a demonstration nor a test")
