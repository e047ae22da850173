"""How alike any two vectors of a set are."""

from __future__ import annotations

import numpy as np

from strop.geometry.pairs import Vectors, unit
from strop.nouns import InputError


def mean_cosine(vectors: Vectors) -> float:
    """The mean cosine of all pairs of distinct rows `(N, D)`.

    In [-1 / (N - 1), 1]: near 0 for directions drawn evenly, 1 where all rows point the same way. Raises InputError
    with fewer than two rows. Ethayarajh 2019 (arXiv 1909.00512).
    """
    rows = _pairs_of(vectors)
    count = len(rows)
    # The squared length of the sum holds every pair twice, and each row with itself.
    among = float(np.square(rows.sum(axis=0)).sum() - np.square(rows).sum()) / (count * (count - 1))
    return min(1.0, max(-1.0, among))


def cosine_quantile(vectors: Vectors, share: float) -> float:
    """The cosine below which a `share` of all pairs of distinct rows `(N, D)` lie, interpolated.

    In [-1, 1]. Holds all N^2 cosines at once. Raises InputError with fewer than two rows.
    """
    rows = _pairs_of(vectors)
    cosines = (rows @ rows.T)[np.tri(len(rows), k=-1, dtype=bool)]
    return min(1.0, max(-1.0, float(np.quantile(cosines, share, overwrite_input=True))))


def _pairs_of(vectors: Vectors) -> Vectors:
    if len(vectors) < 2:
        raise InputError("one vector has no pair", remedy="Give two vectors at least")
    return unit(vectors)
