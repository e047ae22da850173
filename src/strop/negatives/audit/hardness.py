"""How hard negatives are, measured: hard negatives are nearer to their query than others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from strop.evaluation.comparison import compare
from strop.evaluation.significance import bootstrap_interval
from strop.negatives.audit.tally import rank_of
from strop.records.documents import Group
from strop.records.errors import InputError

#: (query id, document id) -> cosine.
Similarity = Callable[[str, str], float]
Floats = npt.NDArray[np.float32]

#: How much nearer in cosine negatives must be to their queries to be called harder; chosen, not derived.
LEAST = 0.02
#: The most bins of a histogram of ranks, each of 1, 2 or 5 times a power of ten ranks.
MOST_BINS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Vectors `(N, D)` of queries and documents, of any length, and the row of each id."""

    queries: Floats
    query_rows: Mapping[str, int]
    documents: Floats
    doc_rows: Mapping[str, int]

    @classmethod
    def of(cls, query_ids: Sequence[str], queries: Floats, doc_ids: Sequence[str], documents: Floats) -> Embedded:
        query_rows, doc_rows = ({text_id: i for i, text_id in enumerate(ids)} for ids in (query_ids, doc_ids))
        return cls(np.asarray(queries), query_rows, np.asarray(documents), doc_rows)

    def query(self, query_id: str) -> Floats:
        """`(D,)`. Raises InputError for an id without a vector."""
        return _row(self.queries, self.query_rows, query_id, "query")

    def document(self, doc_id: str) -> Floats:
        """`(D,)`. Raises InputError for an id without a vector."""
        return _row(self.documents, self.doc_rows, doc_id, "document")

    def cosine(self, query_id: str, doc_id: str) -> float:
        """In [-1, 1]; 0 for a vector of length 0."""
        q, d = self.query(query_id).astype(np.float64), self.document(doc_id).astype(np.float64)
        return float(q @ d / (np.linalg.norm(q) * np.linalg.norm(d) or 1.0))


@dataclass(frozen=True, slots=True)
class Hardness:
    """How near negatives are to their queries.

    `number` counts the negatives. `gaps`: per query the mean of cos(query, positive) - cos(query, negative); the
    smaller, the harder. `above_positive`: the share of pairs whose negative has the higher cosine. `sources`: how many
    negatives are of each kind ("rank", "BM25 rank", "uniform"). `ranks`: (low, high, count), both ends included, of
    those whose source names a rank.
    """

    number: int
    gaps: Mapping[str, float]
    above_positive: float
    sources: tuple[tuple[str, int], ...]
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
        raise _no_negatives()
    return Hardness(
        number=sum(len(group.negatives) for group in groups),
        gaps={query_id: float(np.mean(values)) for query_id, values in gaps.items()},
        above_positive=float(np.mean([gap < 0 for values in gaps.values() for gap in values])),
        sources=tuple(sorted(kinds.items())),
        ranks=_histogram(ranks),
    )


@dataclass(frozen=True, slots=True)
class Harder:
    """Whether the negatives of `a` are harder than those of `b`: nearer by `difference` in cosine, in `low` to `high`.

    `n` counts the queries that both have; `least` is the difference that harder means.
    """

    a: str
    b: str
    verdict: Literal["harder", "not harder", "not resolved"]
    difference: float
    low: float
    high: float
    n: int
    least: float

    def __str__(self) -> str:
        nearer = f"{abs(self.difference):.3f} {'nearer to' if self.difference >= 0 else 'farther from'} the query"
        return (
            f"{self.a} negatives are {_SAYS[self.verdict].format(b=self.b)}: in cosine they are {nearer} "
            f"(95 % interval {self.low:+.3f} to {self.high:+.3f}, {self.n:,} queries; "
            f"harder is nearer by more than {self.least:g})"
        )

    def plain(self) -> dict[str, Any]:
        """The verdict as values ready for JSON, with its sentence as `reading`."""
        figures = {"difference": self.difference, "low": self.low, "high": self.high, "queries": self.n}
        return {"than": self.b, "verdict": self.verdict, **figures, "least": self.least, "reading": str(self)}


_SAYS = {
    "harder": "harder than {b} ones",
    "not harder": "not harder than {b} ones",
    "not resolved": "not resolved to be harder than {b} ones",
}


def harder(a: Hardness, b: Hardness, names: tuple[str, str] = ("mined", "random"), least: float = LEAST) -> Harder:
    """Compares `a` with `b`, paired over the queries that both have.

    harder: the difference is significant and its whole interval is above `least`. not harder: the interval is at or
    below it. not resolved: neither. Raises InputError when they have no query in common.
    """
    common = [query_id for query_id in a.gaps if query_id in b.gaps]
    if not common:
        raise InputError("the two sets of negatives have no query in common", remedy="Mine both for the same queries")
    comparison = compare({q: b.gaps[q] for q in common}, {q: a.gaps[q] for q in common})
    verdict: Literal["harder", "not harder", "not resolved"] = "not resolved"
    if comparison.resolved and comparison.low > least:
        verdict = "harder"
    elif comparison.high <= least:
        verdict = "not harder"
    difference, low, high, n = comparison.difference, comparison.low, comparison.high, comparison.n
    return Harder(names[0], names[1], verdict, difference, low, high, n, least)


def _histogram(ranks: Sequence[int]) -> tuple[tuple[int, int, int], ...]:
    """Equal bins that start at 1, 1 + width, …, from the first that has a rank to the last."""
    if not ranks:
        return ()
    low, high = min(ranks), max(ranks)
    widths = (step * 10**power for power in range(10) for step in (1, 2, 5))
    width = next(w for w in widths if (high - 1) // w - (low - 1) // w < MOST_BINS)
    counts = Counter((rank - 1) // width for rank in ranks)
    return tuple((b * width + 1, (b + 1) * width, counts[b]) for b in range(min(counts), max(counts) + 1))


def _row(matrix: Floats, rows: Mapping[str, int], text_id: str, role: str) -> Floats:
    if text_id not in rows:
        raise InputError(f"{role} {text_id!r} has no vector", remedy="Encode every text that the groups name")
    row: Floats = np.asarray(matrix[rows[text_id]])
    return row


def _no_negatives() -> InputError:
    return InputError("no group has both a positive and a negative", remedy="Mine negatives first")
