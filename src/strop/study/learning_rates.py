"""Learning rates: each system's chosen by how the models of a grid of settings rank held-out queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from strop.evaluation.measures import evaluate, mean
from strop.retrieval import stages
from strop.retrieval.lexical import BM25
from strop.retrieval.retriever import retriever_of
from strop.retrieval.task import Task
from strop.study.definition import Preset
from strop.study.mining import Sources
from strop.study.systems import Rates, Tuned
from strop.study.trainings import Trainings
from strop.training.optimizers import Optimizer
from strop.training.stage import Training, tuned_model

MEASURE, DEPTH = "RR@10", 10


def held_out_values(trainings: Trainings, preset: Preset, rates: Rates, sources: Sources) -> Mapping[Optimizer, float]:
    """RR@10 over held-out queries and training documents of the system the rates are chosen on, at each setting."""
    how, seed = preset.tuned(rates.on), trainings.data.seed
    return {
        setting: _value(trainings, preset, trainings.training(preset, with_optimizer(how, setting), seed, sources))
        for setting in rates.settings(how.recipe.optimizer)
    }


def with_optimizer(how: Tuned, optimizer: Optimizer) -> Tuned:
    return replace(how, recipe=replace(how.recipe, optimizer=optimizer))


def _value(trainings: Trainings, preset: Preset, training: Training) -> float:
    store, progress, scale = trainings.data.store, trainings.data.progress, trainings.data.scale
    held_out, retriever = trainings.data.held_out(preset), retriever_of(tuned_model(training(store, progress)))
    task = Task.of(held_out, store, progress)
    if training.recipe.reads_pairs:
        first = retriever_of(BM25()).search(task, scale.depth)
        ranking = retriever.rerank(task, stages.run_of(first), scale.rerank_depth, training.recipe.precision)
    else:
        ranking = retriever.search(task, DEPTH)
    return mean(evaluate(stages.run_of(ranking), held_out.qrels, (MEASURE,))[MEASURE])
