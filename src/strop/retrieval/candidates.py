"""Candidates: what is put in a new order, whichever model does so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strop.artifacts.store import Artifact, Store, content_key
from strop.models.pretrained import Pretrained
from strop.records.runs import Run
from strop.retrieval.rerank import check_known
from strop.retrieval.stages import RERANK
from strop.retrieval.texts import ById, Part, texts_key


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """A run, and the texts of its queries and of each one's first `depth` documents; `ranked` are these documents' ids,
    query by query."""

    run: Run
    queries: ById
    documents: ById
    ranked: tuple[str, ...]
    depth: int

    @classmethod
    def of(cls, run: Run, queries: ById, documents: ById, depth: int) -> Candidates:
        """Raises InputError for a query or a document of the run that is not there."""
        check_known(run, queries, documents)
        ranked = tuple(d for ranking in run.top(depth).values() for d in ranking.doc_ids)
        return cls(run, Part(queries, list(run)), Part(documents, ranked), ranked, depth)

    def build(
        self,
        store: Store,
        model: Pretrained,
        settings: Mapping[str, Any],
        make: Callable[[Path], Mapping[str, Any]],
    ) -> Artifact:
        """Artifact `rerank`, of these candidates by this model."""
        inputs = {
            "model": model.identity,
            "candidates": content_key([[q, ranking.doc_ids] for q, ranking in self.run.items()]),
            "queries": texts_key(self.queries),
            "documents": texts_key(self.documents),
        }
        return store.build(RERANK, {"depth": self.depth, **settings}, inputs, make, resumable=True)
