"""Calibration: hide some known positives, mine, and count how many come back as negatives and how many are flagged.

A hidden positive that is mined is certainly a false negative. Relevant documents that nobody judged are not known: they
count as wrongly flagged, so precision is a lower bound, and so is the share that is picked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from strop.negatives.audit.tally import FLAGGED, FOUND, HIDDEN, MINED, Share, Tally, interval, ratio
from strop.negatives.filters import PositiveRelative, Scores
from strop.records.documents import Group, Qrels
from strop.records.errors import InputError
from strop.records.runs import Run

#: Groups without negatives, a Run and a seed -> groups with negatives, such as RankWindow.
Miner = Callable[[Sequence[Group], Run, int], list[Group]]


@dataclass(frozen=True, slots=True)
class PartlyHidden:
    """Judgments of queries with two positives or more, without a `share` of these: `hidden`, by query."""

    kept: Qrels
    hidden: Mapping[str, frozenset[str]]
    share: float

    def groups(self) -> list[Group]:
        """A group for each kept positive; only kept positives are forbidden as negatives."""
        groups = []
        for query_id, grades in self.kept.items():
            relevant = [d for d, grade in grades.items() if grade > 0]
            groups += [Group(query_id, (d,), relevant=frozenset(relevant)) for d in relevant]
        return groups


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
    return PartlyHidden(kept, hidden, share)


@dataclass(frozen=True, slots=True)
class EveryRank:
    """All documents of ranks `low`…`high` but the known positives: everything that `RankWindow` draws from."""

    low: int
    high: int

    def __call__(self, groups: Sequence[Group], run: Run, seed: int = 0) -> list[Group]:
        """Groups without a candidate are left out; `seed` is not used. Raises InputError when no group remains."""
        mined = []
        for group in groups:
            ranking = run[group.query_id].doc_ids[: self.high] if group.query_id in run else ()
            known = group.relevant.union(group.positives)
            window = [(rank, d) for rank, d in enumerate(ranking, 1) if rank >= self.low and d not in known]
            if window:
                mined.append(group.with_negatives((d, f"rank {rank}") for rank, d in window))
        if not mined:
            raise InputError(
                f"no query has a candidate at ranks {self.low} to {self.high}",
                remedy="Choose a window nearer the top, or give a deeper run",
            )
        return mined


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How an estimator did on hidden positives: where, on what, and the counts behind all its figures."""

    collection: str
    mined_by: str
    window: str
    depth: int
    hidden_share: float
    estimator: PositiveRelative
    tally: Tally

    @property
    def precision(self) -> Share:
        """The share of flagged negatives that are hidden positives: a lower bound, as unjudged ones count as wrong."""
        return self.tally.share(FOUND, of=FLAGGED)

    @property
    def recall(self) -> Share:
        """The share of mined hidden positives that are flagged."""
        return self.tally.share(FOUND, of=HIDDEN)

    @property
    def false_alarms(self) -> Share:
        """The share of other mined negatives that are flagged: an upper bound, as unjudged ones are among them."""
        return interval(_false_alarms, self.tally)

    @property
    def picked(self) -> Share:
        """The share of mined negatives that are hidden positives: the known false-negative rate at `hidden_share`."""
        return self.tally.share(HIDDEN, of=MINED)

    @property
    def picked_if_all_hidden(self) -> Share:
        """`picked` / `hidden_share`: the rate for a miner to which no positive is known."""
        return interval(lambda sums: ratio(sums[..., HIDDEN], sums[..., MINED]) / self.hidden_share, self.tally)

    @property
    def informs(self) -> bool:
        """Whether flags carry information: recall above the false alarms, with 95 % confidence."""
        ahead = interval(lambda sums: _recall(sums) - _false_alarms(sums), self.tally)
        return ahead.low is not None and ahead.low > 0

    def plain(self) -> dict[str, Any]:
        """All figures as values ready for JSON."""
        counts = dict(zip(("mined", "flagged", "hidden", "found"), self.tally.totals(), strict=True))
        return {
            "collection": self.collection,
            "mined_by": self.mined_by,
            "window": self.window,
            "depth": self.depth,
            "hidden_share": self.hidden_share,
            "estimator": str(self.estimator),
            "queries": self.tally.queries,
            **counts,
            "picked": self.picked.plain(),
            "picked_if_all_hidden": self.picked_if_all_hidden.plain(),
            "precision": self.precision.plain(),
            "recall": self.recall.plain(),
            "false_alarms": self.false_alarms.plain(),
            "informs": self.informs,
            "by_rank": self.tally.by_rank(),
        }


def calibrate(
    collection: str,
    judged: PartlyHidden,
    run: Run,
    mined_by: str,
    miner: Miner,
    scores: Mapping[str, Scores],
    estimators: Sequence[PositiveRelative],
    seed: int = 0,
) -> list[Calibration]:
    """One calibration for each estimator, on the same mined negatives.

    `collection` and `mined_by` name the data and the system behind `judged` and `run`. `miner` mines `run` for the kept
    positives, without excluding the hidden ones; queries with many positives weigh more, as in training on all of them.
    Raises InputError as the miner and the estimators do.
    """
    depth = max((len(ranking.doc_ids) for ranking in run.values()), default=0)
    groups = miner(judged.groups(), run, seed)
    return [
        Calibration(
            collection,
            mined_by,
            str(miner),
            depth,
            judged.share,
            estimator,
            Tally.of(groups, estimator(groups, scores), judged.hidden),
        )
        for estimator in estimators
    ]


def _recall(sums: Any) -> Any:
    return ratio(sums[..., FOUND], sums[..., HIDDEN])


def _false_alarms(sums: Any) -> Any:
    return ratio(sums[..., FLAGGED] - sums[..., FOUND], sums[..., MINED] - sums[..., HIDDEN])
