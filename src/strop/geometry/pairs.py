"""How pairs of vectors lie on the sphere. No rotation changes any of these numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from strop.records.errors import InputError

#: Any float matrix; inside, products and sums are float64.
Vectors = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
#: Rows of a matrix of pairs that are held at a time: at most 16 KiB per vector.
_BLOCK = 2048


def unit(vectors: Vectors) -> Floats:
    """Rows `(N, D)` scaled to length 1. Raises InputError for a row of zeros, which has no direction."""
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.all((lengths > 0) & np.isfinite(lengths)):
        bad = int(np.argmin((lengths > 0) & np.isfinite(lengths)))
        raise InputError(f"vector {bad} is zero or not finite", remedy="Leave its text out, or encode it again")
    scaled: Floats = rows / lengths
    return scaled


def alignment(queries: Vectors, positives: Vectors) -> float:
    """Mean squared distance of unit queries `(P, D)` to their unit positives `(P, D)`.

    In [0, 4], lower is better: 0 where each pair coincides, 2 for unrelated directions. Raises InputError where the
    shapes differ. Wang and Isola 2020 (arXiv 2005.10242), section 4.1 with alpha = 2.
    """
    if queries.shape != positives.shape:
        raise InputError(
            f"queries {queries.shape} and positives {positives.shape} do not form pairs",
            remedy="Give one positive row for each query row",
        )
    return float(np.square(unit(queries) - unit(positives)).sum(axis=1).mean())


def uniformity(vectors: Vectors) -> float:
    """log of the mean of exp(-2 d^2) over all pairs of distinct rows `(N, D)`, scaled to unit length.

    In [-8, 0], lower is more uniform: 0 where all rows coincide, near -4 for directions drawn evenly in many
    dimensions. Raises InputError with fewer than two rows. Wang and Isola 2020, section 4.1 with t = 2.
    """
    rows = _pairs_of(vectors)
    total = 0.0
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        near = np.exp(np.minimum(4.0 * (block @ rows.T) - 4.0, 0.0))  # -2 d^2 = 4 cos - 4
        near[np.arange(len(block)), start + np.arange(len(block))] = 0.0  # no pair with itself
        total += float(near.sum())
    return min(0.0, float(np.log(total / (len(rows) * (len(rows) - 1)))))


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


def _pairs_of(vectors: Vectors) -> Floats:
    if len(vectors) < 2:
        raise InputError(f"{len(vectors)} vectors have no pairs", remedy="Give two vectors at least")
    return unit(vectors)
