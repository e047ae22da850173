"""How many of the mined negatives are false: an estimate by what an estimator flags, corrected by its calibration."""

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

    It takes precision over to the new collection, which holds only where false negatives are about as frequent as
    among the hidden ones; and precision / recall is hidden / flagged, so that the estimate follows the flagged share
    whether or not a flag means anything (`Calibration.informs`). How collections differ is not in the interval: check
    it on a second one with `false_negative_report`. Estimating by recall and false alarms instead (Rogan and Gladen
    1978) needs no equal frequency, but false alarms differ so much between collections that it is no use here.
    """

    def corrected(new: Floats, known: Floats) -> Floats:
        precision, recall = ratio(known[..., FOUND], known[..., FLAGGED]), ratio(known[..., FOUND], known[..., HIDDEN])
        return ratio(new[..., FLAGGED], new[..., MINED]) * ratio(precision, recall)

    return interval(corrected, target, calibration.tally)


def false_negative_report(
    groups: Sequence[Group], scores: Mapping[str, Scores], calibrations: Sequence[Calibration]
) -> dict[str, Any]:
    """What is known of the false negatives among mined ones, as values ready for JSON.

    `groups` are the training groups with their negatives; `scores` the sources that the calibrated estimators name, by
    name (`run_scores` of a Run, or cosines); `calibrations` from `calibrate`, on other collections where this one has
    one positive a query. For each calibration: what its estimator flags here, the estimates with intervals and by which
    collection they are calibrated, flags by rank bin, a sentence, and the calibration itself. `checks`: the estimates
    that one collection's calibration makes of another's hidden positives, whose share is known. Raises InputError
    without negatives, or when a source is missing.
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
    said = f"{calibration.estimator}: {_shown(flagged)} are flagged"
    where = f"{calibration.collection} ({calibration.mined_by}, {calibration.window})"
    if not calibration.informs:
        return f"{said}; no estimate, because on {where} flags did not tell hidden positives from others"
    return f"{said}; corrected by precision and recall on {where}, {_shown(estimate)} are false negatives"


def _shown(share: Share) -> str:
    if share.value is None or share.low is None or share.high is None:
        return "an undefined share"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _checks(known: Calibration, other: Calibration) -> bool:
    """Whether `other` can test `known`: the same way of mining and estimating on another collection."""
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
        f"{_shown(actual)} are hidden positives, {_shown(estimate)} were estimated",
    }
