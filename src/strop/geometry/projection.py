"""Flat pictures of vectors, and numbers that measure how far such a picture can be trusted.

A UMAP picture is a layout `(N, 2)` without units, origin or orientation: two pictures compare by neighbourhoods only,
unless both use one fitted model. A plane (PCA) keeps distances along its two axes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # type: ignore[import-untyped]

from strop.geometry.pairs import Floats, Vectors
from strop.geometry.spectrum import centred
from strop.records.errors import InputError

#: What the authors of arXiv 2506.18535 drew with; also UMAP's own defaults.
NEIGHBOURS, MIN_DIST = 15, 0.1
_PROBES = 64  # probes along the longer side of a picture; their number moves `clumping` in the third decimal


def umap(vectors: Vectors, seed: int) -> Floats:
    """A flat layout `(N, 2)` of rows `(N, D)` under the Euclidean metric, fixed by its seed on one machine.

    Raises InputError where there are no more rows than NEIGHBOURS, or a value is not finite.
    McInnes, Healy and Melville 2018 (arXiv 1802.03426).
    """
    return np.asarray(_fitted(vectors, seed).embedding_, dtype=np.float64)


def umap_on(base: Vectors, others: Mapping[str, Vectors], seed: int) -> dict[str, Floats]:
    """The vectors `(M, D)` of others placed on the layout of the base's `(N, D)` alone: name -> points `(M, 2)`.

    Places then compare across models, and the others do not influence the layout. The base, if it is among the others,
    keeps its fitted points. A vector that moved far still lands near the base's nearest points: places show where it
    went, never how far. Raises InputError as `umap` does, and where dimensions differ. As its library transforms new
    rows.
    """
    for name, vectors in others.items():
        if vectors.shape[1] != base.shape[1]:
            raise InputError(
                f"{name} has vectors of {vectors.shape[1]} dimensions, the base of {base.shape[1]}",
                remedy="Place only models of the base's dimension",
            )
        _check_finite(vectors)
    model = _fitted(base, seed)
    return {
        name: np.asarray(model.transform(np.asarray(vectors, dtype=np.float32)), dtype=np.float64)
        for name, vectors in others.items()
    }


def _check_finite(vectors: Vectors) -> None:
    if not np.isfinite(vectors).all():
        raise InputError("a vector is not finite", remedy="Leave its text out, or encode it again")


def _fitted(vectors: Vectors, seed: int) -> Any:
    """A fitted UMAP model."""
    if len(vectors) <= NEIGHBOURS:
        problem = f"{len(vectors)} vectors do not have {NEIGHBOURS} neighbours each"
        raise InputError(problem, remedy="Give more vectors to project")
    _check_finite(vectors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # of a variant that needs TensorFlow
        # Separate islands are what many collections are; UMAP places them one by one.
        warnings.filterwarnings("ignore", message="Graph is not fully connected", category=UserWarning)
        from umap import UMAP  # type: ignore[import-untyped]  # seconds of compiling: only when drawn

        # One job: with more, updates race and a seed fixes nothing.
        model = UMAP(n_neighbors=NEIGHBOURS, min_dist=MIN_DIST, random_state=seed, n_jobs=1)
        return model.fit(np.asarray(vectors, dtype=np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Two orthonormal axes `(2, D)` through a mean `(D,)`, and the share of variance along them, in [0, 1]."""

    mean: Floats
    axes: Floats
    explained: float

    def points(self, vectors: Vectors) -> Floats:
        """The places `(N, 2)` on the plane of vectors `(N, D)`, of any model of this dimension."""
        if vectors.shape[1] != self.mean.size:
            raise InputError(
                f"vectors of {vectors.shape[1]} dimensions cannot be placed on a plane in {self.mean.size}",
                remedy="Draw only models of the base's dimension",
            )
        return np.asarray((vectors - self.mean) @ self.axes.T, dtype=np.float64)


def fit_pca(vectors: Vectors) -> Plane:
    """The plane of largest variance of rows `(N, D)`: the first two principal components.

    Each axis points to where its largest coordinate is positive. Raises InputError with fewer than three rows or two
    dimensions, or where all rows coincide. Pearson 1901 (Philosophical Magazine 2).
    """
    rows = centred(vectors)
    if len(rows) < 3 or rows.shape[1] < 2 or not rows.any():
        problem = f"{len(rows)} vectors of {rows.shape[1]} dimensions span no plane"
        raise InputError(problem, remedy="Give three that differ, or more")
    _, lengths, directions = np.linalg.svd(rows, full_matrices=False)
    axes: Floats = directions[:2]
    axes *= np.sign(axes[np.arange(2), np.abs(axes).argmax(axis=1)])[:, None]
    shares = np.square(lengths) / np.square(lengths).sum()
    return Plane(np.asarray(vectors, dtype=np.float64).mean(axis=0), axes, min(1.0, float(shares[:2].sum())))


