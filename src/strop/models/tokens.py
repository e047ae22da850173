"""Tokens: ragged token ids of many texts, and how to cut them into rectangles that waste little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.utils.rnn import pad_sequence

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
#: The token ids of one text.
Ids = npt.NDArray[np.int32]
Rows = Sequence[Ids]
#: What a text is to a model.
Role = Literal["query", "document"]

#: What one more chunk costs, in tokens of padding (`strop bench train`).
OVERHEAD = 128


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Token ids of N texts, one after another: text i is `ids[offsets[i]:offsets[i + 1]]`.

    `ids` is int32 `(total,)`, `offsets` int64 `(N + 1,)`. Special tokens, prompts and truncation are already in.
    """

    ids: Ids
    offsets: Ints

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Tokens:
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        ids = np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=int(offsets[-1]))
        return cls(ids, offsets)

    @classmethod
    def join(cls, parts: Sequence[Tokens]) -> Tokens:
        """The texts of all parts, one part after another."""
        lengths = np.concatenate([np.zeros(1, dtype=np.int64), *(part.lengths for part in parts)])
        ids = np.concatenate([np.empty(0, dtype=np.int32), *(part.ids for part in parts)])
        return cls(ids, np.cumsum(lengths))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, i: int) -> Ids:
        return self.ids[self.offsets[i] : self.offsets[i + 1]]

    @property
    def lengths(self) -> Ints:
        return np.diff(self.offsets)

    def save(self, folder: str | Path) -> None:
        for name, array in (("ids", self.ids), ("offsets", self.offsets)):
            np.save(Path(folder) / f"{name}.npy", array, allow_pickle=False)

    @classmethod
    def load(cls, folder: str | Path) -> Tokens:
        """Memory-mapped: a corpus larger than memory costs only what is touched."""
        ids = np.load(Path(folder) / "ids.npy", mmap_mode="r", allow_pickle=False)
        return cls(ids, np.load(Path(folder) / "offsets.npy", allow_pickle=False))


def pad(rows: Sequence[Ids], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of ids as `input_ids` and `attention_mask`, both int64 `(len(rows), longest)`, padded on the right."""
    tensors = [torch.from_numpy(row.astype(np.int64)) for row in rows]
    ids = pad_sequence(tensors, batch_first=True, padding_value=pad_id)
    return ids, (torch.arange(ids.shape[1]) < torch.tensor([[len(row)] for row in rows])).long()


def cut(lengths: Ints, budget: int) -> list[Ints]:
    """Positions 0…N-1 cut into chunks of at most `budget` padded tokens (a longer single text stands alone).

    A chunk ends early once its padding would cost more than the overhead of a new one. Longest first, so that a
    budget too large for the memory fails at once and not after an hour. Every position appears exactly once.
    """
    order = np.argsort(-lengths, kind="stable")
    chunks = []
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        candidates = order[start : start + max(1, budget // max(1, longest))]
        wasted = np.cumsum(longest - lengths[candidates])
        chunks.append(candidates[: np.searchsorted(wasted, OVERHEAD, side="right")])
        start += len(chunks[-1])
    return chunks


def padding_share(lengths: Ints, chunks: Sequence[Ints]) -> float:
    """The share of all slots in the padded chunks that holds no token, in [0, 1)."""
    slots = sum(len(chunk) * int(lengths[chunk].max()) for chunk in chunks)
    return 1.0 - float(lengths.sum()) / slots if slots else 0.0
