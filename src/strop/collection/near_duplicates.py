"""Near-duplicates among many short texts: MinHash bands propose, the exact Jaccard of word shingles decides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import scipy  # type: ignore[import-untyped]

from strop.collection.minhash import proposed
from strop.collection.shingles import Hashes, Places, Sets

#: Pairs that are compared one after another.
_BLOCK = 1 << 16


def similar(sets: Sets, threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs (i < j) of sets that are not empty and whose Jaccard similarity is at least `threshold`.

    Of several equal sets each is paired with the first alone, which is enough for components. No pair below the
    threshold is given; a pair of similarity 0.5 is missed with probability 0.0002.
    """
    same: dict[bytes, int] = {}
    distinct = []
    for i, members in enumerate(sets):
        if not len(members):
            continue
        twin = same.setdefault(hashlib.blake2b(members.data, digest_size=16).digest(), i)
        if twin == i:
            distinct.append(i)
        else:
            yield twin, i
    pairs = proposed(sets, np.array(distinct, dtype=np.int64))
    for at in range(0, len(pairs), _BLOCK):
        block = pairs[at : at + _BLOCK]
        for a, b in block[_possible(sets, block, threshold)].tolist():
            shared = _shared(sets[a], sets[b])
            if shared >= threshold * (len(sets[a]) + len(sets[b]) - shared):
                yield a, b


def components(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `count` items, the smallest item it is connected with."""
    first, second = np.array(list(links), dtype=np.int64).reshape(-1, 2).T
    graph = scipy.sparse.coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
    _, labels = scipy.sparse.csgraph.connected_components(graph, directed=False)
    _, smallest = np.unique(labels, return_index=True)
    return [int(smallest[label]) for label in labels]


def _possible(sets: Sets, pairs: Places, threshold: float) -> npt.NDArray[np.bool_]:
    """Which pairs could be similar enough by their sizes alone."""
    sizes = sets.sizes[pairs]
    return np.asarray(sizes.min(axis=1) >= threshold * sizes.max(axis=1))


def _shared(first: Hashes, second: Hashes) -> int:
    """How many hashes two sets have in common."""
    both = np.concatenate((first, second))
    both.sort()
    return int(np.count_nonzero(both[1:] == both[:-1]))
