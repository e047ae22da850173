"""Populations of queries in which a tuned model is exactly as harmful as the gate may not let pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strop.evaluation.significance import Floats
from strop.records.errors import InputError
from strop.records.results import read_results
from strop.studies.figures import lines

_KEPT = Path(__file__).parent / "published" / "differences.csv"
#: Fewer queries that differ are no shape to draw from.
_ENOUGH = 5
#: How many queries lose everything, where the others gain what makes up for it.
_LOST = 0.02
TIES = (0.55, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a base and a tuned model reach on the same queries, in a measure from 0 to 1."""

    name: str
    base: Floats
    tuned: Floats

    @property
    def differences(self) -> Floats:
        between = self.tuned - self.base
        return np.where(np.abs(between) < 1e-9, 0.0, between)


@dataclass(frozen=True, slots=True)
class Null:
    """Queries to draw test sets from, each with its share; the mean difference is `mean` exactly.

    `assumed`: whether what `worst_of` assumes holds.
    """

    pairs: str
    way: str
    mean: float
    base: Floats
    differences: Floats
    shares: Floats
    assumed: bool = True

    @property
    def sd(self) -> float:
        return float(np.sqrt(self.shares @ np.square(self.differences - self.mean)))


def kept() -> list[Pairs]:
    """The sets of queries that come with the study; of one, a model half-way to the tuned one is imagined too."""
    rows = lines(_KEPT)
    found = [
        Pairs(name, *(np.array([float(row[of]) for row in rows if row["set"] == name]) for of in ("base", "tuned")))
        for name in dict.fromkeys(row["set"] for row in rows)
    ]
    first = found[0]
    return [*found, Pairs(f"{first.name}, halved", first.base, first.base + first.differences / 2)]


def of_results(folder: str, measure: str = "nDCG@10") -> list[Pairs]:
    """Every system of a Results folder against the baseline of its study, by preset, collection and seed.

    Raises InputError when the folder is none, or not one system differs from the baseline on five queries.
    """
    results = read_results(folder)
    values: dict[tuple[str, str, int], dict[str, dict[str, float]]] = {}
    for row in results.rows:
        if row.measure == measure and row.item and row.step == -1:
            of_systems = values.setdefault((row.preset, row.collection, row.seed), {})
            of_systems.setdefault(row.system, {})[row.item] = row.value
    found = []
    for (preset, collection, seed), of_systems in values.items():
        base = of_systems.pop(results.record.baseline, {})
        for system, tuned in of_systems.items():
            shared = sorted(base.keys() & tuned.keys())
            pairs = Pairs(
                f"{Path(folder).name}/{preset}/{system}/{collection}/{seed}",
                np.array([base[query] for query in shared]),
                np.array([tuned[query] for query in shared]),
            )
            if np.count_nonzero(pairs.differences) >= _ENOUGH:
                found.append(pairs)
    if not found:
        problem = f"no system differs from the baseline in {measure} on {_ENOUGH} queries"
        raise InputError(problem, where=folder, remedy="Give the folder of a finished 'strop study run'")
    return found


def nulls(pairs: Pairs, mean: float) -> Iterator[Null]:
    """The populations of one set of queries with that mean difference, those left out that it cannot have.

    Shifts stop where a query's value would leave [0, 1].
    """
    base, between = pairs.base, pairs.differences
    n = between.size
    even, moved = np.full(n, 1 / n), between != 0

    def shift(of: np.ndarray, shares: Floats) -> Floats:
        return centred(lambda by: np.where(of, np.clip(between + by, -base, 1 - base), 0.0), shares, mean)

    candidates = [
        Null(pairs.name, "every query shifted", mean, base, shift(np.ones(n, bool), even), even),
        Null(pairs.name, "ties kept", mean, base, shift(moved, even), even),
    ]
    for ties in TIES if not moved.all() else ():
        shares = np.where(moved, (1 - ties) / moved.sum(), ties / (~moved).sum())
        candidates.append(Null(pairs.name, f"{ties:.0%} ties", mean, base, shift(moved, shares), shares))
    everyone, best = np.ones(n, bool), base >= np.quantile(base, 0.75)
    candidates.append(_losing(pairs, mean, everyone, "answers lost", True))
    candidates.append(_losing(pairs, mean, best, "only the best answers lost", False))
    return (null for null in candidates if abs(null.shares @ null.differences - mean) < 1e-6)


def _losing(pairs: Pairs, mean: float, losers: np.ndarray, way: str, assumed: bool) -> Null:
    """A few of the `losers` lose all they have. The others are tied, or gain a little where the mean is not below 0."""
    base, n = pairs.base, pairs.base.size
    share = losers / losers.sum()
    lost = _LOST if mean >= 0 else -mean / float(share @ base)
    shares = np.concatenate([lost * share, (1 - lost) * np.full(n, 1 / n)])

    def gain(by: float) -> Floats:
        return np.concatenate([-base, np.clip(by, 0, 1 - base)])

    differences = centred(gain, shares, mean) if mean >= 0 else gain(0.0)
    return Null(pairs.name, way, mean, np.concatenate([base, base]), differences, shares, assumed)


def centred(shifted: Callable[[float], Floats], shares: Floats, mean: float) -> Floats:
    """`shifted` by what brings its mean to `mean`, by bisection; as near as it comes."""
    low, high = -2.0, 2.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if shares @ shifted(middle) < mean else (low, middle)
    return shifted((low + high) / 2)


def all_pairs(folders: Sequence[str]) -> list[Pairs]:
    return [*kept(), *(pairs for folder in folders for pairs in of_results(folder))]
