"""How like a training collection other collections are: Lee et al.'s votes of nearest documents, and a distance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy  # type: ignore[import-untyped]

from strop.geometry.pairs import Floats, Vectors, unit
from strop.records.errors import InputError
from strop.records.exhibits import transfer

Group = Literal["similar", "different"]

#: Lee et al. (arXiv 2311.09765), appendix B: grouped with MS MARCO, and so "similar" in its table 4.
PUBLISHED_SIMILAR = frozenset({"TR", "NF", "SD", "SF", "AR"})
#: "50 instances from the corpus of each dataset", "repeated five times", "grouped with MSMARCO more than three times".
DOCUMENTS, REPEATS, MORE_THAN = 50, 5, 3


@dataclass(frozen=True, slots=True)
class Repeat:
    """One draw of documents. Rows and columns of `votes` (C, C) and `distances` (C, C) are the collections in order.

    `votes[i][j]` counts i's documents whose nearest document of another collection is j's. `nearest` names for each
    collection where most votes went; `groups` are those that are connected so. `distances` is the squared MMD.
    """

    votes: tuple[tuple[int, ...], ...]
    nearest: tuple[str, ...]
    groups: tuple[frozenset[str], ...]
    distances: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Distance:
    """From the training collection: mean and standard deviation over the draws. About 0 for equal ones, at most 2."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Similarity:
    """Collections beside the one trained on, over several draws of their documents."""

    training: str
    collections: tuple[str, ...]
    repeats: tuple[Repeat, ...]

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(name for name in self.collections if name != self.training)

    @property
    def together(self) -> Mapping[str, int]:
        """In how many draws each other collection was grouped with the training collection."""
        found = Counter(n for r in self.repeats for group in r.groups if self.training in group for n in group)
        return {name: found[name] for name in self.others}

    @property
    def grouping(self) -> Mapping[str, Group]:
        """Lee et al.'s: similar when grouped with the training collection in more than three of five draws.

        Of another number of draws, in more than three fifths.
        """
        least = MORE_THAN / REPEATS * len(self.repeats)
        return {name: "similar" if count > least else "different" for name, count in self.together.items()}

    @property
    def distance(self) -> Mapping[str, Distance]:
        """The squared maximum mean discrepancy of each other collection from the training collection."""
        row = self.collections.index(self.training)
        drawn = np.array([repeat.distances[row] for repeat in self.repeats])
        sd = drawn.std(axis=0, ddof=1) if len(drawn) > 1 else np.zeros(drawn.shape[1])
        columns = zip(self.collections, drawn.mean(axis=0), sd, strict=True)
        return {name: Distance(float(m), float(s)) for name, m, s in columns if name != self.training}

    def exhibit(self) -> transfer.Similarity:
        """What a page shows, nearest collection first."""
        distance, together, grouping = self.distance, self.together, self.grouping
        return transfer.Similarity(
            self.training,
            len(self.repeats),
            tuple(
                transfer.Likeness(name, distance[name].mean, distance[name].sd, together[name], grouping[name])
                for name in sorted(self.others, key=lambda other: distance[other].mean)
            ),
        )


def similarity(
    vectors: Mapping[str, Vectors], training: str, seed: int, documents: int = DOCUMENTS, repeats: int = REPEATS
) -> Similarity:
    """Compare collections by their documents' vectors, (N, D) each, all of one encoder and as its scores use them.

    A draw takes `documents` of each collection without replacement. Votes use the dot product, as Lee et al. did with
    Contriever's raw vectors: there long vectors win votes, so that unit vectors may vote otherwise. Distances are of
    unit vectors. Raises InputError for fewer than two collections, one with fewer than `documents` vectors (at least 2
    are needed), unequal dimensions, or when `training` is none of them.
    Source: Lee et al. 2023 (arXiv 2311.09765), appendix B; Gretton et al. 2012 (JMLR 13) for the distance.
    """
    names = tuple(sorted(vectors))
    _check(vectors, training, documents)
    rng = np.random.default_rng(seed)
    draws = [
        {name: vectors[name][rng.choice(len(vectors[name]), documents, replace=False)] for name in names}
        for _ in range(repeats)
    ]
    return Similarity(training, names, tuple(_repeat(names, list(draw.values())) for draw in draws))


