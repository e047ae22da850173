"""Documents that are near to very many others, or to none.

There are two counts. N_k over *queries* is what search shows and needs scores alone, but 256 queries fill only 2,560
places among 1,024 documents: by chance alone about exp(-2.5) = 8 % of them are in no list and the skewness is 0.6, and
a positive that several queries share looks like a hub. N_k over *documents* is the definition of the source: its mean
is k for any sample, so it shows the hubs of the space and not those of the queries.
"""

from __future__ import annotations

import numpy as np

from strop.geometry.pairs import Floats, Vectors
from strop.geometry.sample import Sample
from strop.geometry.separation import rounding

#: The length of the lists whose members are counted.
K = 10


def in_top(scores: Floats, k: int) -> Floats:
    """`(Q, N)`: 1 where a column is among its row's k highest, else 0; ties for the last places share them evenly.

    With k columns or fewer, all are in. Sharing makes the counts independent of the order of the columns.
    """
    k = min(k, scores.shape[1])
    last = np.partition(scores, -k, axis=1)[:, [-k]]
    slack = rounding(scores)
    above, level = scores > last + slack, scores >= last - slack
    clear, places = above.sum(axis=1, keepdims=True), level.sum(axis=1, keepdims=True)
    each = (k - clear) / (places - clear)
    shared: Floats = np.where(above, 1.0, np.where(level, each, 0.0))
    return shared


def neighbours(vectors: Vectors, k: int = K) -> Floats:
    """`(N, N)`: 1 where a row is among the k others nearest to it by cosine, else 0; unit rows `(N, D)`. Ties share."""
    cosines = np.asarray(vectors, dtype=np.float64) @ np.asarray(vectors, dtype=np.float64).T
    np.fill_diagonal(cosines, -2.0)  # below any cosine: never its own neighbour
    return in_top(cosines, min(k, len(cosines) - 1))


def skewness(counts: Floats) -> float:
    """The third standardised moment of counts; 0 where all are the same."""
    moved = counts - counts.mean()
    spread = float(np.sqrt(np.square(moved).mean()))
    return float((moved**3).mean()) / spread**3 if spread > 1e-9 * float(counts.max()) else 0.0


def hub_skew(sample: Sample) -> float:
    """The skewness of how many queries have a document in their top 10, over all documents of the sample.

    Higher where few documents crowd many lists. Radovanović, Nanopoulos and Ivanović 2010 (JMLR 11), whose points
    are queries and documents at once.
    """
    return skewness(in_top(sample.scores, K).sum(axis=0))


def document_hub_skew(sample: Sample) -> float:
    """The skewness of how many documents have a document among their 10 nearest. Radovanović et al. 2010."""
    return skewness(neighbours(sample.documents).sum(axis=0))


def anti_hubs(sample: Sample) -> float:
    """The share of documents that are in no query's top 10, in [0, 1]. Radovanović et al. 2010."""
    return float((in_top(sample.scores, K).sum(axis=0) == 0).mean())
