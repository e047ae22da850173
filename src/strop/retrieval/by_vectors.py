"""The retrievers that compare vectors: one vector per text, or one vector per token."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from strop.artifacts.store import Artifact
from strop.models.encoder import Role
from strop.models.pretrained import Pretrained
from strop.models.scored_folders import refuse_language_model
from strop.models.scoring import Precision, Representation
from strop.records.errors import InputError
from strop.records.runs import Run, write_run
from strop.retrieval import dense_search, encode, late_search
from strop.retrieval.candidates import Candidates
from strop.retrieval.rerank import Cost, by_tokens, by_vectors
from strop.retrieval.stages import SEARCH, Vectors, build_run, encode_side, encoder_of
from strop.retrieval.task import Part, Task
from strop.retrieval.token_vectors import TokenVectors
from strop.retrieval.windows import Windows


class _ByVectors(Protocol):
    """What the two have in common."""

    model: Pretrained
    has_geometry: ClassVar[bool] = True
    untrained: ClassVar[tuple[str, ...]] = ()

    def search(self, task: Task, depth: int) -> Artifact:
        """Artifact `search`."""

        def rank() -> Run:
            documents, queries = encode_side(task, self.model, "document"), encode_side(task, self.model, "query")
            return self._search(task, queries, documents, depth)

        values = {"depth": depth, "exclude": dict(task.exclude), **self._settings(task)}
        return build_run(task.store, SEARCH, values, {"model": self.model.identity, **task.keys}, "dense", rank)

    def rerank(
        self, task: Task, run: Run, depth: int, precision: Precision = "float32", windows: Windows | None = None
    ) -> Artifact:
        """By similarity, of vectors in the task's precision. Vectors that were there already cost what they cost then,
        and a pair is cut where its document is. Raises InputError for a precision or windows, as no pairs are read,
        and for a language model without a pooling of its own."""
        refuse_language_model(self.model.path)
        candidates = Candidates.of(task, run, depth)
        if precision != "float32" or windows:
            raise InputError("only a cross-encoder reads pairs in windows or in bfloat16", remedy="Leave both out")

        def make(folder: Path) -> dict[str, Any]:
            own, encoder = candidates.task, encoder_of(self.model)
            queries, documents = encode_side(own, self.model, "query"), encode_side(own, self.model, "document")
            started = time.perf_counter()
            reranked = self._order(run, queries, documents, depth)
            records = queries.record, documents.record
            seconds = time.perf_counter() - started + sum(record["wall_seconds"] for record in records)
            counts = zip(own.documents, encoder.token_counts(own.documents.values()), strict=True)
            too_long = {doc_id for doc_id, count in counts if count > encoder.max_length}
            cut = sum(doc_id in too_long for doc_id in candidates.ranked)
            cost = Cost(len(candidates.ranked), sum(record["tokens"] for record in records), cut, seconds)
            write_run(reranked, folder / "run.trec", "rerank", replace=True)
            return {"cost": asdict(cost), "max_length": encoder.max_length}

        return candidates.build(self.model, self._settings(task), make)

    def score(self, queries: Representation, documents: Representation) -> Tensor:
        return encoder_of(self.model).similarity(queries, documents)

    def _settings(self, task: Task) -> dict[str, Any]:
        """What is part of a run's key, beside the model and the task."""
        return dict(task.settings)

    def _search(self, task: Task, queries: Artifact, documents: Artifact, depth: int) -> Run: ...

    def _order(self, run: Run, queries: Artifact, documents: Artifact, depth: int) -> Run:
        """Each query's first `depth` candidates by similarity."""
        ...


@dataclass(frozen=True, slots=True)
class VectorPerText(_ByVectors):
    """A model of one tower or two, searched by inner product; with `dims` of the first so many numbers of the vectors
    that are stored anyway, brought back to length 1 where whole vectors have it.

    Raises InputError where they are used, for more dims than the vectors have, or less than 1.
    """

    model: Pretrained
    dims: int | None = None

    def represent(self, task: Task, role: Role, ids: Sequence[str]) -> Representation:
        """`(N, D)`, of the vectors that all the texts are searched by."""
        return Representation(torch.from_numpy(self._read(encode_side(task, self.model, role)).of(ids)))

    def _search(self, task: Task, queries: Artifact, documents: Artifact, depth: int) -> Run:
        rows, index = self._read(queries), self._read(documents)
        with task.progress(f"search {len(index.ids):,} documents", len(rows.ids)) as advance:
            sides = rows.matrix, rows.ids, index.matrix, index.ids
            return dense_search.search(*sides, depth, task.exclude, advance)

    def _order(self, run: Run, queries: Artifact, documents: Artifact, depth: int) -> Run:
        return by_vectors(run, depth, self._read(queries), self._read(documents))

    def _settings(self, task: Task) -> dict[str, Any]:
        return {**task.settings, **({"dims": self.dims} if self.dims is not None else {})}

    def _read(self, artifact: Artifact) -> Vectors:
        if self.dims is None:
            return Vectors.load(artifact)
        return Vectors.load(artifact, self.dims, encoder_of(self.model).unit)


@dataclass(frozen=True, slots=True)
class VectorPerToken(_ByVectors):
    """A late-interaction model, searched by MaxSim."""

    model: Pretrained

    def rescore(self, task: Task, run: Run, depth: int) -> Run:
        """The `depth` best by MaxSim of each query's candidates alone: the second stage of a search."""
        index = TokenVectors.load(encode_side(task, self.model, "document").path)
        rows = TokenVectors.load(encode_side(task, self.model, "query").path)
        with task.progress(f"MaxSim over candidates of {len(rows.ids):,} queries", len(rows.ids)) as advance:
            return late_search.rescore(run, rows, index, depth, task.exclude, advance)

    def represent(self, task: Task, role: Role, ids: Sequence[str]) -> Representation:
        """`(N, L, D)`, made anew of these texts alone: a collection's would take many times the room."""
        encoder, texts = encoder_of(self.model), task.queries if role == "query" else task.documents
        tokens = encoder.tokenize(list(Part(texts, ids).values()), role)
        return encode.represented(encoder, tokens, role, task.precision)

    def _search(self, task: Task, queries: Artifact, documents: Artifact, depth: int) -> Run:
        rows, index = TokenVectors.load(queries.path), TokenVectors.load(documents.path)
        with task.progress(f"MaxSim over {len(index.ids):,} documents", len(rows.ids)) as advance:
            return late_search.search(rows, index, depth, task.exclude, advance)

    def _order(self, run: Run, queries: Artifact, documents: Artifact, depth: int) -> Run:
        return by_tokens(run, depth, TokenVectors.load(queries.path), TokenVectors.load(documents.path))