def joint_umap(models: Mapping[str, Vectors], seed: int) -> dict[str, Floats]:
    """One layout of all models' vectors `(N, D)` of the same N texts, stacked: model -> its points `(N, 2)`.

    Only in such a layout do places compare across models. Raises InputError where the shapes differ.
    """
    shapes = {name: vectors.shape for name, vectors in models.items()}
    if len(set(shapes.values())) != 1:
        raise InputError(
            f"vectors of different shapes have no joint layout ({shapes})",
            remedy="Encode the same texts with models of one dimension",
        )
    points = umap(np.concatenate(list(models.values())), seed)
    return dict(zip(models, np.split(points, len(models)), strict=True))


def trustworthiness(vectors: Vectors, points: Vectors, neighbours: int = NEIGHBOURS) -> float:
    """How many of a point's neighbours in the picture `(N, 2)` are neighbours among the vectors `(N, D)`, by ranks.

    In [0, 1], higher is better; 1 where every drawn neighbour is a true one. Raises InputError unless
    `neighbours` < N / 2. Venna and Kaski 2001 (ICANN), by scikit-learn.
    """
    if len(vectors) != len(points) or 2 * neighbours >= len(points):
        raise InputError(
            f"{len(vectors)} vectors, {len(points)} points and {neighbours} neighbours do not go together",
            remedy="Give one point per vector, and more than twice as many points as neighbours",
        )
    from sklearn.manifold import trustworthiness as measured  # type: ignore[import-untyped]

    return float(measured(vectors, points, n_neighbors=neighbours))


def nearest(points: Vectors, neighbours: int = NEIGHBOURS) -> npt.NDArray[np.int64]:
    """Row numbers `(N, neighbours)` of the nearest other rows, nearest first."""
    rows = _tree(points, neighbours).query(points, k=neighbours + 1)[1]
    # A point that coincides with others need not come first among its own neighbours, or at all.
    own = rows == np.arange(len(points))[:, None]
    own[~own.any(axis=1), -1] = True
    return np.asarray(rows[~own].reshape(len(points), neighbours))


def _tree(points: Vectors, neighbours: int) -> Any:
    if len(points) <= neighbours:
        raise InputError(f"{len(points)} points do not have {neighbours} neighbours each", remedy="Give more points")
    return scipy.spatial.cKDTree(points)


def overlap(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> float:
    """The mean share of neighbours `(N, k)` that two pictures of the same N texts have in common, in [0, 1].

    About k / (N - 1) for pictures that have nothing to do with each other.
    """
    if one.shape != other.shape:
        problem = f"neighbours {one.shape} and {other.shape} are not of the same texts"
        raise InputError(problem, remedy="Compare pictures of one set")
    return float((one[:, :, None] == other[:, None, :]).any(axis=2).mean())


def clumping(points: Vectors, neighbours: int = NEIGHBOURS) -> float:
    """How clumped a picture `(N, 2)` is, compared with an even scatter over its convex hull.

    In [0, 1]: below 0.5 for a lattice, about 0.5 for an even scatter, towards 1 for islands in empty space. With u the
    distance of a place of a grid over the hull to its `neighbours`-th nearest point, and w that of a point to its
    `neighbours`-th nearest other: mean u^2 / (mean u^2 + mean w^2). Raises InputError where the points lie on one line.
    After Hopkins and Skellam 1954 (Annals of Botany 18), whose nearest point would here often be a query's positive.
    """
    tree = _tree(points, neighbours)
    try:
        sides = scipy.spatial.ConvexHull(points).equations  # one row a side: its outward normal, and minus its offset
    except scipy.spatial.QhullError:
        raise InputError("points on one line have no area", remedy="Project more vectors") from None
    low, high = points.min(axis=0), points.max(axis=0)
    step = (high - low).max() / _PROBES
    grid = np.stack(np.meshgrid(*(np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True))), axis=-1)
    places = grid.reshape(-1, 2)
    places = places[(places @ sides[:, :2].T + sides[:, 2] <= 0).all(axis=1)]
    empty = tree.query(places, k=[neighbours])[0]
    occupied = tree.query(points, k=[neighbours + 1])[0]  # the first is the point itself
    u, w = float(np.square(empty).mean()), float(np.square(occupied).mean())
    return u / (u + w)
