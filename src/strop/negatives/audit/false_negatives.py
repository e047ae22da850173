"""How many of the mined negatives are false: the share that an estimator flags, corrected by its calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strop.negatives.audit.calibration import Calibration
from strop.negatives.audit.tally import FLAGGED, FOUND, HIDDEN, MINED, Floats, Share, Tally, interval, ratio
from strop.negatives.filters import Scores
from strop.records.documents import Group
from strop.records.errors import InputError


def estimated_share(target: Tally, calibration: Calibration) -> Share:
    """Flagged share × precision / recall, in [0, 1]; the interval resamples the queries of both collections.

    It assumes that precision is the same on the new collection, which holds only where false negatives are about as
    frequent as the hidden ones were. Since precision / recall is hidden / flagged, the estimate follows the flagged
    share whether or not flags carry information (`Calibration.informs`). The interval does not cover differences
    between collections: check these on a second one with `false_negative_report`. An estimate by recall and false
    alarms (Rogan and Gladen 1978) needs no equal frequency, but false alarms differ too much between collections.
    """

    def corrected(new: Floats, known: Floats) -> Floats:
        precision, recall = ratio(known[..., FOUND], known[..., FLAGGED]), ratio(known[..., FOUND], known[..., HIDDEN])
        return ratio(new[..., FLAGGED], new[..., MINED]) * ratio(precision, recall)

    return interval(corrected, target, calibration.tally)


def false_negative_report(
    groups: Sequence[Group], scores: Mapping[str, Scores], calibrations: Sequence[Calibration]
) -> dict[str, Any]:
    """What is known about the false negatives among mined ones, as values ready for JSON.

    `groups` are training groups with negatives; `scores` has the sources that the calibrated estimators name
    (`run_scores` of a Run, or cosines); `calibrations` come from `calibrate`, on other collections where this one has
    one positive per query. `estimates` has for each calibration the share its estimator flags here, the corrected share
    with its interval, flags by rank bin, a sentence, and the calibration. `checks` has what the calibration on one
    collection estimates for another's hidden positives, whose share is known. Raises InputError when there are no
    negatives, or when a source is missing.
    """
    mined = sum(len(group.negatives) for group in groups)
    if not mined:
        raise InputError("the groups have no negatives", remedy="Mine negatives first")
    positives = {group.query_id: group.relevant.union(group.positives) for group in groups}
    return {
        "negatives": mined,
        "queries": len(positives),
        "positives_per_query": sum(map(len, positives.values())) / len(positives),
        "estimates": [_estimate(groups, scores, calibration) for calibration in calibrations],
        "checks": [_check(known, other) for known in calibrations for other in calibrations if _checks(known, other)],
    }


def _estimate(groups: Sequence[Group], scores: Mapping[str, Scores], calibration: Calibration) -> dict[str, Any]:
    target = Tally.of(groups, calibration.estimator(groups, scores))
    flagged, estimate = target.share(FLAGGED, of=MINED), estimated_share(target, calibration)
    rows = target.by_rank()
    for row in rows:
        for name in ("hidden", "hidden_low", "hidden_high"):
            del row[name]  # nothing is hidden here
    return {
        "estimator": str(calibration.estimator),
        "flagged": flagged.plain(),
        "estimated": estimate.plain(),
        "by_rank": rows,
        "reading": _reading(flagged, estimate, calibration),
        "calibration": calibration.plain(),
    }


def _reading(flagged: Share, estimate: Share, calibration: Calibration) -> str:
    share = f"{calibration.estimator}: {_with_interval(flagged)} are flagged"
    where = f"{calibration.collection} ({calibration.mined_by}, {calibration.window})"
    if not calibration.informs:
        return f"{share}; no estimate, because on {where} flags did not tell hidden positives from others"
    return f"{share}; corrected by precision and recall on {where}, {_with_interval(estimate)} are false negatives"


def _with_interval(share: Share) -> str:
    if share.value is None or share.low is None or share.high is None:
        return "an undefined share"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _checks(known: Calibration, other: Calibration) -> bool:
    """Whether `other` can test `known`: the same mining and the same estimator on another collection."""
    same = (known.estimator, known.mined_by, known.window) == (other.estimator, other.mined_by, other.window)
    return same and known.collection != other.collection


def _check(known: Calibration, other: Calibration) -> dict[str, Any]:
    estimate, actual = estimated_share(other.tally, known), other.picked
    return {
        "estimator": str(known.estimator),
        "mined_by": known.mined_by,
        "window": known.window,
        "calibrated_on": known.collection,
        "tested_on": other.collection,
        "actual": actual.plain(),
        "estimated": estimate.plain(),
        "reading": f"{known.estimator}, calibrated on {known.collection}, tested on {other.collection}: "
        f"{_with_interval(actual)} are hidden positives, {_with_interval(estimate)} were estimated",
    }
