"""Retriever: the one value that ranks, made once from a name or a model. What kind it is, nobody asks afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, Store
from strop.models.encoder import Role
from strop.models.loading import is_cross_encoder, is_multi_vector
from strop.models.pretrained import Pretrained, resolve
from strop.models.scoring import Precision, Representation
from strop.records.runs import Run
from strop.retrieval.by_pairs import ReadsPairs
from strop.retrieval.by_vectors import VectorPerText, VectorPerToken
from strop.retrieval.by_words import Lexical
from strop.retrieval.lexical import BM25
from strop.retrieval.texts import ById
from strop.retrieval.windows import Windows


class Retriever(Protocol):
    """What ranks documents for queries: all of a collection's, or a run's candidates."""

    @property
    def has_geometry(self) -> bool:
        """Whether each text has a place of its own among the others, so that geometry can be read."""
        ...

    @property
    def untrained(self) -> tuple[str, ...]:
        """Its modules with random weights that nothing has trained: with one, scores carry no order."""
        ...

    def search(
        self,
        store: Store,
        queries: ById,
        documents: ById,
        depth: int,
        exclude: ById | None = None,
        progress: Progress = silent,
    ) -> Artifact:
        """Artifact with `run.trec`: the `depth` best of all documents, exact; what is not encoded yet, is first.

        `exclude` maps a query to the one document that must not be retrieved for it: itself. Raises InputError where it
        has nothing to search with.
        """
        ...

    def rerank(
        self,
        store: Store,
        candidates: Run,
        queries: ById,
        documents: ById,
        depth: int,
        progress: Progress = silent,
        precision: Precision = "float32",
        windows: Windows | None = None,
    ) -> Artifact:
        """Artifact `rerank`: `run.trec`, each query's first `depth` candidates in its order, and `cost` in the record.

        Of texts only those that the run names are encoded. A killed call goes on at the block, or the encoding, it was
        in. Raises InputError for an id that is not there, and for a precision or windows of what reads no pairs.
        """
        ...

    def represent(
        self, store: Store, texts: ById, ids: Sequence[str], role: Role, progress: Progress = silent
    ) -> Representation:
        """The searchable vectors of some of the texts, those of `ids`. Raises InputError without a geometry."""
        ...

    def score(self, queries: Representation, documents: Representation) -> Tensor:
        """Scores `(Q, K)` of such vectors, as `search` ranks by. Raises InputError without a geometry."""
        ...


def retriever(name: str) -> Retriever:
    """`bm25`, or the model of a folder or a hub id. Raises InputError as `resolve` does."""
    return Lexical(BM25()) if name == "bm25" else retriever_of(resolve(name))


def retriever_of(source: Pretrained | BM25) -> Retriever:
    """What the model's folder says that it holds."""
    if isinstance(source, BM25):
        return Lexical(source)
    if is_cross_encoder(source.path):
        return ReadsPairs(source)
    return VectorPerToken(source) if is_multi_vector(source.path) else VectorPerText(source)
