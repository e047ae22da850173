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
    between collections.
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
    one positive per query. `estimates` has for each calibration whether it `informs`, the `estimated` share with its
    interval, flags by rank bin, and a sentence. Raises InputError when there are no negatives, or a source is missing.
    """
    mined = sum(len(group.negatives) for group in groups)
    if not mined:
        raise InputError("the groups have no negatives", remedy="Mine negatives first")
    positives = {group.query_id: group.relevant.union(group.positives) for group in groups}
    return {
        "negatives": mined,
        "positives_per_query": sum(map(len, positives.values())) / len(positives),
        "estimates": [_estimate(groups, scores, calibration) for calibration in calibrations],
    }


def _estimate(groups: Sequence[Group], scores: Mapping[str, Scores], calibration: Calibration) -> dict[str, Any]:
    target = Tally.of(groups, calibration.estimator(groups, scores))
    estimate = estimated_share(target, calibration)
    return {
        "estimator": str(calibration.estimator),
        "informs": calibration.informs,
        "estimated": estimate.plain(),
        "by_rank": target.by_rank(),
        "reading": _reading(target.share(FLAGGED, of=MINED), estimate, calibration),
    }


def _reading(flagged: Share, estimate: Share, calibration: Calibration) -> str:
    share = f"{calibration.estimator}: {flagged} are flagged"
    where = f"{calibration.collection} ({calibration.mined_by}, {calibration.window})"
    if not calibration.informs:
        return f"{share}; no estimate, because on {where} flags did not tell hidden positives from others"
    return f"{share}; corrected by precision and recall on {where}, {estimate} are false negatives"
