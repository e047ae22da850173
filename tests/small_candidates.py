"""Candidates of a run over texts that are given by id, for rerankers that are called without a store."""

from __future__ import annotations

from collections.abc import Mapping

from strop.artifacts.store import Store
from strop.records.runs import Run
from strop.retrieval.candidates import Candidates
from strop.retrieval.task import Task


def candidates(run: Run, queries: Mapping[str, str], documents: Mapping[str, str], depth: int) -> Candidates:
    return Candidates.of(Task(Store("never written"), queries, documents), run, depth)
