"""Mining: groups with negatives from what a retriever, or a given run, ranks among the training documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Store
from strop.models.precision import Precision
from strop.negatives.from_run import Window
from strop.records.documents import Group
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval.retriever import Retriever
from strop.retrieval.stages import run_of
from strop.retrieval.task import ById, Task


@dataclass(frozen=True, slots=True, eq=False)
class Miner:
    """Training queries, and the documents that may be trained on. A retriever encodes them in the `precision`."""

    queries: ById
    documents: ById
    store: Store
    progress: Progress = silent
    precision: Precision = "float32"

    def ranked(self, source: Retriever | Run, depth: int) -> Run:
        """What a retriever has for the queries; or a run without the documents that may not be trained on.

        Raises InputError when nothing is left of a run.
        """
        if not isinstance(source, Run):
            task = Task(self.store, self.queries, self.documents, progress=self.progress, precision=self.precision)
            return run_of(source.search(task, depth))
        allowed = {}
        for query_id, ranking in source.items():
            scores = {d: s for d, s in zip(*ranking, strict=True) if d in self.documents}
            allowed[query_id] = (scores.keys(), scores.values())
        if not any(doc_ids for doc_ids, _ in allowed.values()):
            raise InputError(
                "no document of the run may be trained on",
                remedy="Give a run over this collection's training documents",
            )
        return Run(allowed)

    def __call__(self, source: Retriever | Run, window: Window, groups: Sequence[Group], seed: int) -> list[Group]:
        """The groups with negatives from a window of ranks; those with too few candidates are left out."""
        return window(groups, self.ranked(source, window.high), seed)
