"""What every retriever architecture is to the rest of strop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from strop.scoring import Representation
from strop.tokens import Ints, Tokens, pad

Role = Literal["query", "document"]


class Encoder(Protocol):
    """Texts -> tokens -> representations. Prompts, markers and length caps live behind it and nowhere else."""

    @property
    def module(self) -> nn.Module:
        """Everything trainable."""
        ...

    @property
    def pad_id(self) -> int: ...

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokens:
        """Token ids with prompt and special tokens, truncated at the model's limit."""
        ...

    def represent(self, ids: Tensor, mask: Tensor) -> Representation:
        """Padded tokens, int64 `(N, L)` each, -> the vectors a loss sees: pooled, not yet normalised."""
        ...

    def searchable(self, representation: Representation) -> Representation:
        """The vectors an index holds: their inner product is the model's own similarity."""
        ...

    def save(self, folder: str | Path) -> None: ...


def represent_rows(encoder: Encoder, rows: Sequence[npt.NDArray[np.int32]], positions: Ints) -> Tensor:
    """The vectors `(len(positions), D)` of those rows of token ids, padded together."""
    ids, mask = pad([rows[i] for i in positions], encoder.pad_id)
    return encoder.represent(ids, mask).vectors
