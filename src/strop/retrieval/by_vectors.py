"""The retrievers that compare vectors: one vector per text, or one vector per token."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, Store
from strop.models.encoder import Role
from strop.models.pretrained import Pretrained
from strop.models.scoring import Precision, Representation
from strop.records.errors import InputError
from strop.records.runs import Run, write_run
from strop.retrieval import dense_search, encode, late_search, rerank
from strop.retrieval.candidates import Candidates
from strop.retrieval.stages import SEARCH, Vectors, encode_texts, encode_tokens, encoder_of
from strop.retrieval.texts import ById, Part, texts_key
from strop.retrieval.token_vectors import TokenVectors
from strop.retrieval.windows import Windows


@dataclass(frozen=True, slots=True)
class VectorPerText:
    """A model of one tower or two, searched by inner product."""

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

        def run(query_key: str, document_key: str) -> Run:
            index = Vectors.load(encode_texts(store, self.model, documents, "document", progress, document_key))
            rows = Vectors.load(encode_texts(store, self.model, queries, "query", progress, query_key))
            with progress(f"search {len(index.ids):,} documents", len(rows.ids)) as advance:
                return dense_search.search(
                    rows.matrix, rows.ids, index.matrix, index.ids, depth, exclude, progress=advance
                )

        return _searched(store, self.model, queries, documents, depth, exclude, run)

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
        """Artifact `rerank`. Raises InputError for a precision or windows: no pairs are read."""

        def order(encoded: Sequence[Artifact]) -> Run:
            rows, index = map(Vectors.load, encoded)
            return rerank.by_vectors(candidates, depth, rows.ids, rows.matrix, index.ids, index.matrix)

        given = Candidates.of(candidates, queries, documents, depth)
        _refuse_pairs(precision, windows)
        return _reranked(store, self.model, given, encode_texts, order, progress)

    def represent(
        self, store: Store, texts: ById, ids: Sequence[str], role: Role, progress: Progress = silent
    ) -> Representation:
        """`(N, D)`, of the vectors that all the texts are searched by."""
        vectors = Vectors.load(encode_texts(store, self.model, texts, role, progress))
        return Representation(torch.from_numpy(vectors.of(ids)))

    def score(self, queries: Representation, documents: Representation) -> Tensor:
        return encoder_of(self.model).similarity(queries, documents)


@dataclass(frozen=True, slots=True)
class VectorPerToken:
    """A late-interaction model, searched by MaxSim."""

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

        def run(*_: str) -> Run:
            rows, index = self._encoded(store, queries, documents, progress)
            with progress(f"MaxSim over {len(index.ids):,} documents", len(rows.ids)) as advance:
                similarity = encoder_of(self.model).similarity
                return late_search.search(rows, index, similarity, depth, exclude, progress=advance)

        return _searched(store, self.model, queries, documents, depth, exclude, run)

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
        rows, index = self._encoded(store, queries, documents, progress)
        with progress(f"MaxSim over candidates of {len(rows.ids):,} queries", len(rows.ids)) as advance:
            similarity = encoder_of(self.model).similarity
            return late_search.rescore(candidates, rows, index, similarity, depth, exclude, advance)

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
        """Artifact `rerank`. Raises InputError for a precision or windows: no pairs are read."""

        def order(encoded: Sequence[Artifact]) -> Run:
            rows, index = (TokenVectors.load(artifact.path) for artifact in encoded)
            return rerank.by_tokens(candidates, depth, rows, index, encoder_of(self.model).similarity)

        given = Candidates.of(candidates, queries, documents, depth)
        _refuse_pairs(precision, windows)
        return _reranked(store, self.model, given, encode_tokens, order, progress)

    def represent(
        self, store: Store, texts: ById, ids: Sequence[str], role: Role, progress: Progress = silent
    ) -> Representation:
        """`(N, L, D)`, made anew of these texts alone: a collection's would take many times the room."""
        encoder = encoder_of(self.model)
        tokens = encoder.tokenize(list(Part(texts, ids).values()), role)
        return encode.represented(encoder, tokens, role)

    def score(self, queries: Representation, documents: Representation) -> Tensor:
        return encoder_of(self.model).similarity(queries, documents)

    def _encoded(
        self, store: Store, queries: ById, documents: ById, progress: Progress
    ) -> tuple[TokenVectors, TokenVectors]:
        index = TokenVectors.load(encode_tokens(store, self.model, documents, "document", progress).path)
        return TokenVectors.load(encode_tokens(store, self.model, queries, "query", progress).path), index


def _searched(
    store: Store,
    model: Pretrained,
    queries: ById,
    documents: ById,
    depth: int,
    exclude: ById | None,
    run: Callable[[str, str], Run],
) -> Artifact:
    """Artifact `search`; `run` gets the keys of the queries and of the documents, which take long to compute."""
    keys = {"queries": texts_key(queries), "documents": texts_key(documents)}

    def make(folder: Path) -> None:
        write_run(run(keys["queries"], keys["documents"]), folder / "run.trec", "dense")

    return store.build(SEARCH, {"depth": depth, "exclude": dict(exclude or {})}, {"model": model.identity} | keys, make)


def _refuse_pairs(precision: Precision, windows: Windows | None) -> None:
    if precision != "float32" or windows:
        raise InputError("the model reads no pairs, in windows or bfloat16", remedy="Leave both out")


def _reranked(
    store: Store,
    model: Pretrained,
    candidates: Candidates,
    encode: Callable[[Store, Pretrained, ById, Role, Progress], Artifact],
    order: Callable[[Sequence[Artifact]], Run],
    progress: Progress,
) -> Artifact:
    """Artifact `rerank`, by similarity. Vectors that were there already cost what they cost then, and a pair is cut
    where its document is."""

    def make(folder: Path) -> dict[str, Any]:
        sides: tuple[tuple[ById, Role], ...] = ((candidates.queries, "query"), (candidates.documents, "document"))
        encoded = [encode(store, model, texts, role, progress) for texts, role in sides]
        started = time.perf_counter()
        run = order(encoded)
        seconds = time.perf_counter() - started + sum(artifact.record["wall_seconds"] for artifact in encoded)
        encoder, tokens = encoder_of(model), sum(artifact.record["tokens"] for artifact in encoded)
        counts = zip(candidates.documents, encoder.token_counts(list(candidates.documents.values())), strict=True)
        cut = {doc_id for doc_id, count in counts if count > encoder.max_length}
        pairs = [doc_id in cut for doc_id in candidates.ranked]
        cost = rerank.Cost(len(pairs), tokens, sum(pairs), seconds)
        write_run(run, folder / "run.trec", "rerank")
        return {"cost": asdict(cost), "max_length": encoder.max_length}

    return candidates.build(store, model, {}, make)
