from __future__ import annotations

import random
from collections import defaultdict
from itertools import combinations, pairwise

import numpy as np
import pytest

from strop.collection import minhash
from strop.collection.minhash import BANDS, ROWS, proposed
from strop.collection.shingles import Sets, mixed, shingles


def alike(count: int) -> Sets:
    """Texts of which many share half of their words, and some nearly all."""
    draw = random.Random(3)
    common = [f"c{i}" for i in range(12)]
    return shingles((" ".join([*common, *draw.choices("abcdefgh", k=draw.randint(0, 12))]) for _ in range(count)), 2)


def naive(sets: Sets, chosen: list[int], full: int) -> list[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    for band in range(BANDS):
        factors = [mixed(np.array([band * ROWS + row + 1], dtype=np.uint64)) | np.uint64(1) for row in range(ROWS)]
        buckets: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for i in chosen:
            buckets[tuple(int((sets[i] * factor).min()) for factor in factors)].append(i)
        for bucket in buckets.values():
            if len(bucket) <= full:
                pairs.update(combinations(bucket, 2))
            else:
                pairs.update((bucket[0], other) for other in bucket[1:])
                pairs.update(pairwise(bucket))
    return sorted(pairs)


@pytest.mark.parametrize("full", [2, 5, 40])
def test_pairs_are_those_of_equal_minima_and_of_a_full_bucket_the_first_and_the_next(
    full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minhash, "FULL_BUCKET", full)
    monkeypatch.setattr(minhash, "_BLOCK", 100)
    monkeypatch.setattr(minhash, "_WAITING", 50)
    sets = alike(80)
    chosen = [i for i in range(80) if i % 7]
    expected = naive(sets, chosen, full)
    assert len(expected) > 200
    assert list(map(tuple, proposed(sets, np.array(chosen)).tolist())) == expected


def test_of_no_set_and_of_one_there_is_no_pair() -> None:
    assert proposed(alike(1), np.array([], dtype=np.int64)).shape == (0, 2)
    assert proposed(alike(1), np.array([0])).shape == (0, 2)
