"""How far apart queries and documents are in the space."""

from __future__ import annotations

import numpy as np

from strop.geometry.pairs import Floats
from strop.geometry.sample import Sample
from strop.geometry.spectrum import centred


def centroid_gap(sample: Sample) -> float:
    """The distance between the mean unit query and the mean unit document, in [0, 2].

    Liang et al. 2022 (arXiv 2203.02053), of two modalities.
    """
    return float(np.linalg.norm(sample.queries.mean(axis=0) - sample.documents.mean(axis=0)))


def separable(sample: Sample) -> float:
    """The probability that a linear rule, fitted without the two, tells a query from its own positive.

    In [0, 1]: 0.5 where no linear rule separates the roles, 1 where a plane does; a tie counts half. For one vector per
    text. Ridge regression of the role on queries and positives, with the mean eigenvalue as its strength; each query is
    left out together with its own positive, in closed form. Both sides then have the same topics, and there are no
    folds, hence no seed and no dependence on order. Leaving out pairs: Airola et al. 2011 (CSDA 55), for ridge
    Pahikkala et al. 2008.
    """
    queries = np.arange(len(sample.queries))
    positives, answer = np.unique(sample.positives, return_inverse=True)
    rows = centred(np.concatenate([sample.queries, sample.documents[positives]]))
    count, dimensions = rows.shape
    strength = float(np.square(rows).sum()) / dimensions
    if strength == 0:
        return 0.5
    labels = (np.arange(count) < len(queries)).astype(np.float64)
    solved = np.linalg.solve(rows.T @ rows + strength * np.eye(dimensions), rows.T)
    residuals = labels - labels.mean() - rows @ (solved @ labels)
    # The hat matrix, where it is needed: centred rows, so the free intercept adds 1 / N to every entry.
    own = (rows * solved.T).sum(axis=1) + 1 / count
    partner = len(queries) + answer
    shared = (rows[queries] * solved.T[partner]).sum(axis=1) + 1 / count
    return _in_order(residuals[queries], residuals[partner], 1 - own[queries], 1 - own[partner], shared)


def _in_order(query: Floats, document: Floats, left_q: Floats, left_d: Floats, shared: Floats) -> float:
    """The share of pairs in order once both are left out; `query` and `document` are their residuals `(Q,)`.

    The residuals e after leaving out solve (I - H) e = r for the two, here by Cramer's rule. Labels are 1 and 0.
    """
    moved = (query * (left_d - shared) - document * (left_q - shared)) / (left_q * left_d - shared**2)
    ahead, slack = 1.0 - moved, 1e-9
    return float((ahead > slack).mean() + (np.abs(ahead) <= slack).mean() / 2)
