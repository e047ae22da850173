"""Rules by which a model might be shipped, each on many test sets drawn from one population at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy  # type: ignore[import-untyped]

from strop.evaluation.certification import p_of_samples
from strop.evaluation.significance import Floats
from strop.studies.never_worse.populations import Null

#: Random signs, or bootstrap samples, per test set, and how many of the test sets they are drawn for.
RESAMPLES = 999
RESAMPLED_SETS = 2000


@dataclass(frozen=True, slots=True)
class Draws:
    """Test sets of n queries drawn from `null`: how often each has each query, (sets, queries), and the queries of
    the first `RESAMPLED_SETS` one by one, (sets, n)."""

    null: Null
    n: int
    counts: Floats
    queries: np.ndarray

    @property
    def means(self) -> Floats:
        means: Floats = self.counts @ self.null.differences / self.n
        return means


def draw(null: Null, n: int, sets: int, seed: int) -> Draws:
    rng = np.random.default_rng([seed, n])
    counts = rng.multinomial(n, null.shares / null.shares.sum(), sets)
    few = counts[:RESAMPLED_SETS]
    queries = np.repeat(np.tile(np.arange(null.shares.size), len(few)), few.ravel()).reshape(len(few), n)
    return Draws(null, n, counts.astype(np.float64), queries)


def certificate(worst: Callable[[Draws], Floats]) -> Callable[[Draws, float, float], np.ndarray]:
    """Ours, with the difference of the query that was never seen as given."""

    def ships(draws: Draws, threshold: float, alpha: float) -> np.ndarray:
        return p_of_samples(draws.null.differences, draws.counts, threshold, worst(draws)) <= alpha

    return ships


def answered(draws: Draws) -> Floats:
    """`worst_of` of each test set."""
    base = draws.null.base
    of_answered = draws.counts @ (base > 0)
    return np.where(of_answered > 0, -(draws.counts @ base) / np.maximum(of_answered, 1), -1.0)


def paired_t(draws: Draws, threshold: float, alpha: float) -> np.ndarray:
    """The one-sided paired t test; without a spread it ships whatever is above the threshold."""
    n, means = draws.n, draws.means
    squares = draws.counts @ np.square(draws.null.differences) / n - means**2
    errors = np.sqrt(np.maximum(squares, 1e-24) / (n - 1))
    p: np.ndarray = scipy.special.stdtr(n - 1, -(means - threshold) / errors) <= alpha
    return p


def sign_flips(draws: Draws, threshold: float, alpha: float) -> np.ndarray:
    """The one-sided paired randomisation test of the differences beyond the threshold; all sets share the signs."""
    rng = np.random.default_rng(draws.n)
    signs = (rng.integers(0, 2, (draws.n, RESAMPLES), dtype=np.int8) * 2 - 1).astype(np.float32)
    beyond = (draws.null.differences - threshold).astype(np.float32)[draws.queries]
    observed = beyond.sum(axis=1) - 1e-5 * np.abs(beyond).sum(axis=1)
    p: np.ndarray = (1 + ((beyond @ signs) >= observed[:, None]).sum(axis=1)) / (RESAMPLES + 1) <= alpha
    return p


def bootstrap(draws: Draws, threshold: float, alpha: float) -> np.ndarray:
    """The percentile bootstrap's lower bound, above the threshold; all sets share the places that are drawn."""
    rng = np.random.default_rng(draws.n)
    weights = rng.multinomial(draws.n, np.full(draws.n, 1 / draws.n), RESAMPLES).T.astype(np.float32)
    means = (draws.null.differences.astype(np.float32)[draws.queries] @ weights) / draws.n
    rank = math.floor(alpha * (RESAMPLES + 1)) - 1
    bounds = np.partition(means, rank, axis=1)[:, rank]
    ships: np.ndarray = bounds > threshold + 1e-6
    return ships


OURS = "certificate"
RULES: Mapping[str, Callable[[Draws, float, float], np.ndarray]] = {
    OURS: certificate(answered),
    "worst: -mean of all": certificate(lambda draws: -(draws.counts @ draws.null.base) / draws.n),
    "worst: -1": certificate(lambda draws: np.full(len(draws.counts), -1.0)),
    "paired t": paired_t,
    "sign flips": sign_flips,
    "bootstrap": bootstrap,
}
