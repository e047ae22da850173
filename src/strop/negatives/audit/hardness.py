"""How hard negatives are, measured: hard negatives are nearer to their query than others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from strop.evaluation.comparison import Comparison, compare
from strop.evaluation.significance import bootstrap_interval
from strop.negatives.audit.tally import rank_of
from strop.records.documents import Group
from strop.records.errors import InputError, excerpt

#: (query id, document id) -> cosine.
Similarity = Callable[[str, str], float]
Floats = npt.NDArray[np.float32]

#: How much nearer in cosine negatives must be to their queries to be called harder; chosen, not derived.
LEAST = 0.02
#: The most bins of a histogram of ranks, each of 1, 2 or 5 times a power of ten ranks.
MOST_BINS = 20


def cosines(query_ids: Sequence[str], queries: Floats, doc_ids: Sequence[str], documents: Floats) -> Similarity:
    """The cosines of vectors `(N, D)` of any length, in [-1, 1]; 0 for a vector of length 0.

    A call raises InputError for an id without a vector.
    """
    query_rows, doc_rows = ({text_id: i for i, text_id in enumerate(ids)} for ids in (query_ids, doc_ids))

    def cosine(query_id: str, doc_id: str) -> float:
        q, d = _row(queries, query_rows, query_id, "query"), _row(documents, doc_rows, doc_id, "document")
        return float(q @ d / (np.linalg.norm(q) * np.linalg.norm(d) or 1.0))

    return cosine


@dataclass(frozen=True, slots=True)
class Hardness:
    """How near negatives are to their queries."""

    number: int
    #: Per query the mean of cos(query, positive) - cos(query, negative); the smaller, the harder.
    gaps: Mapping[str, float]
    #: The share of pairs whose negative has the higher cosine.
    above_positive: float
    #: How many negatives are of each kind ("rank", "BM25 rank", "uniform").
    sources: tuple[tuple[str, int], ...]
    #: (low, high, count), both ends included, of those whose source names a rank.
    ranks: tuple[tuple[int, int, int], ...]

    @property
    def gap(self) -> float:
        """The mean over queries, in [-2, 2]."""
        return float(np.mean(list(self.gaps.values())))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of `gap`, queries resampled."""
        return bootstrap_interval(list(self.gaps.values()))


def hardness(groups: Sequence[Group], similarity: Similarity) -> Hardness:
    """The hardness of the negatives of all groups. Raises InputError when no group has any."""
    gaps: dict[str, list[float]] = defaultdict(list)
    ranks: list[int] = []
    kinds: Counter[str] = Counter()
    for group in groups:
        positives = [similarity(group.query_id, d) for d in group.positives]
        negatives = [similarity(group.query_id, d) for d in group.negatives]
        if positives and negatives:
            gaps[group.query_id] += [p - n for p in positives for n in negatives]
        for source in group.sources:
            rank = rank_of(source)
            kinds[source if rank is None else source.removesuffix(f" {rank}")] += 1
            ranks += [] if rank is None else [rank]
    if not gaps:
        raise InputError("no group has both a positive and a negative", remedy="Mine negatives first")
    return Hardness(
        number=sum(len(group.negatives) for group in groups),
        gaps={query_id: float(np.mean(values)) for query_id, values in gaps.items()},
        above_positive=float(np.mean([gap < 0 for values in gaps.values() for gap in values])),
        sources=tuple(sorted(kinds.items())),
        ranks=_histogram(ranks),
    )


@dataclass(frozen=True, slots=True)
class Harder:
    """Whether the negatives of `a` are harder than those of `b`: the difference in cosine, over the queries of both."""

    a: str
    b: str
    verdict: Literal["harder", "not harder", "not resolved"]
    comparison: Comparison

    def __str__(self) -> str:
        difference, low, high = self.comparison.difference, self.comparison.low, self.comparison.high
        verdict = "not resolved to be harder" if self.verdict == "not resolved" else self.verdict
        return (
            f"{self.a} negatives are {verdict} than {self.b} ones: in cosine they are {abs(difference):.3f} "
            f"{'nearer to' if difference >= 0 else 'farther from'} the query (95 % interval {low:+.3f} to {high:+.3f}, "
            f"{self.comparison.n:,} queries; harder is nearer by more than {LEAST:g})"
        )


def harder(a: Hardness, b: Hardness, names: tuple[str, str] = ("mined", "random")) -> Harder:
    """Compares `a` with `b`, paired over the queries that both have.

    harder: the difference is significant and its whole interval is above LEAST. not harder: the interval is at or
    below it. not resolved: neither. Raises InputError when they have no query in common.
    """
    common = [query_id for query_id in a.gaps if query_id in b.gaps]
    if not common:
        raise InputError("the two sets of negatives have no query in common", remedy="Mine both for the same queries")
    comparison = compare({q: b.gaps[q] for q in common}, {q: a.gaps[q] for q in common})
    verdict: Literal["harder", "not harder", "not resolved"] = "not resolved"
    if comparison.resolved and comparison.low > LEAST:
        verdict = "harder"
    elif comparison.high <= LEAST:
        verdict = "not harder"
    return Harder(*names, verdict, comparison)


def _histogram(ranks: Sequence[int]) -> tuple[tuple[int, int, int], ...]:
    """Equal bins that start at 1, 1 + width, …, from the first that has a rank to the last."""
    if not ranks:
        return ()
    low, high = min(ranks), max(ranks)
    widths = (step * 10**power for power in range(10) for step in (1, 2, 5))
    width = next(w for w in widths if (high - 1) // w - (low - 1) // w < MOST_BINS)
    counts = Counter((rank - 1) // width for rank in ranks)
    return tuple((b * width + 1, (b + 1) * width, counts[b]) for b in range(min(counts), max(counts) + 1))


def _row(matrix: Floats, rows: Mapping[str, int], text_id: str, role: str) -> npt.NDArray[np.float64]:
    if text_id not in rows:
        raise InputError(f"{role} {excerpt(text_id)} has no vector", remedy="Encode every text that the groups name")
    return np.asarray(matrix[rows[text_id]], dtype=np.float64)
