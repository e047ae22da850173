"""How like a training collection other collections are: Lee et al.'s votes of nearest documents, and a distance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import scipy  # type: ignore[import-untyped]

from strop.geometry.pairs import Floats, Vectors, unit
from strop.records.errors import InputError
from strop.records.exhibits import transfer

#: Lee et al. (arXiv 2311.09765), appendix B: grouped with MS MARCO, and so "similar" in its table 4.
PUBLISHED_SIMILAR = frozenset({"TR", "NF", "SD", "SF", "AR"})
#: "50 instances from the corpus of each dataset", "repeated five times", "grouped with MSMARCO more than three times".
DOCUMENTS, REPEATS, MORE_THAN = 50, 5, 3


@dataclass(frozen=True, slots=True)
class Repeat:
    """One draw of documents of C collections, in the order of their names.

    `votes[i][j]` (C, C) counts i's documents whose nearest document of another collection is j's. `groups` are the
    collections that are connected by where most votes of each went. `distances` (C, C) is the squared MMD.
    """

    votes: tuple[tuple[int, ...], ...]
    groups: tuple[frozenset[str], ...]
    distances: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Similarity:
    """Collections beside the one trained on, over several draws of their documents."""

    training: str
    collections: tuple[str, ...]
    repeats: tuple[Repeat, ...]

    def exhibit(self) -> transfer.Similarity:
        """What a page shows, nearest collection first; `group` is Lee et al.'s, by more than MORE_THAN of the draws."""
        row = self.collections.index(self.training)
        distances = np.array([repeat.distances[row] for repeat in self.repeats])
        mean, sd = distances.mean(axis=0).tolist(), distances.std(axis=0, ddof=1).tolist()
        together = Counter(n for r in self.repeats for group in r.groups if self.training in group for n in group)
        likenesses = [
            transfer.Likeness(
                name, mean[i], sd[i], together[name], "similar" if together[name] > MORE_THAN else "different"
            )
            for i, name in enumerate(self.collections)
            if name != self.training
        ]
        nearest_first = tuple(sorted(likenesses, key=attrgetter("distance")))
        return transfer.Similarity(self.training, len(self.repeats), nearest_first)


def similarity(vectors: Mapping[str, Vectors], training: str, seed: int) -> Similarity:
    """Compare collections by their documents' vectors, (N, D) each, all of one encoder and as its scores use them.

    A draw takes DOCUMENTS of each collection without replacement. Votes use the dot product, as Lee et al. did with
    Contriever's raw vectors: there long vectors win votes, so that unit vectors may vote otherwise. Distances are of
    unit vectors. Raises InputError for fewer than two collections, one with fewer than DOCUMENTS vectors, unequal
    dimensions, or when `training` is none of them.
    Source: Lee et al. 2023 (arXiv 2311.09765), appendix B; Gretton et al. 2012 (JMLR 13) for the distance.
    """
    names = tuple(sorted(vectors))
    _check(vectors, training)
    rng = np.random.default_rng(seed)
    repeats = []
    for _ in range(REPEATS):
        samples = [vectors[name][rng.choice(len(vectors[name]), DOCUMENTS, replace=False)] for name in names]
        votes = nearest_votes(samples)
        nearest = [names[int(np.argmax(row))] for row in votes]  # equal votes: the first by name
        repeats.append(Repeat(votes, connected(names, nearest), squared_mmd(samples)))
    return Similarity(training, names, tuple(repeats))


def nearest_votes(samples: Sequence[Vectors]) -> tuple[tuple[int, ...], ...]:
    """Of each collection's documents, how many have their highest dot product outside it in each other collection.

    `samples`: (N_i, D) of C collections; (C, C) counts with a diagonal of zeros. Ties go to the earlier document.
    """
    owner = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    rows = np.concatenate([np.asarray(sample, dtype=np.float64) for sample in samples])
    scores = np.where(owner[:, None] == owner[None, :], -np.inf, rows @ rows.T)
    votes = np.zeros((len(samples), len(samples)), dtype=np.int64)
    np.add.at(votes, (owner, owner[scores.argmax(axis=1)]), 1)
    return tuple(map(tuple, votes.tolist()))


def connected(names: Sequence[str], nearest: Sequence[str]) -> tuple[frozenset[str], ...]:
    """Groups of names that each one's `nearest` joins, directly or by others; in the names' order."""
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
    return tuple(map(tuple, distance.tolist()))


def _check(vectors: Mapping[str, Vectors], training: str) -> None:
    if training not in vectors or len(vectors) < 2:
        raise InputError(
            f"the training collection {training} is not among {', '.join(sorted(vectors)) or 'none'}, or is alone",
            remedy="Give its vectors and those of another collection at least",
        )
    if few := {name: len(rows) for name, rows in vectors.items() if len(rows) < DOCUMENTS}:
        problem = f"{DOCUMENTS} documents are drawn of each collection, and there are fewer in {few}"
        raise InputError(problem, remedy="Leave those collections out")
    if len({rows.shape[1] for rows in vectors.values()}) > 1:
        raise InputError("the vectors differ in dimension", remedy="Encode every collection with one model")
