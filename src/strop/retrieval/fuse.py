"""Several Runs -> one. A method is a frozen value: by ranks, by normalised scores, or by how many runs agree.

A query counts when any run has it; a run that lacks a query does not count for it. Sums do not depend on the
order of the runs, so equal evidence ties exactly, and ties fall as in every Run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from strop.records.errors import InputError
from strop.records.runs import Ranking, Run

Floats = npt.NDArray[np.float64]
#: The scores of one run's documents of one query, best first -> what they are worth, and what a missing one is worth.
_Worth = Callable[[Floats], tuple[Floats, float]]

_NOTHING = Ranking((), np.zeros(0, dtype=np.float32))
_HEAVIEST = 1000.0


class _WeightedSum(Protocol):
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        weights = self.weights
        if not all(0 <= weight <= _HEAVIEST for weight in weights) or (weights and not any(weights)):
            listed = ", ".join(f"{weight:g}" for weight in weights)
            remedy = f"Give numbers from 0 to {_HEAVIEST:g}, not all of them 0"
            raise InputError(f"the weights are {listed}", remedy=remedy)

    def __call__(self, runs: Sequence[Run]) -> Run:
        """The fused Run. Raises InputError without a run and when the weights do not fit the runs."""
        return _fused(runs, self._worth, self.weights)

    def _worth(self, scores: Floats) -> tuple[Floats, float]: ...


@dataclass(frozen=True, slots=True)
class ReciprocalRank(_WeightedSum):
    """The sum over runs of weight / (k + rank), ranks from 1. A run that lacks a document gives it 0.

    Reads ranks alone: scores may be negative, constant or of any scale. `weights` is one for each run, or empty for
    equal ones. Source: Cormack, Clarke and Büttcher, SIGIR 2009, with k = 60; the weights are not theirs.
    """

    k: int = 60
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.k < 0:
            raise InputError(f"k is {self.k}", remedy="Give 0 or more; 60 is usual")
        _WeightedSum.__post_init__(self)

    def _worth(self, scores: Floats) -> tuple[Floats, float]:
        return 1.0 / (self.k + np.arange(1, scores.size + 1)), 0.0


@dataclass(frozen=True, slots=True)
class MinMax(_WeightedSum):
    """The weighted sum of scores brought to [0, 1] for each query and run: (score - least) / (greatest - least).

    A run that lacks a document gives it 0, as much as its last one. Where all scores are equal each is worth 1.
    Unchanged by scale and shift of a run's scores. Equal weights are CombSUM. Source: Fox and Shaw, TREC-2, 1994
    (CombSUM); Lee, SIGIR 1997 (this scale).
    """

    weights: tuple[float, ...] = ()

    def _worth(self, scores: Floats) -> tuple[Floats, float]:
        return _to_unit(scores)


@dataclass(frozen=True, slots=True)
class ZScore(_WeightedSum):
    """The weighted sum of scores brought to mean 0 and variance 1 for each query and run (variance over n).

    A run that lacks a document gives it what it gives its last one: at 0 it would pass for an average one. Where all
    scores are equal the run does not count. Unchanged by scale and shift of a run's scores. Source: Montague and Aslam,
    CIKM 2001 (zero mean, unit variance); the rule for missing ones is ours.
    """

    weights: tuple[float, ...] = ()

    def _worth(self, scores: Floats) -> tuple[Floats, float]:
        if scores.max() == scores.min():
            return np.zeros_like(scores), 0.0
        z = (scores - scores.mean()) / scores.std()
        return z, float(z.min())


@dataclass(frozen=True, slots=True)
class CombMNZ:
    """The sum of scores brought to [0, 1] as `MinMax` does, times the number of runs that found the document.

    A run that lacks a document adds nothing to either factor. Source: Fox and Shaw, TREC-2, 1994; Lee, SIGIR 1997
    for the scale.
    """

    def __call__(self, runs: Sequence[Run]) -> Run:
        """The fused Run. Raises InputError without a run."""
        return _fused(runs, _to_unit, (), counted=True)


#: The methods that take a weight for each run.
Weighted = ReciprocalRank | MinMax | ZScore
Fusion = Weighted | CombMNZ


def _fused(runs: Sequence[Run], worth: _Worth, weights: tuple[float, ...], counted: bool = False) -> Run:
    if not runs:
        raise InputError("there is no run to fuse", remedy="Give one or more")
    if weights and len(weights) != len(runs):
        raise InputError(f"{len(weights)} weights for {len(runs)} runs", remedy="Give one for each run")
    factors = np.array(weights or (1.0,) * len(runs))[:, None]
    scored = {}
    for query_id in dict.fromkeys(query_id for run in runs for query_id in run):
        rankings = [run.get(query_id, _NOTHING) for run in runs]
        column = {doc_id: i for i, doc_id in enumerate(dict.fromkeys(d for r in rankings for d in r.doc_ids))}
        worths = np.zeros((len(runs), len(column)))
        finders = np.zeros(len(column))
        for row, ranking in zip(worths, rankings, strict=True):
            if ranking.doc_ids:
                columns = [column[doc_id] for doc_id in ranking.doc_ids]
                of_ranked, of_missing = worth(ranking.scores.astype(np.float64))
                row[:] = of_missing
                row[columns] = of_ranked
                finders[columns] += 1
        # Sorted, so that the rounding of a sum cannot tell which run gave which part.
        total = np.sort(factors * worths, axis=0).sum(axis=0)
        scored[query_id] = (column, total * finders if counted else total)
    return Run(scored)


def _to_unit(scores: Floats) -> tuple[Floats, float]:
    least, greatest = scores.min(), scores.max()
    return (scores - least) / (greatest - least) if greatest > least else np.ones_like(scores), 0.0


#: By the name that the command line takes.
METHODS: Mapping[str, Fusion] = {"rrf": ReciprocalRank(), "minmax": MinMax(), "zscore": ZScore(), "combmnz": CombMNZ()}
