"""Open questions about a paper, and the evidence that a demonstration finds on each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from strop.records.exhibits.questions import Grid as Grid  # what evidence is made of
from strop.records.results import Row

Kind = Literal["arithmetic", "mechanism", "effect", "defect"]
Verdict = Literal["shown", "not shown", "not resolved"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The outcome of a demonstration: the verdict, one sentence with its figures, and the tables behind it.

    `shown`: what was run here confirms the doubt. `not shown`: it speaks against it. `not resolved`: it cannot tell;
    the sentence then says what would. `exhibits` (by name) and `rows` join the study's Results.
    """

    verdict: Verdict
    sentence: str
    tables: tuple[Grid, ...] = ()
    exhibits: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()

    @classmethod
    def shown_if(cls, confirmed: bool, sentence: str, *tables: Grid) -> Self:
        return cls("shown" if confirmed else "not shown", sentence, tables)

    def also(self, sentence: str, *tables: Grid) -> Self:
        """With a further sentence and further tables."""
        return replace(self, sentence=f"{self.sentence} {sentence}", tables=(*self.tables, *tables))


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """What is wrong or unproven in a paper, in a sentence or two.

    `demonstrate` takes the study's workbench; where it is None, `test` names the test that shows it. `needs` are the
    (preset, system) pairs that it compares. A `slow` one takes minutes: only a `thorough` scale runs it. Raises
    ValueError when a question has neither.
    """

    id: str
    kind: Kind
    question: str
    demonstrate: Callable[[Any], Evidence] | None = None
    test: str = ""
    needs: tuple[tuple[str, str], ...] = ()
    slow: bool = False

    def __post_init__(self) -> None:
        if self.demonstrate is None and not self.test:
            raise ValueError(f"open question {self.id} has neither a demonstration nor a test")

    @classmethod
    def of(cls, id: str, kind: Kind, demonstrate: Callable[[Any], Evidence], **more: Any) -> Self:
        """The question that the first paragraph of a demonstration's docstring states."""
        stated = (demonstrate.__doc__ or "").split("\n\n")[0]
        return cls(id, kind, " ".join(stated.split()), demonstrate, **more)
