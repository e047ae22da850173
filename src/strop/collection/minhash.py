"""MinHash in bands (Broder 1997; Leskovec et al., Mining of Massive Datasets, 3.4): which sets may be similar."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from strop.collection.shingles import Hashes, Places, Sets, joined, mixed

#: 64 bands of 3 rows propose a pair of Jaccard 0.5 with probability 0.9998.
BANDS, ROWS = 64, 3

#: Bands whose keys are held at once.
_TOGETHER = 16

#: In a larger bucket each member is compared with the first and the next one only.
FULL_BUCKET = 40

#: Hashes that are multiplied at once: they stay in the processor's cache for all factors.
_BLOCK = 1 << 15

#: Pairs that wait before they are sorted in among the others.
_WAITING = 1 << 21

#: Each is a new order of the hashes.
_FACTORS = (mixed(np.arange(1, BANDS * ROWS + 1, dtype=np.uint64)) | np.uint64(1)).reshape(BANDS, ROWS)


def proposed(sets: Sets, chosen: Places) -> Places:
    """Pairs (i < j) of the chosen sets, int64 `(P, 2)` and sorted, that share a band of MinHash values.

    `chosen` ascends, and none of its sets is empty.
    """
    found, waiting = np.empty(0, dtype=np.int64), list[Places]()
    for first in range(0, BANDS, _TOGETHER):
        for keys in _keys(sets, chosen, _FACTORS[first : first + _TOGETHER]):
            earlier, later = _together(keys)
            waiting.append(earlier * len(chosen) + later)
            if sum(map(len, waiting)) > max(_WAITING, len(found)):
                found, waiting = np.unique(np.concatenate([found, *waiting])), []
    found = np.unique(np.concatenate([found, *waiting]))
    places = np.stack(np.divmod(found, max(1, len(chosen))), axis=1)
    return np.asarray(chosen[places])


def _keys(sets: Sets, chosen: Places, factors: Hashes) -> Hashes:
    """One hash of the smallest values under each band's factors, for every chosen set: `(bands, sets)`."""
    keys = np.zeros((len(factors), len(chosen)), dtype=np.uint64)
    for part in _parts(sets.sizes[chosen]):
        members = [sets[i] for i in chosen[part].tolist()]
        starts = np.cumsum([0, *map(len, members[:-1])])
        values = np.concatenate(members)
        scratch = np.empty_like(values)
        for band, row in np.ndindex(factors.shape):
            smallest = np.minimum.reduceat(np.multiply(values, factors[band, row], out=scratch), starts)
            keys[band, part] = joined(keys[band, part], smallest)
    return keys


def _parts(sizes: Places) -> Iterator[slice]:
    """Neighbours of about `_BLOCK` values in all."""
    if not len(sizes):
        return
    block = (np.cumsum(sizes) - sizes) // _BLOCK
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(sizes)]
    yield from map(slice, edges[:-1], edges[1:])


def _together(keys: Hashes) -> tuple[Places, Places]:
    """The pairs of positions in one bucket, that is of one key, the earlier position first."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, len(keys)), dtype=bool), ordered[1:] != ordered[:-1]]))
    sizes = np.diff(starts, append=len(keys))
    start, size = np.repeat(starts, sizes), np.repeat(sizes, sizes)
    after = start + size - 1 - np.arange(len(keys))
    full = np.flatnonzero((size > FULL_BUCKET) & (start < np.arange(len(keys))))
    earlier, later = [start[full], full - 1], [full, full]
    apart = 1
    near = np.flatnonzero((size <= FULL_BUCKET) & (after >= apart))
    while len(near):
        earlier.append(near)
        later.append(near + apart)
        apart += 1
        near = near[after[near] >= apart]
    return order[np.concatenate(earlier)], order[np.concatenate(later)]
