"""One vector per token of every text, on disk as one matrix and an offset per text."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from strop.models.encoder import Encoder, Role
from strop.models.scoring import Precision
from strop.models.tokens import Ints, Tokens
from strop.retrieval import encode
from strop.retrieval.encode import Vectors

#: Texts whose vectors wait in memory to be written: 140 MB at 180 tokens of 384 dimensions.
TEXTS = 512


@dataclass(frozen=True, slots=True, eq=False)
class TokenVectors:
    """Unit vectors of the scored tokens of N texts, one after another: text i is `vectors[offsets[i]:offsets[i + 1]]`.

    `vectors` is float32 `(T, D)`, a memory map if large, `offsets` int64 `(N + 1,)`.
    """

    vectors: Vectors
    offsets: Ints
    ids: tuple[str, ...]

    @classmethod
    def load(cls, folder: str | Path) -> TokenVectors:
        """What `encode_tokens` wrote, memory-mapped."""
        folder = Path(folder)
        vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
        ids = json.loads((folder / "ids.json").read_text(encoding="utf-8"))
        return cls(vectors, np.load(folder / "offsets.npy", allow_pickle=False), tuple(ids))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> Ints:
        return np.diff(self.offsets)


def encode_tokens(
    encoder: Encoder,
    tokens: Tokens,
    ids: Sequence[str],
    role: Role,
    folder: Path,
    progress: Callable[[int], None] | None = None,
    precision: Precision = "float32",
) -> None:
    """Write `vectors.npy`, `offsets.npy` and `ids.json` of the texts, a block of them in memory at a time."""
    counts = []
    with (folder / "vectors.npy").open("wb") as file:
        _write_header(file, 0, encoder.dimension)
        for start in range(0, len(tokens), TEXTS):
            edges = tokens.offsets[start : start + TEXTS + 1]
            block = Tokens(tokens.ids[edges[0] : edges[-1]], edges - edges[0])
            for vectors in encode.encode_tokens(encoder, block, role, precision):
                counts.append(len(vectors))
                file.write(vectors.tobytes())
            if progress:
                progress(len(block))
        _write_header(file, sum(counts), encoder.dimension)
    np.save(folder / "offsets.npy", np.cumsum([0, *counts], dtype=np.int64), allow_pickle=False)
    (folder / "ids.json").write_text(json.dumps(list(ids)), encoding="utf-8")


def _write_header(file: BinaryIO, rows: int, dimension: int) -> None:
    """At the file's start: numpy leaves room in it for a first axis that has grown since."""
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, dimension)})