def nearest_votes(samples: Sequence[Vectors]) -> tuple[tuple[int, ...], ...]:
    """Of each collection's documents, how many have their highest dot product outside it in each other collection.

    `samples`: (N_i, D) of C collections; (C, C) counts with a diagonal of zeros. Ties go to the earlier document.
    """
    owner = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    rows = np.concatenate([np.asarray(sample, dtype=np.float64) for sample in samples])
    scores = np.where(owner[:, None] == owner[None, :], -np.inf, rows @ rows.T)
    votes = np.zeros((len(samples), len(samples)), dtype=np.int64)
    np.add.at(votes, (owner, owner[scores.argmax(axis=1)]), 1)
    return tuple(tuple(int(count) for count in row) for row in votes)


def connected(names: Sequence[str], nearest: Sequence[str]) -> tuple[frozenset[str], ...]:
    """Groups of names that are joined, directly or by others, by each one's `nearest`; in the names' order."""
    graph = np.array([[name == other for name in names] for other in nearest])
    _, components = scipy.sparse.csgraph.connected_components(graph, directed=False)
    groups = (frozenset(n for n, c in zip(names, components, strict=True) if c == own) for own in components)
    return tuple(dict.fromkeys(groups))


def squared_mmd(samples: Sequence[Vectors]) -> tuple[tuple[float, ...], ...]:
    """Unbiased squared maximum mean discrepancy (C, C) of unit vectors, with one Gaussian kernel for all pairs.

    Its width is the median distance of all pairs of the samples. Unbiased: about 0 for samples of one distribution
    (so slightly negative half the time), at most 2; the diagonal is 0. Source: Gretton et al. 2012, lemma 6.
    """
    owner = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    rows = unit(np.concatenate([np.asarray(sample) for sample in samples]))
    squared = np.maximum(2 - 2 * rows @ rows.T, 0.0)
    width = float(np.median(squared[np.tri(len(rows), k=-1, dtype=bool)]))
    kernel = np.exp(-squared / (2 * width)) if width > 0 else (squared == 0).astype(np.float64)
    np.fill_diagonal(kernel, 0.0)  # no pair of a document with itself
    one_hot = np.eye(len(samples))[owner]
    sizes = np.array([len(sample) for sample in samples], dtype=np.float64)
    pairs = np.outer(sizes, sizes) - np.diag(sizes)
    means: Floats = (one_hot.T @ kernel @ one_hot) / pairs
    within = np.diag(means)
    distance = within[:, None] + within[None, :] - 2 * means
    return tuple(tuple(float(value) for value in row) for row in distance)


def _repeat(names: tuple[str, ...], samples: Sequence[Vectors]) -> Repeat:
    votes = nearest_votes(samples)
    nearest = tuple(names[int(np.argmax(row))] for row in votes)  # equal votes: the first by name
    return Repeat(votes, nearest, connected(names, nearest), squared_mmd(samples))


def _check(vectors: Mapping[str, Vectors], training: str, documents: int) -> None:
    if training not in vectors or len(vectors) < 2:
        raise InputError(
            f"the training collection {training} is not among {', '.join(sorted(vectors)) or 'none'}, or is alone",
            remedy="Give its vectors and those of another collection at least",
        )
    few = {name: len(rows) for name, rows in vectors.items() if len(rows) < max(2, documents)}
    if few or documents < 2:
        raise InputError(
            f"{documents} documents are drawn of each collection, and there are fewer in {few or 'a pair'}",
            remedy="Draw fewer, two at least, or leave those collections out",
        )
    if len({rows.shape[1] for rows in vectors.values()}) > 1:
        raise InputError("the vectors differ in dimension", remedy="Encode every collection with one model")
