"""How well scores separate the positives from the other documents of a sample.

Some of the others may be relevant too, so values compare only on the same sample.
"""

from __future__ import annotations

import numpy as np

from strop.geometry.pairs import Floats
from strop.geometry.sample import Sample
from strop.records.errors import InputError


def rounding(scores: Floats) -> float:
    """The difference up to which scores are ties: scores of equal texts can differ by rounding."""
    return 1e-12 * float(np.abs(scores).max())


def positive_ranks(sample: Sample) -> Floats:
    """The rank `(Q,)` of each query's positive among the N documents, from 1; ties share the mean of their ranks."""
    own = _own(sample)[:, None]
    slack = rounding(sample.scores)
    above = (sample.scores > own + slack).sum(axis=1)
    level = (sample.scores >= own - slack).sum(axis=1)  # itself among them
    ranks: Floats = (above + level + 1) / 2
    return ranks


def auc(sample: Sample) -> float:
    """The probability that a query's positive outscores another document of the sample; a tie counts half.

    In [0, 1]: 1 where every positive comes first, 0.5 at random. The mean of the queries' own areas under the curve:
    scores of different queries are never compared. Hanley and McNeil 1982 (Radiology 143).
    """
    others: int = sample.scores.shape[1] - 1
    return 1.0 - (float(positive_ranks(sample).mean()) - 1) / others


def margin(sample: Sample) -> float:
    """The median over queries of score(positive) - score(best other document), in the model's own scores. Ours."""
    return float(np.median(_margins(sample)))


def standardised_margin(sample: Sample) -> float:
    """The median over queries of that margin divided by the SD of the query's scores of all N documents.

    The same for any scores a s + b with a > 0, so that models of different scales compare; 0 where a query's scores are
    all the same. Between -sqrt(2 N) and sqrt(2 N). Ours.
    """
    spreads = sample.scores.std(axis=1)
    differ = spreads > rounding(sample.scores)
    return float(np.median(np.divide(_margins(sample), spreads, out=np.zeros(len(spreads)), where=differ)))


def _own(sample: Sample) -> Floats:
    if sample.scores.shape[1] < 2:
        raise InputError("the sample has one document only", remedy="Sample two documents at least")
    own: Floats = sample.scores[np.arange(len(sample.positives)), sample.positives]
    return own


def _margins(sample: Sample) -> Floats:
    own = _own(sample)
    others = sample.scores.copy()
    others[np.arange(len(own)), sample.positives] = -np.inf
    margins: Floats = own - others.max(axis=1)
    return margins
