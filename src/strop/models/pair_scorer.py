"""What every model that reads a query and a document together is to the rest of strop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from strop.models.encoder import Role
from strop.models.tokens import Ints, Tokens, pad

if TYPE_CHECKING:
    from sentence_transformers.base.modules import Transformer

Ids = npt.NDArray[np.int32]


class Pair(NamedTuple):
    """A query and a document as one row: token ids with special tokens, the side each belongs to (token type), and how
    many tokens did not fit and were cut off."""

    ids: Ids
    types: Ids
    cut: int = 0


@runtime_checkable
class PairScorer(Protocol):
    """Texts -> tokens of each side -> rows of pairs -> one score a pair. It has no vectors, so nothing to search."""

    @property
    def module(self) -> nn.Module:
        """Everything trainable."""
        ...

    @property
    def transformers(self) -> Sequence[Transformer]:
        """One: sentence-transformers' first module, which holds the transformer and its head as `.model`."""
        ...

    @property
    def device(self) -> torch.device: ...

    @property
    def pad_id(self) -> int: ...

    @property
    def max_length(self) -> int:
        """The most tokens of a pair, special ones and prompt included."""
        ...

    @property
    def untrained(self) -> tuple[str, ...]:
        """Modules with random weights, as strop made them; while there are some, scores carry no order."""
        ...

    def mark_trained(self) -> None:
        """Nothing is random any more: training begins."""
        ...

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokens:
        """Token ids of one side, with the prompt but without special tokens, nothing cut off."""
        ...

    def pair(self, query: Ids, document: Ids) -> Pair:
        """Both sides as one row, the longer cut first where they are too long."""
        ...

    def set_dropout(self, rate: float) -> None:
        """Give every dropout of the transformer this rate."""
        ...

    def score(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        """Padded rows, int64 `(P, L)` each, -> logits `(P,)`, higher is better, in (-inf, inf)."""
        ...

    def save(self, folder: str | Path) -> None: ...


def score_pairs(scorer: PairScorer, pairs: Sequence[Pair], positions: Ints) -> Tensor:
    """The logits `(len(positions),)` of those pairs, padded together."""
    ids, mask = pad([pairs[i].ids for i in positions], scorer.pad_id)
    types, _ = pad([pairs[i].types for i in positions], 0)
    return scorer.score(ids, types, mask)
