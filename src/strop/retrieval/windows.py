"""Passages: a document too long for a pair is read in overlapping windows, whose scores become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from strop.models.pair_scorer import Ids
from strop.models.pair_template import longest_first
from strop.records.errors import InputError, excerpt

Pooling = Literal["max", "mean", "first"]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Windows:
    """A document is cut in windows of the tokens that fit beside the query, each scored as a pair of its own.

    Windows begin `stride` of their size apart, in (0, 1]; the last ends where the document ends. `max` and `mean` pool
    the scores of all, `first` reads the first alone: plain truncation. `max_length` is that of a pair, in tokens (None:
    the model's own). Raises InputError for another pooling or stride. Source: MaxP and FirstP of Dai & Callan 2019,
    section 3; the windows by tokens are ours.
    """

    pool: Pooling = "max"
    stride: float = 0.5
    max_length: int | None = None

    def __post_init__(self) -> None:
        if self.pool not in (known := get_args(Pooling)):
            raise InputError(f"windows are not pooled by {excerpt(self.pool)}", remedy=f"Choose {', '.join(known)}")
        if not 0 < self.stride <= 1:
            raise InputError(f"a stride of {self.stride} windows", remedy="Give more than 0 and at most 1")

    def room(self, max_length: int, specials: int) -> int:
        """Tokens of query and document together, of a model that reads `max_length` of which some are special.

        Raises InputError where `self.max_length` is more than the model has, or leaves less than two.
        """
        limit = self.max_length or max_length
        if not specials + 2 <= limit <= max_length:
            remedy = f"Choose {specials + 2} to {max_length}"
            raise InputError(f"a pair of {limit} tokens is not what the model can read", remedy=remedy)
        return limit - specials

    def __call__(self, query: Ids, document: Ids, room: int) -> tuple[list[tuple[Ids, Ids]], bool]:
        """What is read beside what, each together at most `room` tokens; and whether something is never read."""
        head, size = longest_first(len(query), len(document), room)
        if size == len(document):
            return [(query[:head], document)], head < len(query)
        last = len(document) - size
        starts = [0] if self.pool == "first" else [*range(0, last, max(1, int(size * self.stride))), last]
        lost = head < len(query) or self.pool == "first"
        return [(query[:head], document[start : start + size]) for start in starts], lost

    def pooled(self, scores: Floats, counts: npt.NDArray[np.int64]) -> Floats:
        """Scores of windows, document after document, -> one a document; `counts` has the windows of each."""
        if not len(counts):
            return scores
        starts = np.cumsum(counts) - counts
        if self.pool == "first":
            return np.asarray(scores[starts])
        if self.pool == "max":
            return np.asarray(np.maximum.reduceat(scores, starts), dtype=np.float32)
        return np.asarray(np.add.reduceat(scores.astype(np.float64), starts) / counts, dtype=np.float32)
