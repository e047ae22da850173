"""Counts of negatives by query and rank, and the shares they make with intervals over queries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from strop.records.documents import Group

#: Bins of ranks from 1, both ends included; negatives without a rank, or of a later one, are counted apart.
RANK_BINS = ((1, 10), (11, 50), (51, 100), (101, 200), (201, 1000))
RESAMPLES = 2_000

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
MINED, FLAGGED, HIDDEN, FOUND = range(4)


def rank_of(source: str) -> int | None:
    """The rank in a source's name: 126 of "rank 126", 17 of "BM25 rank 17"; None where there is none ("uniform")."""
    words = source.split()
    return int(words[-1]) if len(words) > 1 and words[-2] == "rank" and words[-1].isdecimal() else None


@dataclass(frozen=True, slots=True)
class Share:
    """A share in [0, 1] with its 95 % interval over queries; all None where there was nothing to count."""

    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "an undefined share"
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"

    def plain(self) -> dict[str, float | None]:
        """As values ready for JSON."""
        return {"share": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Negatives counted by query, rank bin and kind.

    `counts` int64 `(queries, bins + 1, 4)`: the last bin holds those without a rank up to 1,000; the kinds are MINED,
    FLAGGED, HIDDEN (a known positive that was hidden) and FOUND (hidden and flagged).
    """

    counts: Ints

    @classmethod
    def of(
        cls,
        groups: Sequence[Group],
        flags: Sequence[Sequence[bool]],
        hidden: Mapping[str, Collection[str]] | None = None,
    ) -> Tally:
        """Counts groups; `flags` are an estimator's, one per negative, and ranks come from the sources' names."""
        rows = {query_id: row for row, query_id in enumerate(dict.fromkeys(group.query_id for group in groups))}
        counts = np.zeros((len(rows), len(RANK_BINS) + 1, 4), np.int64)
        for group, flagged in zip(groups, flags, strict=True):
            row, secret = counts[rows[group.query_id]], (hidden or {}).get(group.query_id, ())
            for (negative, source), flag in zip(group.sourced, flagged, strict=True):
                is_hidden = negative in secret
                row[_bin(rank_of(source))] += (1, flag, is_hidden, flag and is_hidden)
        return cls(counts)

    def share(self, kind: int, of: int) -> Share:
        """The share of `kind` among the kind `of`, over all ranks."""
        return interval(lambda sums: ratio(sums[..., kind], sums[..., of]), self)

    def by_rank(self) -> list[dict[str, int | float | None]]:
        """For each rank bin that is not empty: its ends (None: no rank), the number mined, the share flagged."""
        sums, samples = self.counts.sum(axis=0), self.resampled()
        rows: list[dict[str, int | float | None]] = []
        for i, (low, high) in enumerate((*RANK_BINS, (None, None))):
            if mined := int(sums[i, MINED]):
                least, most = quantiles(ratio(samples[:, i, FLAGGED], samples[:, i, MINED]))
                flagged = {"flagged": float(sums[i, FLAGGED]) / mined, "flagged_low": least, "flagged_high": most}
                rows.append({"low": low, "high": high, "mined": mined, **flagged})
        return rows

    def resampled(self, seed: int = 0) -> Floats:
        """Sums over queries drawn with replacement, `(RESAMPLES, bins + 1, 4)`; other seeds are independent draws."""
        return _resampled(self, seed)


@lru_cache(maxsize=8)  # one draw serves every share of a tally
def _resampled(tally: Tally, seed: int) -> Floats:
    rng, n = np.random.default_rng(seed), len(tally.counts)
    times = np.stack([np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(RESAMPLES)])  # of each query
    sums: Floats = times.astype(np.float64) @ tally.counts.reshape(n, -1).astype(np.float64)
    return sums.reshape(RESAMPLES, *tally.counts.shape[1:])


def ratio(part: Floats, whole: Floats) -> Floats:
    """part / whole; nan where whole is 0."""
    out = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=out, where=np.asarray(whole) != 0)
    return out


def interval(share: Callable[..., Floats], *tallies: Tally) -> Share:
    """A share of the sums `(…, 4)` of each tally, clipped to [0, 1], with its 95 % interval.

    The queries of each tally are resampled independently. It is a ratio of sums: a query counts by what was mined for
    it.
    """
    value = float(np.clip(share(*(t.counts.sum(axis=(0, 1)).astype(np.float64) for t in tallies)), 0, 1))
    if not np.isfinite(value):
        return Share(None, None, None)
    samples = share(*(t.resampled(seed).sum(axis=1) for seed, t in enumerate(tallies)))
    return Share(value, *quantiles(np.clip(samples, 0, 1)))


def quantiles(samples: Floats) -> tuple[float | None, float | None]:
    """The 95 % percentile interval of the finite samples; None where there are none."""
    defined = samples[np.isfinite(samples)]
    if not defined.size:
        return None, None
    low, high = np.quantile(defined, (0.025, 0.975)).tolist()
    return low, high


def _bin(rank: int | None) -> int:
    bins = (i for i, (low, high) in enumerate(RANK_BINS) if rank is not None and low <= rank <= high)
    return next(bins, len(RANK_BINS))
