"""An estimator of false negatives: whatever scores nearly as high as the positive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from strop.nouns import Group, InputError
from strop.runs import Run

#: (query id, document id) -> score, or None where the source has none.
Scores = Callable[[str, str], float | None]


def run_scores(run: Run) -> Scores:
    """A Run as a source of scores; None for what it does not rank."""

    @lru_cache(maxsize=64)  # groups of one query follow each other
    def ranked(query_id: str) -> dict[str, float]:
        ranking = run.get(query_id)
        return dict(zip(ranking.doc_ids, ranking.scores.tolist(), strict=True)) if ranking else {}

    return lambda query_id, doc_id: ranked(query_id).get(doc_id)


@dataclass(frozen=True, slots=True)
class PositiveRelative:
    """Flags a negative whose score reaches `share` of its positive's score, in each of the named sources.

    The miner's own model is one source; a source independent of it (BM25) errs elsewhere, so that both together flag
    fewer and surer. `share` in (0, 1]. A document that a source does not rank is never flagged; a positive that it
    does not rank scores below all that it ranks, which are then all flagged. Of several positives the best counts. A
    positive at 0 or below is itself the threshold. Raises InputError for a bad share or no source.
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
        """For each group, whether each of its negatives is flagged. Raises InputError when a source is not given."""
        for source in self.sources:
            if source not in scores:
                raise InputError(
                    f"there are no scores of {source!r}", remedy=f"Give them, or use one of: {', '.join(scores)}"
                )
        chosen = [scores[source] for source in self.sources]
        flags = []
        for group in groups:
            least = [self._threshold(group, of) for of in chosen]
            flags.append(
                tuple(
                    all(_reaches(of(group.query_id, negative), bar) for of, bar in zip(chosen, least, strict=True))
                    for negative in group.negatives
                )
            )
        return flags

    def _threshold(self, group: Group, of: Scores) -> float:
        known = [score for p in group.positives if (score := of(group.query_id, p)) is not None]
        best = max(known, default=float("-inf"))
        return self.share * best if best > 0 else best


def _reaches(score: float | None, bar: float) -> bool:
    return score is not None and score >= bar
