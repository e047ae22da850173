"""What a linear map, or a rotation, keeps of one model's vectors in another's of the same texts."""

from __future__ import annotations

import numpy as np

from strop.geometry.pairs import Floats, Vectors
from strop.geometry.spectrum import centred


def cka(vectors: Vectors, base: Vectors) -> float:
    """Linear centred kernel alignment of rows `(N, D)` and `(N, E)` of the same texts.

    In [0, 1]: 1 where one is a rotation, scaling and shift of the other. Unrelated vectors do not reach 0: isotropic
    ones read about sqrt(D E / ((N + D) (N + E))). A side without any spread gives 0, two such sides 1.
    Kornblith et al. 2019 (arXiv 1905.00414).
    """
    one, other = centred(vectors), centred(base)
    sizes = float(np.linalg.norm(one.T @ one) * np.linalg.norm(other.T @ other))
    if sizes == 0:
        return _both_still(one, other)
    return min(1.0, float(np.square(one.T @ other).sum()) / sizes)


def procrustes(vectors: Vectors, base: Vectors) -> float:
    """What the best rotation leaves of the distance of rows `(N, D)` to `(N, E)`, of the same texts.

    min over orthogonal R of |A R - B|^2 / 2, with A and B centred and scaled to length 1 as a whole, the narrower
    padded by zeros: 1 - the sum of the singular values of A' B. In [0, 1]: 0 where one is a rotation, scaling and shift
    of the other. A side without any spread gives 1, two such sides 0. Schönemann 1966 (Psychometrika 31); scaled as in
    Ding et al. 2021 (arXiv 2108.01661).
    """
    one, other = centred(vectors), centred(base)
    sizes = float(np.linalg.norm(one) * np.linalg.norm(other))
    if sizes == 0:
        return 1.0 - _both_still(one, other)
    kept = float(np.linalg.svd(one.T @ other, compute_uv=False).sum()) / sizes
    return min(1.0, max(0.0, 1.0 - kept))


def _both_still(one: Floats, other: Floats) -> float:
    return float(not one.any() and not other.any())
