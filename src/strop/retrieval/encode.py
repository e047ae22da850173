"""Encode: texts -> the vectors an index holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from strop.models.encoder import Encoder, Role
from strop.models.precision import casting_once, forward_in
from strop.models.scoring import MaxSim, Precision, Representation
from strop.models.tokens import Ints, Tokens, pad
from strop.retrieval.fitting_chunks import in_chunks

Vectors = npt.NDArray[np.float32]


class Stack:
    """Matrices `(N_i, D)`, memory maps for instance, read as one float32 `(N, D)` array would be.

    With `dims` rows end after so many numbers; of `unit` vectors what is left is brought to length 1 again. Raises
    IndexError beyond the rows, and ValueError without a matrix or for unequal widths.
    """

    def __init__(self, parts: Sequence[Vectors], dims: int | None = None, unit: bool = False) -> None:
        if len({part.shape[1] for part in parts}) != 1:
            raise ValueError(f"cannot stack vectors of widths {[part.shape[1] for part in parts]}")
        self._parts, self._dims, self._shortened = tuple(parts), dims or parts[0].shape[1], unit and dims is not None
        self._starts = np.array([0, *accumulate(len(part) for part in parts)], dtype=np.int64)

    @property
    def shape(self) -> tuple[int, int]:
        return int(self._starts[-1]), self._dims

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | Sequence[int] | Ints) -> Vectors:
        if isinstance(rows, slice) and rows.step in (None, 1):
            return self._cut(self._between(*rows.indices(len(self))[:2]))
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        numbers = np.asarray(rows, dtype=np.int64)
        places = np.atleast_1d(np.where(numbers < 0, numbers + len(self), numbers))
        if len(places) and not 0 <= places.min() <= places.max() < len(self):
            raise IndexError(f"rows {places.min()} to {places.max()} of {len(self)}")
        vectors = np.empty((len(places), self.shape[1]), dtype=np.float32)
        part_of = np.searchsorted(self._starts, places, side="right") - 1
        for i in np.unique(part_of):
            vectors[part_of == i] = self._parts[i][places[part_of == i] - self._starts[i], : self._dims]
        vectors = self._cut(vectors)
        return vectors if numbers.ndim else vectors[0]

    def _between(self, start: int, stop: int) -> Vectors:
        pieces = [
            part[max(0, start - first) : stop - first, : self._dims]
            for part, first in zip(self._parts, self._starts[:-1].tolist(), strict=True)
            if first < stop and start < first + len(part)
        ]
        return np.concatenate([np.empty((0, self._dims), dtype=np.float32), *pieces])

    def _cut(self, vectors: Vectors) -> Vectors:
        """These, of length 1 again where they were before their ends were left out."""
        if not self._shortened:
            return vectors
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def encode_tokens(encoder: Encoder, tokens: Tokens, role: Role, precision: Precision = "float32") -> list[Vectors]:
    """Each text's searchable vectors `(tokens that count, D)`, of a model with one vector per token."""
    matrices: dict[int, Vectors] = {}
    for chunk, vectors, mask in _searchable(encoder, tokens, role, precision):
        assert mask is not None
        matrices |= {i: rows[counts.cpu()].numpy() for i, rows, counts in zip(chunk, vectors, mask, strict=True)}
    return [matrices[i] for i in range(len(tokens))]


def represented(encoder: Encoder, tokens: Tokens, role: Role, precision: Precision = "float32") -> Representation:
    """The searchable vectors of a few texts, in memory: `(N, D)`, or with one vector per token `(N, L, D)`, each text's
    tokens that count in front."""
    if not isinstance(encoder.similarity, MaxSim):
        out = np.empty((len(tokens), encoder.dimension), dtype=np.float32)
        rows = encode(encoder, tokens, role, out, precision=precision)
        return Representation(torch.from_numpy(rows))
    texts = [torch.from_numpy(rows) for rows in encode_tokens(encoder, tokens, role, precision)]
    mask = pad_sequence([torch.ones(len(rows), dtype=torch.bool) for rows in texts], batch_first=True)
    return Representation(pad_sequence(texts, batch_first=True), mask)


def encode(
    encoder: Encoder,
    tokens: Tokens,
    role: Role,
    out: Vectors,
    progress: Callable[[int], None] | None = None,
    precision: Precision = "float32",
) -> Vectors:
    """Fill `out`, float32 `(len(tokens), D)` (a memory map if large), with a searchable vector of each text; return it.

    A text's vector depends on its chunk only by float rounding, about 1e-7. `precision` is that of the forward pass;
    bfloat16, by autocast, moves a unit vector by about 1e-2, and what its length is is decided in float32 either way.
    Raises InputError as `forward_in`.
    `progress` is called with the number of texts done.
    """
    for chunk, vectors, _ in _searchable(encoder, tokens, role, precision):
        out[chunk] = vectors.numpy()
        if progress:
            progress(len(chunk))
    return out


def _searchable(
    encoder: Encoder, tokens: Tokens, role: Role, precision: Precision
) -> Iterator[tuple[Ints, Tensor, Tensor | None]]:
    """Chunk by chunk which texts, their vectors in float32, and which of these count."""
    encoder.module.eval()
    forward = forward_in(precision, encoder.device)

    def read(chunk: Ints) -> Representation:
        ids, mask = pad([tokens.row(i) for i in chunk], encoder.pad_id)
        with forward:
            made = encoder.represent(ids, mask, role)
        searchable = encoder.searchable(Representation(made.vectors.float(), made.mask))
        return Representation(searchable.vectors.cpu(), searchable.mask)

    with torch.no_grad(), casting_once(encoder.device):
        for chunk, made in in_chunks(tokens.lengths, encoder.device, read):
            yield chunk, made.vectors, made.mask
