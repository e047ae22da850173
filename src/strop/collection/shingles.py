"""Word shingles of many texts as hashes in one flat array: the sets that near-duplicates are told by."""

from __future__ import annotations

import re
import zlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

#: Words hashed at once, so that what one step leaves is still in the processor's cache for the next.
_BLOCK = 1 << 15

#: Words whose number is remembered.
_KNOWN = 1 << 17

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """N sets of hashes, one after another: set i is `values[offsets[i]:offsets[i + 1]]`, sorted, each hash once."""

    values: Hashes
    offsets: Places

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> Hashes:
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def __iter__(self) -> Iterator[Hashes]:
        return (self[i] for i in range(len(self)))

    @property
    def sizes(self) -> Places:
        return np.diff(self.offsets)


def shingles(texts: Iterable[str], width: int) -> Sets:
    """The set of every text's runs of `width` words (case folded), each run as a 64-bit hash.

    A text of fewer words has one run, of all its words. The hash is the same on every machine. The texts are read once
    and not kept.
    """
    values, sizes, numbers = array("Q"), array("q", [0]), _Numbers()
    for words in _blocks(texts):
        flat = np.array(list(map(numbers.__getitem__, chain.from_iterable(words))), dtype=np.uint64)
        runs, counts = _hashed(flat, np.array(list(map(len, words)), dtype=np.int64), width)
        values.frombytes(runs.tobytes())
        sizes.frombytes(counts.tobytes())
    return Sets(np.frombuffer(values, dtype=np.uint64), np.cumsum(np.frombuffer(sizes, dtype=np.int64)))


def mixed(values: Hashes) -> Hashes:
    """splitmix64's finaliser: every bit of the input moves about half of the output's."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def joined(first: Hashes, second: Hashes) -> Hashes:
    """One hash of two, in this order."""
    return mixed(first * np.uint64(0x9E3779B97F4A7C15) + second)


def _blocks(texts: Iterable[str]) -> Iterator[list[list[str]]]:
    """The words of the texts, some texts at a time."""
    block: list[list[str]] = []
    count = 0
    for text in texts:
        block.append(_WORD.findall(text.casefold()))
        count += len(block[-1])
        if count >= _BLOCK:
            yield block
            block, count = [], 0
    if block:
        yield block


class _Numbers(dict[str, int]):
    """Word -> its number, of the words met since it was last full."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _KNOWN:
            self.clear()
        self[word] = number = zlib.crc32(word.encode()) + 1
        return number


def _hashed(numbers: Hashes, lengths: Places, width: int) -> tuple[Hashes, Places]:
    """The sets of some texts of so many words each, one after another, and how many hashes each has."""
    spans = np.clip(lengths, 1, width)
    counts = np.maximum(0, lengths - spans + 1)
    owners = np.repeat(np.arange(len(lengths)), counts)
    ends = np.cumsum(counts)
    first = np.arange(len(owners)) + (np.cumsum(lengths) - lengths - (ends - counts))[owners]
    runs = np.zeros(len(owners), dtype=np.uint64)
    for i in range(width):
        longer = np.flatnonzero(spans[owners] > i)
        runs[longer] = joined(runs[longer], numbers[first[longer] + i])
    for end, count in zip(ends.tolist(), counts.tolist(), strict=True):
        runs[end - count : end].sort()
    kept = np.ones(len(runs), dtype=bool)
    kept[1:] = (runs[1:] != runs[:-1]) | (owners[1:] != owners[:-1])
    return runs[kept], np.bincount(owners[kept], minlength=len(lengths)).astype(np.int64)
