"""Encode: texts -> the vectors an index holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch

from strop.models.encoder import Encoder, Role
from strop.models.scoring import MaxSim, Representation
from strop.models.tokens import Ints, Tokens, cut, pad

Vectors = npt.NDArray[np.float32]

#: Padded tokens per chunk. Small enough for a CPU's caches (`strop bench encode`), large enough to keep a GPU busy.
BUDGET = {"cpu": 2048, "cuda": 65536, "mps": 16384}


class Stack:
    """Matrices `(N_i, D)`, memory maps for instance, read as one `(N, D)` without joining them in memory.

    Takes a row's number, a slice or an array of row numbers, and gives float32 as an array of numpy would. Raises
    IndexError beyond the rows, and ValueError without a matrix or for unequal widths.
    """

    def __init__(self, parts: Sequence[Vectors]) -> None:
        if len({part.shape[1] for part in parts}) != 1:
            raise ValueError(f"cannot stack vectors of widths {[part.shape[1] for part in parts]}")
        self._parts = tuple(parts)
        self._starts = np.array([0, *accumulate(len(part) for part in parts)], dtype=np.int64)

    @property
    def shape(self) -> tuple[int, int]:
        return int(self._starts[-1]), self._parts[0].shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | Sequence[int] | Ints) -> Vectors:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            return self._between(start, stop) if step == 1 else self._rows(np.arange(start, stop, step))
        numbers = np.asarray(rows, dtype=np.int64)
        vectors = self._rows(np.atleast_1d(numbers))
        return vectors if numbers.ndim else vectors[0]

    def _between(self, start: int, stop: int) -> Vectors:
        """One part's own rows where the range does not cross an edge: no copy."""
        touched = [
            part[max(0, start - first) : max(0, stop - first)]
            for part, first in zip(self._parts, self._starts, strict=False)
            if first < stop and start < first + len(part)
        ]
        return touched[0] if len(touched) == 1 else np.concatenate([self._parts[0][:0], *touched])

    def _rows(self, rows: Ints) -> Vectors:
        rows = np.where(rows < 0, rows + len(self), rows)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self)}")
        vectors = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        part_of = np.searchsorted(self._starts, rows, side="right") - 1
        for i in np.unique(part_of):
            vectors[part_of == i] = self._parts[i][rows[part_of == i] - self._starts[i]]
        return vectors


def encode_tokens(encoder: Encoder, tokens: Tokens, role: Role) -> list[Vectors]:
    """Each text's searchable vectors `(tokens that count, D)`, of a model with one vector per token."""
    matrices: dict[int, Vectors] = {}
    encoder.module.eval()
    with torch.inference_mode():
        for chunk in cut(tokens.lengths, BUDGET.get(encoder.device.type, BUDGET["cpu"])):
            ids, mask = pad([tokens.row(i) for i in chunk], encoder.pad_id)
            searchable = encoder.searchable(encoder.represent(ids, mask, role))
            assert searchable.mask is not None
            counted = searchable.mask.cpu()
            rows = zip(chunk.tolist(), searchable.vectors.float().cpu(), counted, strict=True)
            matrices |= {i: vectors[mask_of].numpy() for i, vectors, mask_of in rows}
    return [matrices[i] for i in range(len(tokens))]


def represented(encoder: Encoder, tokens: Tokens, role: Role) -> Representation:
    """The searchable vectors of a few texts, in memory: `(N, D)`, or with one vector per token `(N, L, D)`, each text's
    tokens that count in front."""
    if not isinstance(encoder.similarity, MaxSim):
        rows = encode(encoder, tokens, role, np.empty((len(tokens), encoder.dimension), dtype=np.float32))
        return Representation(torch.from_numpy(rows))
    texts = encode_tokens(encoder, tokens, role)
    longest = max(len(rows) for rows in texts)
    vectors = np.zeros((len(texts), longest, encoder.dimension), dtype=np.float32)
    mask = np.zeros((len(texts), longest), dtype=bool)
    for i, rows in enumerate(texts):
        vectors[i, : len(rows)], mask[i, : len(rows)] = rows, True
    return Representation(torch.from_numpy(vectors), torch.from_numpy(mask))


def encode(
    encoder: Encoder, tokens: Tokens, role: Role, out: Vectors, progress: Callable[[int], None] | None = None
) -> Vectors:
    """Fill `out`, float32 `(len(tokens), D)` (a memory map if large), with a searchable vector of each text; return it.

    Sorted by length and cut by token budget. A text's vector depends on its chunk only by float rounding, about
    1e-7. `progress` is called with the number of texts done.
    """
    encoder.module.eval()
    with torch.inference_mode():
        for chunk in cut(tokens.lengths, BUDGET.get(encoder.device.type, BUDGET["cpu"])):
            ids, mask = pad([tokens.row(i) for i in chunk], encoder.pad_id)
            out[chunk] = encoder.searchable(encoder.represent(ids, mask, role)).vectors.float().cpu().numpy()
            if progress:
                progress(len(chunk))
    return out
