"""How many directions vectors use, and how evenly: numbers of their spectrum."""

from __future__ import annotations

import numpy as np

from strop.geometry.pairs import Floats, Vectors
from strop.records.errors import InputError

#: The ranks of eigenvalues a power law is fitted to: the first few follow topics, the last ones noise.
FIRST, LAST = 10, 100
#: The largest exponent: a spectrum that ends before rank `LAST` falls faster than any power.
STEEPEST = 10.0
_ROUNDING = 1e-14  # a spread this small beside the length of the vectors is rounding


def centred(vectors: Vectors) -> Floats:
    """Rows `(N, D)` minus their mean; all zeros where they differ by rounding alone."""
    rows = np.asarray(vectors, dtype=np.float64)
    moved: Floats = rows - rows.mean(axis=0)
    if np.linalg.norm(moved) <= _ROUNDING * np.linalg.norm(rows):
        return np.zeros_like(moved)
    return moved


def products(rows: Floats) -> Floats:
    """The smaller of the two matrices of products of rows `(N, D)`, `(D, D)` or `(N, N)`: their spectra agree."""
    return rows.T @ rows if rows.shape[0] >= rows.shape[1] else rows @ rows.T


def eigenvalues(rows: Floats) -> Floats:
    """Squared singular values of rows `(N, D)`, falling; those that are rounding beside the first are 0."""
    values: Floats = np.asarray(np.linalg.eigvalsh(products(rows))[::-1], dtype=np.float64)
    return np.where(values > len(values) * np.finfo(np.float64).eps * values[0], values, 0.0)


def effective_rank(vectors: Vectors) -> float:
    """exp of the entropy of the singular values of rows `(N, D)`, as shares of their sum; rows are not centred.

    In [1, min(N, D)], higher uses more directions: 1 where all rows lie on one line through the origin, D where all
    directions are used alike. Singular values come from the products of the rows, so those below 1e-8 sqrt(D) of the
    first count as 0. Raises InputError where all rows are zero. Roy and Vetterli 2007 (EUSIPCO), section 2.
    """
    values = np.sqrt(eigenvalues(np.asarray(vectors, dtype=np.float64)))
    if not values.sum() > 0:
        raise InputError("all vectors are zero and have no rank", remedy="Encode the texts again")
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def isoscore(vectors: Vectors) -> float:
    """How evenly the variance of rows `(N, D)` is spread over all D directions, with l the covariance's eigenvalues.

    ((sum l)^2 / sum l^2 - 1) / (D - 1), to which the paper's seven steps reduce. In [0, 1]: 1 where all directions
    carry the same variance, (k - 1) / (D - 1) where k do and the others none, 0 on one line, or where all rows
    coincide. Few rows cannot fill the space: an isotropic sample of N rows has about N / (N + D), so only samples of
    one size compare. Raises InputError with fewer than two dimensions. Rudman et al. 2022 (arXiv 2108.07344).
    """
    rows = centred(vectors)
    if rows.shape[1] < 2:
        raise InputError("isoscore of one dimension is not defined", remedy="Give vectors of two dimensions or more")
    matrix = products(rows)
    squares = float(np.square(matrix).sum())  # of the eigenvalues, without finding them
    if squares == 0:
        return 0.0
    used = float(np.trace(matrix)) ** 2 / squares
    others: int = rows.shape[1] - 1
    return min(1.0, max(0.0, (used - 1) / others))


def spectrum_decay(vectors: Vectors) -> float:
    """The exponent a of i^-a, fitted to the i-th eigenvalues of the covariance of rows `(N, D)`.

    By least squares of logarithms, over ranks 10 to 100; with fewer than 200 directions (D, or N - 1 where that is
    less) up to half of them, from a tenth of that. In [0, 10]: 0 for a flat spectrum, 10 also where the spectrum ends
    within those ranks. It depends on the number of rows, so only samples of one size compare. Agrawal et al. 2022
    (alpha-ReQ, NeurIPS).
    """
    rows = centred(vectors)
    values = eigenvalues(rows)
    last = max(2, min(LAST, min(len(rows) - 1, rows.shape[1]) // 2))
    first = max(1, last * FIRST // LAST)
    fitted = values[first - 1 : last]
    if len(fitted) < 2 or fitted[-1] <= 0:
        return STEEPEST
    steps, heights = np.log(np.arange(first, last + 1)), np.log(fitted)
    steps -= steps.mean()
    return min(STEEPEST, max(0.0, -float(steps @ heights / (steps @ steps))))
