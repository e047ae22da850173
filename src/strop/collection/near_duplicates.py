"""Near-duplicates among many short texts: MinHash bands propose, the exact Jaccard of word shingles decides."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
import scipy  # type: ignore[import-untyped]

Shingles = npt.NDArray[np.uint64]

#: 64 bands of 3 rows propose a pair of Jaccard 0.5 with probability 0.9998.
BANDS, ROWS = 64, 3

#: In a larger bucket each member is compared with the first and the next one only.
FULL_BUCKET = 40

_WORD = re.compile(r"\w+")


def shingles(texts: Iterable[str], width: int) -> list[Shingles]:
    """The set of every text's runs of `width` words (case folded), each run as a 64-bit hash, sorted.

    A text of fewer words has one run, of all its words. The hash is the same on every machine.
    """
    number = cache(lambda word: zlib.crc32(word.encode()) + 1)
    sets = []
    for text in texts:
        words = np.array([number(w) for w in _WORD.findall(text.casefold())], dtype=np.uint64)
        span = max(1, min(width, len(words)))
        runs = np.zeros(max(0, len(words) - span + 1), dtype=np.uint64)
        for i in range(span):
            runs = _mixed(runs * np.uint64(0x9E3779B97F4A7C15) + words[i : i + len(runs)])
        sets.append(np.unique(runs))
    return sets


def similar(sets: Sequence[Shingles], threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs (i < j) of sets that are not empty and whose Jaccard similarity is at least `threshold`.

    Of several equal sets each is paired with the first alone, which is enough for components. No pair below the
    threshold is given; a pair of similarity 0.5 is missed with probability 0.0002.
    """
    same: dict[bytes, int] = {}
    distinct = []
    for i, members in enumerate(sets):
        if not len(members):
            continue
        twin = same.setdefault(members.tobytes(), i)
        if twin == i:
            distinct.append(i)
        else:
            yield twin, i
    for a, b in sorted(_proposed([sets[i] for i in distinct])):
        first, second = sets[distinct[a]], sets[distinct[b]]
        if min(len(first), len(second)) < threshold * max(len(first), len(second)):
            continue
        shared = len(np.intersect1d(first, second, assume_unique=True))
        if shared >= threshold * (len(first) + len(second) - shared):
            yield distinct[a], distinct[b]


def components(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `count` items, the smallest item it is connected with."""
    first, second = np.array(list(links), dtype=np.int64).reshape(-1, 2).T
    graph = scipy.sparse.coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
    _, labels = scipy.sparse.csgraph.connected_components(graph, directed=False)
    _, smallest = np.unique(labels, return_index=True)
    return [int(smallest[label]) for label in labels]


def _proposed(sets: list[Shingles]) -> set[tuple[int, int]]:
    """Pairs that share a band of MinHash values."""
    if not sets:
        return set()
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in sets])[:-1]])
    values = np.concatenate(sets)
    pairs: set[tuple[int, int]] = set()
    for band in range(BANDS):
        factors = [_mixed(np.array([band * ROWS + row + 1], dtype=np.uint64)) | np.uint64(1) for row in range(ROWS)]
        minima = [np.minimum.reduceat(values * factor, offsets) for factor in factors]  # a new order of hashes each
        buckets: defaultdict[bytes, list[int]] = defaultdict(list)
        for i, key in enumerate(np.stack(minima, axis=1)):
            buckets[key.tobytes()].append(i)
        for bucket in buckets.values():
            if len(bucket) <= FULL_BUCKET:
                pairs.update(combinations(bucket, 2))
            else:
                pairs.update((bucket[0], other) for other in bucket[1:])
                pairs.update(pairwise(bucket))
    return pairs


def _mixed(values: Shingles) -> Shingles:
    """splitmix64's finaliser: every bit of the input moves about half of the output's."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
