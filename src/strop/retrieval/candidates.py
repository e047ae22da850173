"""Candidates: what is put in a new order, whichever model does so."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from strop.artifacts.keys import content_key
from strop.artifacts.store import Artifact
from strop.models.pretrained import Pretrained
from strop.records.errors import InputError, excerpt
from strop.records.runs import Run
from strop.retrieval.stages import RERANK
from strop.retrieval.task import Part, Task


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """A run, of which each query's first `depth` documents are put in a new order: `ranked` are their ids, query by
    query, and `task` has the texts of these and of the run's queries alone."""

    run: Run
    task: Task
    ranked: tuple[str, ...]
    depth: int

    @classmethod
    def of(cls, task: Task, run: Run, depth: int) -> Candidates:
        """Raises InputError for a query or a document of the run that is not there."""
        check_known(run, task.queries, task.documents)
        ranked = tuple(d for ranking in run.top(depth).values() for d in ranking.doc_ids)
        queries, documents = Part(task.queries, list(run)), Part(task.documents, ranked)
        return cls(run, replace(task, queries=queries, documents=documents), ranked, depth)

    def build(self, model: Pretrained, settings: Mapping[str, Any], make: Callable[[Path], Any]) -> Artifact:
        """Artifact `rerank`, of these candidates by this model."""
        order = content_key([[q, ranking.doc_ids] for q, ranking in self.run.items()])
        inputs = {"model": model.identity, "candidates": order, **self.task.keys}
        return self.task.store.build(RERANK, {"depth": self.depth, **settings}, inputs, make, resumable=True)


def check_known(run: Run, queries: Container[str], documents: Container[str]) -> None:
    """Raises InputError at the first query or document of a run that is not in its collection."""
    for query_id, ranking in run.items():
        if query_id not in queries:
            problem = f"query {excerpt(query_id)} of the run is not there"
            raise InputError(problem, remedy="Give the collection it was made over")
        if missing := [doc_id for doc_id in ranking.doc_ids if doc_id not in documents]:
            problem = f"document {excerpt(missing[0])}, ranked for query {excerpt(query_id)}, is not there"
            raise InputError(problem, remedy="Give the collection that the run was made over")
