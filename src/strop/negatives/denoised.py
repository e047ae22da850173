"""Mined negatives without those that an estimator holds for false: mine more than are wanted, keep the first good."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from strop.negatives.positive_relative import Scores
from strop.nouns import Group, InputError


class Estimator(Protocol):
    """For each group, whether each of its negatives is held for false. `PositiveRelative` is one."""

    def __call__(self, groups: Sequence[Group], scores: Mapping[str, Scores]) -> list[tuple[bool, ...]]: ...


@dataclass(frozen=True, slots=True)
class TeacherBound:
    """Flags a negative that the teacher (a cross-encoder, for one) scores at or above `bound`, in the teacher's units.

    What the teacher did not score is flagged too: only what it rejects is known to be no answer. Raises InputError
    when the source is not given. Source: RocketQA, arXiv 2010.08191, section 3.2.2, which keeps negatives that its
    cross-encoder gives a probability below 0.1: `of_probability(0.1)` for a reranker's logits.
    """

    bound: float
    source: str = "teacher"

    @classmethod
    def of_probability(cls, probability: float, source: str = "teacher") -> TeacherBound:
        """For scores that are logits, as of a reranker trained with binary cross-entropy: log(p / (1 - p)).

        0.1 is a logit of -2.197. Raises InputError unless `probability` is between 0 and 1.
        """
        if not 0 < probability < 1:
            raise InputError(f"the probability is {probability:g}", remedy="Give one above 0 and below 1, such as 0.1")
        return cls(math.log(probability / (1 - probability)), source)

    def __str__(self) -> str:
        return f"{self.source} at {self.bound:g} or above"

    def __call__(self, groups: Sequence[Group], scores: Mapping[str, Scores]) -> list[tuple[bool, ...]]:
        if self.source not in scores:
            raise InputError(
                f"there are no scores of {self.source!r}", remedy=f"Give them, or use one of: {', '.join(scores)}"
            )
        of = scores[self.source]
        return [tuple(not self._rejects(of(g.query_id, d)) for d in g.negatives) for g in groups]

    def _rejects(self, score: float | None) -> bool:
        return score is not None and score < self.bound


@dataclass(frozen=True, slots=True)
class Denoised:
    """Groups with the negatives kept, and what that cost.

    Of `mined` negatives `flagged` were dropped as false, and what was beyond the number wanted was left. `short` groups
    have fewer than wanted; `emptied` ones had none left and are not among `groups`.
    """

    groups: tuple[Group, ...]
    mined: int
    flagged: int
    short: int
    emptied: int

    def plain(self) -> dict[str, Any]:
        """The counts as values ready for JSON."""
        counts = {"mined": self.mined, "flagged": self.flagged, "short": self.short, "emptied": self.emptied}
        return {"groups": len(self.groups), **counts}


def denoise(groups: Sequence[Group], estimator: Estimator, scores: Mapping[str, Scores], keep: int = 1) -> Denoised:
    """The first `keep` negatives of each group that the estimator does not flag, in the order they were mined in.

    Mine with a `count` above `keep` (8 for 1, say). Raises InputError for `keep` below 1, when nothing is left, and as
    the estimator does. Source: NV-Retriever, arXiv 2407.15831, with `PositiveRelative`; RocketQA with `TeacherBound`.
    """
    if keep < 1:
        raise InputError(f"{keep} negatives are to be kept", remedy="Keep 1 or more")
    flags = estimator(groups, scores)
    kept = [_unflagged(g, flagged, keep) for g, flagged in zip(groups, flags, strict=True)]
    left = tuple(group for group in kept if group.negatives)
    if not left:
        raise InputError(
            f"none of {sum(len(g.negatives) for g in groups):,} mined negatives is left: {estimator} flags them all",
            remedy="Mine deeper or more negatives, or give an estimator that flags fewer",
        )
    return Denoised(
        groups=left,
        mined=sum(len(g.negatives) for g in groups),
        flagged=sum(map(sum, flags)),
        short=sum(len(group.negatives) < keep for group in left),
        emptied=len(kept) - len(left),
    )


def _unflagged(group: Group, flagged: Sequence[bool], keep: int) -> Group:
    sources = group.sources or ("",) * len(group.negatives)
    good = [(d, s) for d, s, flag in zip(group.negatives, sources, flagged, strict=True) if not flag][:keep]
    return replace(group, negatives=tuple(d for d, _ in good), sources=tuple(s for _, s in good))
