"""Removal of likely false negatives: an estimator flags mined negatives, `denoise` keeps the first that it does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from strop.records.documents import Group
from strop.records.errors import InputError, excerpt
from strop.records.runs import Run

#: (query id, document id) -> score, or None where the source has none.
Scores = Callable[[str, str], float | None]


class Estimator(Protocol):
    """For each group, whether each of its negatives is likely to be false: `PositiveRelative`, `TeacherBound`."""

    def __call__(self, groups: Sequence[Group], scores: Mapping[str, Scores]) -> list[tuple[bool, ...]]: ...


def run_scores(run: Run) -> Scores:
    """The scores of a Run; None for a document that it does not rank."""

    @lru_cache(maxsize=64)  # groups of one query follow each other
    def ranked(query_id: str) -> dict[str, float]:
        ranking = run.get(query_id)
        return dict(zip(ranking.doc_ids, ranking.scores.tolist(), strict=True)) if ranking else {}

    return lambda query_id, doc_id: ranked(query_id).get(doc_id)


@dataclass(frozen=True, slots=True)
class PositiveRelative:
    """Flags a negative whose score reaches `share` of its positive's score, in each of the named sources.

    A source independent of the miner (BM25) makes other errors, so that both together flag fewer negatives, more
    surely. `share` in (0, 1]. A document that a source does not rank is never flagged; a positive that it does not rank
    counts as below all that it ranks. Of several positives the best counts. A positive that scores 0 or less is itself
    the threshold. Raises InputError for a bad share or no source; a call, when a source has no scores.
    Source: Moreira et al., NV-Retriever, arXiv 2407.15831, section 3 (TopK-PercPos, 0.95 there).
    """

    share: float = 0.95
    sources: tuple[str, ...] = ("dense",)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InputError(f"share is {self.share}", remedy="Give a number above 0, up to 1; 0.95 is usual")
        if not self.sources:
            raise InputError("the estimator has no source of scores", remedy='Name one or more, such as ("dense",)')

    def __str__(self) -> str:
        return f"{' and '.join(self.sources)} at {self.share:g} of the positive's score"

    def __call__(self, groups: Sequence[Group], scores: Mapping[str, Scores]) -> list[tuple[bool, ...]]:
        chosen = [_source(scores, source) for source in self.sources]
        by_source = [[self._flags(group, of) for group in groups] for of in chosen]
        return [tuple(map(all, zip(*flags, strict=True))) for flags in zip(*by_source, strict=True)]

    def _flags(self, group: Group, of: Scores) -> list[bool]:
        known = (score for p in group.positives if (score := of(group.query_id, p)) is not None)
        best = max(known, default=-math.inf)
        least = self.share * best if best > 0 else best
        negatives = (of(group.query_id, d) for d in group.negatives)
        return [score is not None and score >= least for score in negatives]


@dataclass(frozen=True, slots=True)
class TeacherBound:
    """Flags a negative that a teacher (such as a cross-encoder) scores at or above `bound`, in the teacher's own units.

    What the teacher did not score is flagged too: only what it rejects is known to be no answer. A call raises
    InputError when there are no scores of the source. Source: RocketQA, arXiv 2010.08191, section 3.2.2, which keeps
    negatives that its cross-encoder gives a probability below 0.1: `of_probability(0.1)` for a reranker's logits.
    """

    bound: float
    source: str = "teacher"

    @classmethod
    def of_probability(cls, probability: float) -> TeacherBound:
        """For scores that are logits, as of a reranker trained with binary cross-entropy: log(p / (1 - p)).

        0.1 is a logit of -2.197. Raises InputError unless `probability` is between 0 and 1.
        """
        if not 0 < probability < 1:
            raise InputError(f"the probability is {probability:g}", remedy="Give one above 0 and below 1, such as 0.1")
        return cls(math.log(probability / (1 - probability)))

    def __str__(self) -> str:
        return f"{self.source} at {self.bound:g} or above"

    def __call__(self, groups: Sequence[Group], scores: Mapping[str, Scores]) -> list[tuple[bool, ...]]:
        of = _source(scores, self.source)
        scored = ([of(group.query_id, d) for d in group.negatives] for group in groups)
        return [tuple(score is None or score >= self.bound for score in negatives) for negatives in scored]


def _source(scores: Mapping[str, Scores], name: str) -> Scores:
    if name not in scores:
        raise InputError(
            f"there are no scores of {excerpt(name)}", remedy=f"Give them, or use one of: {', '.join(scores)}"
        )
    return scores[name]


@dataclass(frozen=True, slots=True)
class Denoised:
    """Groups with the negatives that are left; `flagged` ones were dropped, and `emptied` groups had no other."""

    groups: tuple[Group, ...]
    flagged: int
    emptied: int


def denoise(groups: Sequence[Group], estimator: Estimator, scores: Mapping[str, Scores], keep: int = 1) -> Denoised:
    """Keeps the first `keep` negatives of each group that the estimator does not flag, in the order of mining.

    Mine with a `count` above `keep` (such as 8 for 1). Raises InputError for `keep` below 1, when nothing is left, and
    as the estimator does. Source: NV-Retriever (arXiv 2407.15831) for `PositiveRelative`, RocketQA for `TeacherBound`.
    """
    if keep < 1:
        raise InputError(f"{keep} negatives per group is too few", remedy="Keep 1 or more")
    flags = estimator(groups, scores)
    kept = [
        group.with_negatives([pair for pair, flag in zip(group.sourced, flagged, strict=True) if not flag][:keep])
        for group, flagged in zip(groups, flags, strict=True)
    ]
    left = tuple(group for group in kept if group.negatives)
    if not left:
        raise InputError(
            f"none of {sum(map(len, flags)):,} mined negatives is left: {estimator} flags them all",
            remedy="Mine deeper or more negatives, or give an estimator that flags fewer",
        )
    return Denoised(left, flagged=sum(map(sum, flags)), emptied=len(kept) - len(left))
