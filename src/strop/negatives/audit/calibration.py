"""Calibration: hide some known positives, mine, and count how many come back as negatives and how many are flagged.

A hidden positive that is mined is certainly a false negative. Relevant documents that nobody judged are not known: they
count as wrongly flagged, so the share of flagged ones that are hidden positives is a lower bound of the precision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strop.negatives.audit.tally import FLAGGED, FOUND, HIDDEN, MINED, Tally, interval, ratio
from strop.negatives.filters import PositiveRelative, Scores
from strop.negatives.from_run import drawn
from strop.records.documents import Group, Qrels
from strop.records.errors import InputError
from strop.records.runs import Run


@dataclass(frozen=True, slots=True)
class PartlyHidden:
    """Judgments of queries with two positives or more, without some of these: `hidden`, by query."""

    kept: Qrels
    hidden: Mapping[str, frozenset[str]]

    def groups(self) -> list[Group]:
        """A group for each kept positive; only kept positives are forbidden as negatives."""
        relevant = {q: [d for d, grade in grades.items() if grade > 0] for q, grades in self.kept.items()}
        return [Group(q, (d,), relevant=frozenset(ids)) for q, ids in relevant.items() for d in ids]


def hide(qrels: Qrels, share: float, seed: int) -> PartlyHidden:
    """Hides a `share` of each query's positives, rounded, at least one and never all, drawn uniformly.

    Queries with a single positive are left out, since none can be hidden. Raises InputError unless
    0 < share < 1, or when no query has two positives.
    """
    if not 0 < share < 1:
        raise InputError(f"the share to hide is {share}", remedy="Give a number between 0 and 1; 0.5 is usual")
    rng = np.random.default_rng(seed)
    kept, hidden = {}, {}
    for query_id, judged in qrels.items():
        positives = sorted(d for d, grade in judged.items() if grade > 0)
        if len(positives) < 2:
            continue
        number = min(max(1, math.floor(share * len(positives) + 0.5)), len(positives) - 1)
        secret = frozenset(rng.choice(positives, size=number, replace=False).tolist())
        hidden[query_id] = secret
        kept[query_id] = {d: grade for d, grade in judged.items() if d not in secret}
    if not hidden:
        raise InputError(
            "no query has two known positives, so none can be hidden",
            remedy="Calibrate on a collection with several positives per query",
        )
    return PartlyHidden(kept, hidden)


@dataclass(frozen=True, slots=True)
class EveryRank:
    """All documents of ranks `low`…`high` but the known positives: everything that `RankWindow` draws from."""

    low: int
    high: int

    def __call__(self, groups: Sequence[Group], run: Run) -> list[Group]:
        """Groups without a candidate are left out. Raises InputError when no group remains."""
        return drawn(groups, run, self.low, self.high, 1, range)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How an estimator did on hidden positives: on which collection, mined how, and the counts."""

    collection: str
    mined_by: str
    window: str
    estimator: PositiveRelative
    tally: Tally

    @property
    def informs(self) -> bool:
        """Whether flags carry information: with 95 % confidence they are likelier for hidden positives than others.

        The others are all that is not known to be relevant, so some are relevant too: their share is an upper bound.
        """
        ahead = interval(
            lambda sums: (
                ratio(sums[..., FOUND], sums[..., HIDDEN])
                - ratio(sums[..., FLAGGED] - sums[..., FOUND], sums[..., MINED] - sums[..., HIDDEN])
            ),
            self.tally,
        )
        return ahead.low is not None and ahead.low > 0


def calibrate(
    collection: str,
    judged: PartlyHidden,
    run: Run,
    mined_by: str,
    ranks: EveryRank,
    scores: Mapping[str, Scores],
    estimators: Sequence[PositiveRelative],
) -> list[Calibration]:
    """One calibration for each estimator, on the same mined negatives.

    `collection` and `mined_by` name the data and the system behind `judged` and `run`, whose `ranks` are mined for the
    kept positives, without excluding the hidden ones; queries with many positives weigh more, as in training on all of
    them. Raises InputError as `ranks` and the estimators do.
    """
    groups = ranks(judged.groups(), run)
    tallies = [Tally.of(groups, estimator(groups, scores), judged.hidden) for estimator in estimators]
    return [Calibration(collection, mined_by, str(ranks), *pair) for pair in zip(estimators, tallies, strict=True)]
