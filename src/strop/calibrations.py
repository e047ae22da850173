"""Calibrations of false-negative estimators on a study's own training queries, for negatives mined one way."""

from __future__ import annotations

from collections.abc import Mapping

from strop.mining import Mining
from strop.negatives.hidden_positives import Calibration, EveryRank, calibrate, hide
from strop.negatives.positive_relative import PositiveRelative, Scores
from strop.nouns import InputError
from strop.systems import Mined

#: The base's scores alone, and those BM25 agrees with: of these, what both flag.
ESTIMATORS = (PositiveRelative(0.95, ("dense",)), PositiveRelative(0.95, ("dense", "BM25")))


def calibrations(
    mining: Mining, policy: Mined, mined_by: str, ranks: EveryRank, scores: Mapping[str, Scores]
) -> list[Calibration]:
    """On training queries with two known positives or more, half of them hidden; none where there are none."""
    train, known = mining.train, mining.documents
    usable = {q: {d: r for d, r in judged.items() if d in known} for q, judged in train.qrels.items()}
    try:
        judged = hide(usable, 0.5, mining.seed)
    except InputError:
        return []
    return calibrate(f"{train.name}/{train.split}", judged, mining.run(policy), mined_by, ranks, scores, ESTIMATORS)
