"""Negative policies of a study, as values: a miner is BM25, the base, or another system of the preset, by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from strop.negatives.filters import Estimator
from strop.negatives.from_run import RankWindow, Window
from strop.negatives.sampled import Uniform
from strop.retrieval.lexical import BM25


@dataclass(frozen=True, slots=True)
class Mined:
    """Negatives from a window of a miner's ranking of the training documents. The miner is BM25, the base (None), or
    another system's finished model, by name, at the first seed."""

    window: Window
    miner: BM25 | str | None = None


@dataclass(frozen=True, slots=True)
class Provided:
    """The triples that come with the collection; where none come, `otherwise`, the policy that they were made by."""

    otherwise: Mined


@dataclass(frozen=True, slots=True)
class SelfMined:
    """Negatives from the ranking of the model in training: at first of the initial model, then anew at each of
    `refreshes` evenly spread updates, while the optimiser and the schedule go on."""

    window: RankWindow
    refreshes: int = 1


@dataclass(frozen=True, slots=True)
class Union:
    """One row per query and source, with the negatives of that source; or, with `counts`, one row per query, with so
    many negatives of each."""

    of: tuple[Mined, ...]
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The first `keep` negatives of a window that the estimator does not flag as false; `of` draws more than that.

    The estimator's sources are `dense` (the base) and `bm25`, or `teacher`: the cross-fitted scores of the reranker of
    that name, so that no query is judged by a model that was trained on it.
    """

    of: Mined
    estimator: Estimator
    keep: int = 1
    teacher: str = ""


@dataclass(frozen=True, slots=True)
class Taught:
    """Negatives of a source, and for each candidate the score of a reranker of the preset, cross-fitted."""

    of: Mined
    teacher: str


Negatives: TypeAlias = Uniform | Mined | Provided | SelfMined | Union | Cleaned | Taught


def helpers(policy: Negatives | None) -> frozenset[str]:
    """The systems whose finished models mine, or whose scores it takes."""
    match policy:
        case Mined(miner=str(name)):
            return frozenset({name})
        case Provided(otherwise=inner):
            return helpers(inner)
        case Cleaned(of=inner, teacher=teacher) | Taught(of=inner, teacher=teacher):
            return helpers(inner) | ({teacher} - {""})
        case Union(of=sources):
            return frozenset[str]().union(*map(helpers, sources))
    return frozenset()


def count(policy: Negatives | None) -> int:
    """The negatives in one row of training."""
    match policy:
        case None:
            return 0
        case Mined(window=window) | SelfMined(window=window):
            return window.count
        case Uniform(count=number) | Cleaned(keep=number):
            return number
        case Provided(otherwise=inner) | Taught(of=inner):
            return count(inner)
        case Union(counts=counts):
            return sum(counts) or 1
