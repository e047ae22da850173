"""How far a model has moved from its base: in its neighbourhoods, its ranks, its vectors and its weights.

Rows `(N, D)` are the vectors of N texts, rows `(N, E)` the base's of the same texts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from strop.geometry.hubness import neighbours
from strop.geometry.pairs import Floats, Vectors, unit
from strop.geometry.sample import Sample
from strop.geometry.separation import positive_ranks
from strop.geometry.spectrum import centred
from strop.records.errors import InputError, excerpt

_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")
_EMBEDDINGS = re.compile(r"(?:^|\.)(?:embeddings?|embed_tokens|wte|wpe)(?:\.|$)")
_POOLER = re.compile(r"(?:^|\.)pooler\.")


def neighbour_overlap(vectors: Vectors, base: Vectors) -> float:
    """The mean share of a text's 10 nearest others, by cosine, that model and base have in common.

    In [0, 1]; about 10 / (N - 1) for unrelated models. Texts tied for the last places share them. Ours.
    """
    one, other = neighbours(unit(vectors)), neighbours(unit(base))
    return min(1.0, float(np.minimum(one, other).sum() / one.sum()))


def rank_displacement(sample: Sample, base: Sample) -> float:
    """The mean over queries of log2(rank of the positive / its rank under the base), among the sample's documents.

    0 where none moved, 1 where ranks doubled, negative where they improved; within ± log2 N. Ours.
    """
    return float(np.log2(positive_ranks(sample) / positive_ranks(base)).mean())


def shift(vectors: Vectors, base: Vectors) -> float:
    """1 minus the mean cosine of each vector with the base's vector of that text.

    In [0, 2]: 0 where no vector turned. A rotation of the whole space, which changes no score, counts as a shift.
    Raises InputError where the shapes differ. Ours.
    """
    if vectors.shape != base.shape:
        raise InputError(
            f"vectors {vectors.shape} and the base's {base.shape} differ in shape",
            remedy="Compare models of one dimension on the same texts",
        )
    return min(2.0, max(0.0, float(np.square(unit(vectors) - unit(base)).sum(axis=1).mean()) / 2))


def layer_distances(weights: Mapping[str, npt.NDArray[Any]], base: Mapping[str, npt.NDArray[Any]]) -> dict[str, float]:
    """Per layer |W - W0| / |W0| (Frobenius, all its parameters as one), by parameter name -> array.

    Keys: "embeddings", "layer 0" and so on, "other", in this order, as far as they exist; two towers count together. 0
    is no change. A pooler is left out: many encoders are saved with one that is never trained. Raises InputError where
    names or shapes differ, or where a layer of the base is all zeros.
    """
    if weights.keys() != base.keys():
        odd = min(weights.keys() ^ base.keys())
        raise InputError(f"only one of the two models has the weight {excerpt(odd)}", remedy="Merge adapters first")
    squares: defaultdict[tuple[int, int], Floats] = defaultdict(lambda: np.zeros(2))  # of what moved, and of the base
    for name, start in base.items():
        if weights[name].shape != start.shape:
            raise InputError(
                f"{name} has the shape {weights[name].shape}, the base's {start.shape}",
                remedy="Compare a model with the base it was trained from",
            )
        if not _POOLER.search(name):
            origin = np.asarray(start, dtype=np.float64)
            step = np.asarray(weights[name], dtype=np.float64) - origin
            squares[_place(name)] += np.square(step).sum(), np.square(origin).sum()
    distances = {}
    for place in sorted(squares):
        moved, whole = squares[place]
        title = ("embeddings", f"layer {place[1]}", "other")[place[0]]
        if whole == 0:
            raise InputError(f"the base's {title} is all zeros", remedy="Give trained weights as the base")
        distances[title] = float(np.sqrt(moved / whole))
    return distances


def _place(name: str) -> tuple[int, int]:
    """Sorts embeddings before layers before the rest. An embedding inside a layer is the layer's."""
    if layer := _LAYER.search(name):
        return 1, int(layer[1])
    return (0, 0) if _EMBEDDINGS.search(name) else (2, 0)


def cka(vectors: Vectors, base: Vectors) -> float:
    """Linear centred kernel alignment of rows `(N, D)` and `(N, E)`.

    In [0, 1]: 1 where one is a rotation, scaling and shift of the other. Unrelated vectors do not reach 0: isotropic
    ones have about sqrt(D E / ((N + D) (N + E))). If one side has no spread it is 0, if neither has, 1.
    Kornblith et al. 2019 (arXiv 1905.00414).
    """
    one, other = centred(vectors), centred(base)
    sizes = float(np.linalg.norm(one.T @ one) * np.linalg.norm(other.T @ other))
    if sizes == 0:
        return _both_still(one, other)
    return min(1.0, float(np.square(one.T @ other).sum()) / sizes)


def procrustes(vectors: Vectors, base: Vectors) -> float:
    """The distance of rows `(N, D)` to `(N, E)` that remains after the best rotation.

    min over orthogonal R of |A R - B|^2 / 2, with A and B centred and scaled to length 1 as a whole, the narrower
    padded by zeros: 1 - the sum of the singular values of A' B. In [0, 1]: 0 where one is a rotation, scaling and shift
    of the other. If one side has no spread it is 1, if neither has, 0. Schönemann 1966 (Psychometrika 31); scaled as in
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
