"""Search in two stages: one retriever's candidates, in the order of a late-interaction model."""

from __future__ import annotations

from dataclasses import dataclass, replace

from strop.evaluation.measures import mean
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval import late_search
from strop.retrieval.by_vectors import VectorPerToken
from strop.retrieval.retriever import Retriever, retriever
from strop.retrieval.stages import run_of
from strop.retrieval.task import Task

#: Of how many queries a two-stage search is measured against the exact one.
CHECKED = 50


@dataclass(frozen=True, slots=True)
class TwoStages:
    """The `candidates` that `first` has for each query, scored by `second`."""

    first: Retriever
    second: VectorPerToken
    candidates: int

    @classmethod
    def of(cls, model: str, prefilter: str, candidates: int) -> TwoStages:
        """From names. Raises InputError for a model whose exact search needs no second stage, and as `retriever`."""
        second = retriever(model)
        if not isinstance(second, VectorPerToken):
            raise InputError(
                "the model has one vector per text, and needs no second stage",
                where=model,
                remedy="Leave --prefilter out",
            )
        return cls(retriever(prefilter), second, candidates)

    def search(self, task: Task, depth: int) -> tuple[Run, float]:
        """The run; and its candidates' recall: the mean share of the exact search's ten best that are among them, over
        at most 50 queries."""
        first = run_of(self.first.search(task, self.candidates))
        run = self.second.rescore(task, first, depth)
        checked = replace(task, queries={q: task.queries[q] for q in sorted(task.queries)[:CHECKED]})
        exact = run_of(self.second.search(checked, 10))
        return run, mean(late_search.recall(first, exact, 10))
