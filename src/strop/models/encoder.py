"""What a model is to the rest of strop: what every one can do, and what one that makes vectors of texts can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from strop.models.chunks import Forward, vectors
from strop.models.scoring import Cosine, Joint, MaxSim, Representation, Scoring
from strop.models.tokens import Floats, Ints, Rows, Tokens, pad
from strop.models.tokens import Role as Role
from strop.models.transformer import set_dropout
from strop.records.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers.base.modules import Transformer

#: Padded tokens of a chunk where the own score of some pairs is read.
BUDGET = 2048


class Model(Protocol):
    """Texts -> tokens of each side -> scores. Prompts, markers and length caps live behind it and nowhere else.

    `model` is sentence-transformers' own, in float32. `max_length` is the most tokens of a document, or of a pair where
    pairs are read, special ones and prompt included.
    """

    model: Any
    max_length: int

    @property
    def module(self) -> nn.Module:
        """Everything trainable."""
        return cast(nn.Module, self.model)

    @property
    def transformers(self) -> Sequence[Transformer]:
        """The towers, each sentence-transformers' first module, which holds the transformer proper as `.model`: one
        where queries and documents share it."""
        return (self.model[0],)

    @property
    def transformer(self) -> Transformer:
        """The only tower, or the queries'."""
        return self.transformers[0]

    @property
    def device(self) -> torch.device:
        return cast(torch.device, self.model.device)

    @property
    def pad_id(self) -> int:
        return int(self.model.tokenizer.pad_token_id)

    @property
    def encoder(self) -> Encoder | None:
        """Itself where texts have vectors, and so a geometry; None where pairs are read."""
        ...

    def check(self, scoring: Scoring, in_batch: bool) -> None:
        """Raises InputError when a training cannot score this model so, or not with every other query's documents."""
        ...

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokens:
        """Token ids of one side, its prompt included."""
        ...

    def cut_pairs(self, queries: Ints, documents: Ints) -> int:
        """How many pairs of so many tokens each are too long, and will be cut."""
        ...

    def forward(self, queries: Rows, documents: Rows, own: Tensor, scoring: Scoring) -> Forward:
        """A batch to train on; `own`, bool `(Q, K)`, marks each query's own candidates among the documents."""
        ...

    def pair_scores(self, queries: Rows, documents: Rows, pairs: Sequence[tuple[int, int]]) -> Floats:
        """How well each (query, document) goes together, by what the model is searched or reranked with."""
        ...

    def set_dropout(self, rate: float) -> None:
        """Give every dropout of the transformers this rate."""
        for transformer in self.transformers:
            set_dropout(transformer, rate)

    def save(self, folder: str | Path) -> None:
        """In sentence-transformers' layout, safetensors only, for its own loading."""
        self.model.save_pretrained(str(folder), create_model_card=False)


@contextmanager
def observing(model: Model) -> Iterator[None]:
    """Eval mode, no gradients, and a forked random state: whatever happens inside leaves a training as it was."""
    was_training = [(module, module.training) for module in model.module.modules()]
    model.module.eval()
    with torch.random.fork_rng(), torch.inference_mode():
        yield
    for module, mode in was_training:
        module.training = mode


class Encoder(Model, Protocol):
    """A model that makes vectors of texts, of each text by itself.

    `by_role`: whether a text becomes something else as a query than as a document, so that no chunk may hold both.
    `similarity` is the model's own score of searchable representations.
    """

    by_role: bool
    similarity: Scoring

    @property
    def unit(self) -> bool:
        """Whether searchable vectors have length 1."""
        ...

    @property
    def dimension(self) -> int:
        """Of a vector."""
        return int(self.model.get_embedding_dimension() or 0)

    @property
    def encoder(self) -> Encoder:
        return self

    @property
    def tokenizer_key(self) -> str:
        """Equal for two models that turn every text into the same tokens."""
        ...

    def token_counts(self, texts: Iterable[str]) -> list[int]:
        """Tokens of each text as a document with nothing cut off, special tokens included; read once, not kept."""
        ...

    def represent(self, ids: Tensor, mask: Tensor, role: Role) -> Representation:
        """Padded tokens, int64 `(N, L)` each, -> the vectors a loss sees, not yet normalised: one per text (pooled), or
        one per token."""
        ...

    def searchable(self, representation: Representation) -> Representation:
        """The vectors an index holds: their inner product, or MaxSim, is the model's own similarity."""
        ...

    def check(self, scoring: Scoring, in_batch: bool) -> None:
        """Raises InputError for the score of pairs, and for MaxSim where the model has none or another where it has."""
        if isinstance(scoring, Joint):
            raise InputError(
                f"the model makes vectors, the recipe scores by {scoring}",
                remedy="Take a rerank-… recipe for a cross-encoder, and another for any other model",
            )
        if isinstance(self.similarity, MaxSim) != isinstance(scoring, MaxSim):
            raise InputError(
                f"the model is scored by {self.similarity}, the recipe scores by {scoring}",
                remedy="Take a late-… recipe for a model with one vector per token, and another for any other",
            )

    def cut_pairs(self, queries: Ints, documents: Ints) -> int:
        return 0  # each text was cut by itself, when it was tokenized

    def forward(self, queries: Rows, documents: Rows, own: Tensor, scoring: Scoring) -> Forward:
        """Every text once, compared by `scoring`."""
        rows, n = [*queries, *documents], len(queries)

        def represent(positions: Ints) -> Representation:
            return represent_rows(self, rows, positions, "query" if positions[0] < n else "document")

        def scores(texts: Representation) -> Tensor:
            return scoring(texts[:n], texts[n:])

        return Forward(row_lengths(rows), represent, scores, n if self.by_role else 0)

    def pair_scores(self, queries: Rows, documents: Rows, pairs: Sequence[tuple[int, int]]) -> Floats:
        """The cosine, or with one vector per token the model's own similarity."""
        sides = self.searchable_rows(queries, "query"), self.searchable_rows(documents, "document")
        score = Cosine() if sides[0].mask is None else self.similarity
        scores = score(*sides).cpu().numpy()
        query, document = np.array(pairs).T
        return np.asarray(scores[query, document])

    def searchable_rows(self, rows: Rows, role: Role) -> Representation:
        """Of each text as token ids."""
        return self.searchable(vectors(lambda at: represent_rows(self, rows, at, role), row_lengths(rows), BUDGET))


def represent_rows(encoder: Encoder, rows: Rows, positions: Ints, role: Role) -> Representation:
    """What the model makes of those rows of token ids, padded together."""
    ids, mask = pad([rows[i] for i in positions], encoder.pad_id)
    return encoder.represent(ids, mask, role)


def row_lengths(rows: Rows) -> Ints:
    return np.array([len(row) for row in rows], dtype=np.int64)
