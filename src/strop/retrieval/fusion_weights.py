"""The weights of a fusion, chosen on held-out queries; how settled the choice is, and what it gains beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np

from strop.evaluation.measures import evaluate, per_query
from strop.records.documents import Qrels
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval.fuse import Fusion, Weighted

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Tuned:
    """A method with the weights chosen on `queries` held-out queries, and how far that choice is to be trusted.

    `value` is the mean there under `measure`, and flatters: the weights were chosen for it. 95 % of the weights that
    resampled queries choose lie from `low` to `high`. `gain` is the mean gain over equal weights on the queries that a
    resample left out, with weights chosen on those it drew; 95 % of these lie from `gain_low` to `gain_high`.
    """

    method: Weighted
    measure: str
    value: float
    queries: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    gain: float
    gain_low: float
    gain_high: float


def weight_grid(runs: int, parts: int = 10) -> list[tuple[float, ...]]:
    """Every way to share a weight of 1 among `runs` runs in steps of 1 / `parts`: for two runs (0, 1), (0.1, 0.9), …"""
    places = parts + runs - 1  # of the parts and of bars between the runs' shares
    bars = ((-1, *between, places) for between in combinations(range(places), runs - 1))
    return [tuple((right - left - 1) / parts for left, right in pairwise(edges)) for edges in bars]


def tuned(
    method: Weighted,
    runs_dev: Sequence[Run],
    qrels_dev: Qrels,
    measure: str,
    grid: Sequence[tuple[float, ...]],
    seed: int = 42,
) -> Tuned:
    """The weights of `grid` with the highest mean on the judged queries; of equals, those nearest to equal weights.

    Test queries must not be among them. Raises InputError with fewer than two judged queries, on an empty grid, on
    weights that do not fit the runs, and as `measures.measure` does. Source of the left-out gain: Efron and
    Tibshirani 1997 (leave-one-out bootstrap).
    """
    per_query([measure])
    if not grid:
        raise InputError("there are no weights to choose from", remedy="Give some, as weight_grid does")
    judged = {query_id: of_query for query_id, of_query in qrels_dev.items() if of_query}
    if len(judged) < 2:
        raise InputError(f"{len(judged)} judged queries cannot tell weights apart", remedy="Give two at least")
    runs = [Run({q: ranking for q, ranking in run.items() if q in judged}) for run in runs_dev]
    if not any(len(run) for run in runs):
        raise InputError("no run has a judged query", remedy="Give runs over the queries of the qrels")

    def values(fusion: Fusion) -> list[float]:
        by_query = evaluate(fusion(runs), judged, (measure,))[measure]
        return [by_query[query_id] for query_id in sorted(judged)]

    candidates = sorted(grid, key=_unevenness)
    table = np.array([values(replace(method, weights=weights)) for weights in candidates])  # (weights, queries)
    gains = table - np.array(values(replace(method, weights=())))
    best = int(np.argmax(table.mean(axis=1).round(12)))
    rng = np.random.default_rng(seed)
    count = table.shape[1]
    counts = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)  # (resamples, queries): how often each
    chosen = np.argmax((counts @ table.T / count).round(12), axis=1)
    left_out = counts == 0
    usable = left_out.any(axis=1)
    gained = (left_out * gains[chosen]).sum(axis=1)[usable] / left_out.sum(axis=1)[usable]
    low, high = np.quantile(np.array(candidates)[chosen], (0.025, 0.975), axis=0, method="inverted_cdf")
    gain_low, gain_high = np.quantile(gained, (0.025, 0.975))
    return Tuned(
        method=replace(method, weights=candidates[best]),
        measure=measure,
        value=float(table[best].mean()),
        queries=count,
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        gain=float(gained.mean()),
        gain_low=float(gain_low),
        gain_high=float(gain_high),
    )


def _unevenness(weights: tuple[float, ...]) -> float:
    """How far from equal: 0 when all are."""
    return max(abs(weight / sum(weights) - 1 / len(weights)) for weight in weights) if any(weights) else 1.0
