"""How far queries keep their positives from the other documents of a sample, read from scores alone.

The others are whatever else was sampled: some may be relevant too, so only the same sample compares.
"""

from __future__ import annotations

import numpy as np

from strop.geometry.pairs import Floats
from strop.geometry.sample import Sample
from strop.records.errors import InputError


def rounding(scores: Floats) -> float:
    """Scores closer than this are ties: equal texts can differ by rounding, and by no more."""
    return 1e-12 * float(np.abs(scores).max())


def positive_ranks(sample: Sample) -> Floats:
    """The rank `(Q,)` of each query's positive among the N documents, from 1; of a tie's places it takes the mean."""
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
    """The median over queries of score(positive) - score(best other document), in the model's own unit of scores."""
    return float(np.median(_margins(sample)))


def standardised_margin(sample: Sample) -> float:
    """The median over queries of that margin by the SD of the query's own scores of all N documents.

    The same for any scores a s + b with a > 0, so models with other scales compare; 0 where a query's scores are all
    the same. Between -sqrt(2 N) and sqrt(2 N). Ours.
    """
    spreads = sample.scores.std(axis=1)
    told = spreads > rounding(sample.scores)
    return float(np.median(np.divide(_margins(sample), spreads, out=np.zeros(len(spreads)), where=told)))


def _own(sample: Sample) -> Floats:
    if sample.scores.shape[1] < 2:
        raise InputError("one document has nothing to be told from", remedy="Sample two documents at least")
    own: Floats = sample.scores[np.arange(len(sample.positives)), sample.positives]
    return own


def _margins(sample: Sample) -> Floats:
    own = _own(sample)
    others = sample.scores.copy()
    others[np.arange(len(own)), sample.positives] = -np.inf
    margins: Floats = own - others.max(axis=1)
    return margins
