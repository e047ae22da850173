"""Search in two stages: one retriever's candidates, in the order of a late-interaction model."""

from __future__ import annotations

from dataclasses import replace

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


def second_stage(model: str) -> VectorPerToken:
    """From a name. Raises InputError for a model whose exact search needs no second stage, and as `retriever`."""
    second = retriever(model)
    if not isinstance(second, VectorPerToken):
        problem = "the model has one vector per text, and needs no second stage"
        raise InputError(problem, where=model, remedy="Leave --prefilter out")
    return second


def search(task: Task, depth: int, first: Retriever, second: VectorPerToken, candidates: int) -> tuple[Run, float]:
    """The `candidates` that `first` has for each query, in the order of `second`; and their recall: the mean share of
    the exact search's ten best that are among them, over at most 50 queries."""
    prefiltered = run_of(first.search(task, candidates))
    run = second.rescore(task, prefiltered, depth)
    checked = replace(task, queries={q: task.queries[q] for q in sorted(task.queries)[:CHECKED]})
    return run, mean(late_search.recall(prefiltered, run_of(second.search(checked, 10)), 10))
