"""What every retriever architecture is to the rest of strop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from strop.models.scoring import Representation, Scoring
from strop.models.tokens import Ints, Tokens, pad

if TYPE_CHECKING:
    from sentence_transformers.sentence_transformer.modules import Transformer

Role = Literal["query", "document"]


class Encoder(Protocol):
    """Texts -> tokens -> representations. Prompts, markers and length caps live behind it and nowhere else."""

    @property
    def module(self) -> nn.Module:
        """Everything trainable."""
        ...

    @property
    def transformers(self) -> Sequence[Transformer]:
        """The towers, each sentence-transformers' first module, which holds the transformer proper as `.model`: one
        where queries and documents share it."""
        ...

    @property
    def device(self) -> torch.device: ...

    @property
    def pad_id(self) -> int: ...

    @property
    def dimension(self) -> int: ...

    @property
    def max_length(self) -> int:
        """The most tokens of a document, special ones and prompt included."""
        ...

    @property
    def by_role(self) -> bool:
        """Whether a text becomes something else as a query than as a document, so that no chunk may hold both."""
        ...

    @property
    def similarity(self) -> Scoring:
        """The model's own score of searchable representations."""
        ...

    @property
    def tokenizer_key(self) -> str:
        """Equal for two models that turn every text into the same tokens."""
        ...

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokens:
        """Token ids with prompt and special tokens, truncated at the model's limit."""
        ...

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as a document with nothing cut off, special tokens included."""
        ...

    def set_dropout(self, rate: float) -> None:
        """Give every dropout of the transformers this rate."""
        ...

    def represent(self, ids: Tensor, mask: Tensor, role: Role) -> Representation:
        """Padded tokens, int64 `(N, L)` each, -> the vectors a loss sees: pooled or a vector a token, not yet
        normalised."""
        ...

    def searchable(self, representation: Representation) -> Representation:
        """The vectors an index holds: their inner product, or MaxSim, is the model's own similarity."""
        ...

    def save(self, folder: str | Path) -> None: ...


def represent_rows(
    encoder: Encoder, rows: Sequence[npt.NDArray[np.int32]], positions: Ints, role: Role
) -> Representation:
    """What the model makes of those rows of token ids, padded together."""
    ids, mask = pad([rows[i] for i in positions], encoder.pad_id)
    return encoder.represent(ids, mask, role)
