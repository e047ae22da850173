"""Forward: a batch as rows of tokens, what a model makes of them chunk by chunk, and the scores that come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from strop.models.chunks import Represent
from strop.models.scoring import Representation, Scoring
from strop.models.tokens import Ints, cut


class Forward(Protocol):
    """What a training step, cut by token budget, needs of a batch."""

    @property
    def lengths(self) -> Ints:
        """Tokens of every row."""
        ...

    @property
    def represent(self) -> Represent:
        """Positions of rows -> what the model makes of them."""
        ...

    def pieces(self, budget: int) -> list[Ints]:
        """Chunks of rows, each row in one."""
        ...

    def scores(self, rows: Representation) -> Tensor:
        """What the model made of all rows, in order -> scores `(Q, K)`; where a pair was not read, anything finite."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """All texts of a batch, `queries` of them first, each read by itself; `by_role` where no chunk may hold both."""

    lengths: Ints
    represent: Represent
    queries: int
    by_role: bool
    scoring: Scoring

    def pieces(self, budget: int) -> list[Ints]:
        lengths, n = self.lengths, self.queries
        if not self.by_role:
            return cut(lengths, budget)
        return cut(lengths[:n], budget) + [n + piece for piece in cut(lengths[n:], budget)]

    def scores(self, rows: Representation) -> Tensor:
        return self.scoring(rows[: self.queries], rows[self.queries :])


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Pairs that are read as one row each, and the place `(P, 2)` of each in the score matrix."""

    lengths: Ints
    represent: Represent
    places: Tensor
    shape: tuple[int, ...]

    def pieces(self, budget: int) -> list[Ints]:
        return cut(self.lengths, budget)

    def scores(self, rows: Representation) -> Tensor:
        logits = rows.vectors.squeeze(1)
        query, candidate = self.places.to(logits.device).unbind(1)
        return logits.new_zeros(self.shape).index_put((query, candidate), logits)
