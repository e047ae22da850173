"""The retrievers that compare vectors: one vector per text, or one vector per token."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, Store
from strop.models.encoder import Role
from strop.models.pretrained import Pretrained
from strop.models.scoring import Precision, Representation
from strop.records.errors import InputError
from strop.records.runs import Run, write_run
from strop.retrieval import dense_search, encode, late_search
from strop.retrieval.candidates import Candidates
from strop.retrieval.rerank import Cost, by_tokens, by_vectors
from strop.retrieval.stages import SEARCH, Vectors, encode_texts, encode_tokens, encoder_of
from strop.retrieval.texts import ById, Part, texts_key
from strop.retrieval.token_vectors import TokenVectors
from strop.retrieval.windows import Windows

#: The artifacts of the queries and of the documents, encoded.
_Sides = tuple[Artifact, Artifact]


class _ByVectors(Protocol):
    """What the two have in common."""

    model: Pretrained
    has_geometry: ClassVar[bool] = True
    untrained: ClassVar[tuple[str, ...]] = ()

    def search(
        self,
        store: Store,
        queries: ById,
        documents: ById,
        depth: int,
        exclude: ById | None = None,
        progress: Progress = silent,
    ) -> Artifact:
        """Artifact `search`: `run.trec`."""
        keys = {"queries": texts_key(queries), "documents": texts_key(documents)}

        def make(folder: Path) -> None:
            index = self._encode(store, self.model, documents, "document", progress, keys["documents"])
            rows = self._encode(store, self.model, queries, "query", progress, keys["queries"])
            write_run(self._search((rows, index), depth, exclude, progress), folder / "run.trec", "dense")

        values = {"depth": depth, "exclude": dict(exclude or {})}
        return store.build(SEARCH, values, {"model": self.model.identity} | keys, make)

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
        """Artifact `rerank`, by similarity. Vectors that were there already cost what they cost then, and a pair is cut
        where its document is. Raises InputError for a precision or windows: no pairs are read."""
        listed = Candidates.of(candidates, queries, documents, depth)
        if precision != "float32" or windows:
            raise InputError("the model reads no pairs, in windows or bfloat16", remedy="Leave both out")

        def make(folder: Path) -> dict[str, Any]:
            rows = self._encode(store, self.model, listed.queries, "query", progress, None)
            encoded = rows, self._encode(store, self.model, listed.documents, "document", progress, None)
            started = time.perf_counter()
            run = self._order(encoded, candidates, depth)
            seconds = time.perf_counter() - started + sum(artifact.record["wall_seconds"] for artifact in encoded)
            encoder, tokens = encoder_of(self.model), sum(artifact.record["tokens"] for artifact in encoded)
            counts = zip(listed.documents, encoder.token_counts(list(listed.documents.values())), strict=True)
            cut = {doc_id for doc_id, count in counts if count > encoder.max_length}
            pairs = [doc_id in cut for doc_id in listed.ranked]
            write_run(run, folder / "run.trec", "rerank")
            return {"cost": asdict(Cost(len(pairs), tokens, sum(pairs), seconds)), "max_length": encoder.max_length}

        return listed.build(store, self.model, {}, make)

    def score(self, queries: Representation, documents: Representation) -> Tensor:
        return encoder_of(self.model).similarity(queries, documents)

    @staticmethod
    def _encode(
        store: Store, model: Pretrained, texts: ById, role: Role, progress: Progress, key: str | None
    ) -> Artifact:
        """Artifact `encode`."""
        ...

    def _search(self, encoded: _Sides, depth: int, exclude: ById | None, progress: Progress) -> Run:
        """The search of what `_encode` made."""
        ...

    def _order(self, encoded: _Sides, candidates: Run, depth: int) -> Run:
        """Each query's first `depth` candidates by similarity."""
        ...


@dataclass(frozen=True, slots=True)
class VectorPerText(_ByVectors):
    """A model of one tower or two, searched by inner product."""

    model: Pretrained
    _encode = staticmethod(encode_texts)

    def represent(
        self, store: Store, texts: ById, ids: Sequence[str], role: Role, progress: Progress = silent
    ) -> Representation:
        """`(N, D)`, of the vectors that all the texts are searched by."""
        vectors = Vectors.load(encode_texts(store, self.model, texts, role, progress))
        return Representation(torch.from_numpy(vectors.of(ids)))

    def _search(self, encoded: _Sides, depth: int, exclude: ById | None, progress: Progress) -> Run:
        rows, index = map(Vectors.load, encoded)
        with progress(f"search {len(index.ids):,} documents", len(rows.ids)) as advance:
            return dense_search.search(rows.matrix, rows.ids, index.matrix, index.ids, depth, exclude, progress=advance)

    def _order(self, encoded: _Sides, candidates: Run, depth: int) -> Run:
        rows, index = map(Vectors.load, encoded)
        return by_vectors(candidates, depth, rows.ids, rows.matrix, index.ids, index.matrix)


@dataclass(frozen=True, slots=True)
class VectorPerToken(_ByVectors):
    """A late-interaction model, searched by MaxSim."""

    model: Pretrained
    _encode = staticmethod(encode_tokens)

    def rescore(
        self,
        store: Store,
        candidates: Run,
        queries: ById,
        documents: ById,
        depth: int,
        exclude: ById | None = None,
        progress: Progress = silent,
    ) -> Run:
        """The `depth` best by MaxSim of each query's candidates alone: the second stage of a search."""
        index = TokenVectors.load(encode_tokens(store, self.model, documents, "document", progress).path)
        rows = TokenVectors.load(encode_tokens(store, self.model, queries, "query", progress).path)
        with progress(f"MaxSim over candidates of {len(rows.ids):,} queries", len(rows.ids)) as advance:
            similarity = encoder_of(self.model).similarity
            return late_search.rescore(candidates, rows, index, similarity, depth, exclude, advance)

    def represent(
        self, store: Store, texts: ById, ids: Sequence[str], role: Role, progress: Progress = silent
    ) -> Representation:
        """`(N, L, D)`, made anew of these texts alone: a collection's would take many times the room."""
        encoder = encoder_of(self.model)
        return encode.represented(encoder, encoder.tokenize(list(Part(texts, ids).values()), role), role)

    def _search(self, encoded: _Sides, depth: int, exclude: ById | None, progress: Progress) -> Run:
        rows, index = (TokenVectors.load(artifact.path) for artifact in encoded)
        with progress(f"MaxSim over {len(index.ids):,} documents", len(rows.ids)) as advance:
            similarity = encoder_of(self.model).similarity
            return late_search.search(rows, index, similarity, depth, exclude, progress=advance)

    def _order(self, encoded: _Sides, candidates: Run, depth: int) -> Run:
        rows, index = (TokenVectors.load(artifact.path) for artifact in encoded)
        return by_tokens(candidates, depth, rows, index, encoder_of(self.model).similarity)
