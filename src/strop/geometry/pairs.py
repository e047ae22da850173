"""Where pairs of vectors lie and how much of the space they use. Every number is invariant to rotation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from strop.nouns import InputError

#: Any float matrix; inside, products and sums are float64.
Vectors = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]


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
            f"queries {queries.shape} and positives {positives.shape} are no pairs",
            remedy="Give one positive row for each query row",
        )
    return float(np.square(unit(queries) - unit(positives)).sum(axis=1).mean())


def uniformity(vectors: Vectors) -> float:
    """log of the mean of exp(-2 d^2) over all pairs of distinct rows `(N, D)`, scaled to unit length.

    In [-8, 0], lower is more uniform: 0 where all rows coincide, near -4 for directions drawn evenly in many
    dimensions. Raises InputError with fewer than two rows. Wang and Isola 2020, section 4.1 with t = 2.
    """
    rows = unit(vectors)
    if len(rows) < 2:
        raise InputError("uniformity needs two vectors at least", remedy="Give more vectors")
    upper = np.triu_indices(len(rows), k=1)
    squared = np.maximum(2.0 - 2.0 * (rows @ rows.T)[upper], 0.0)
    return min(0.0, float(np.log(np.exp(-2.0 * squared).mean())))


def effective_rank(vectors: Vectors) -> float:
    """exp of the entropy of the singular values of rows `(N, D)`, as shares of their sum; rows are not centred.

    In [1, min(N, D)], higher uses more directions: 1 where all rows lie on one line through the origin, D where all
    directions are used alike. Raises InputError where all rows are zero. Roy and Vetterli 2007 (EUSIPCO), section 2.
    """
    values = np.linalg.svd(np.asarray(vectors, dtype=np.float64), compute_uv=False)
    if not values.sum() > 0:
        raise InputError("vectors of zeros have no rank", remedy="Encode the texts again")
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
