"""Exact dense search: every query against every vector, a running top-k, memory bounded by one block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from strop.records.runs import Ranking, Run
from strop.retrieval.encode import Stack, Vectors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Queries and documents taken at once.
QUERY_BLOCK, DOC_BLOCK = 1024, 16384
#: How far beyond the depth candidates are kept for the exact rescoring.
MARGIN = 64
#: The precisions candidates are chosen in, one after the other, with the relative error of one rounding.
PRECISIONS = ((torch.float32, 2.0**-24), (torch.float64, 2.0**-53))


def search(
    queries: Vectors | Stack,
    query_ids: Sequence[str],
    documents: Vectors | Stack,
    doc_ids: Sequence[str],
    depth: int,
    exclude: Mapping[str, str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """The `depth` documents of highest inner product for each query.

    Matrix products, which differ by rounding from one block size to the next, only choose candidates: those are
    rescored in float64, one pair at a time. Where the rounding bound reaches past the margin (vectors that nearly
    coincide) candidates are chosen again by float64 products, and where it still does (many equal documents) the query
    is rescored against everything. The Run is therefore the same for every block size. `exclude` maps a query to the
    one document that must not be retrieved for it: itself. Beside the Run the memory is that of
    `QUERY_BLOCK * DOC_BLOCK` scores and a block of each side. Raises ValueError on vectors that are not finite.
    """
    if not len(documents):
        return Run({query_id: ([], []) for query_id in query_ids})
    rankings: dict[str, Ranking] = {}
    for start in range(0, len(query_ids), QUERY_BLOCK):
        block = np.array(queries[start : start + QUERY_BLOCK])  # a copy: memory maps are read-only
        if not np.isfinite(block).all():
            raise ValueError(f"a vector of queries {start} to {start + len(block) - 1} is not finite")
        best = _best(block, documents, min(depth + 1, len(doc_ids)))
        for query_id, (rows, exact) in zip(query_ids[start : start + QUERY_BLOCK], best, strict=True):
            rankings |= ranked(query_id, [doc_ids[j] for j in rows.tolist()], exact, depth, exclude)
        if progress:
            progress(len(block))
    return Run(rankings)


def ranked(query_id: str, doc_ids: Iterable[str], exact: Floats, depth: int, exclude: Mapping[str, str] | None) -> Run:
    """The query's best `depth` by their scores in float32, without the document that it excludes."""
    scores = dict(zip(doc_ids, exact.astype(np.float32).tolist(), strict=True))
    scores.pop((exclude or {}).get(query_id, ""), None)
    return Run({query_id: (scores, scores.values())}).top(depth)


def _best(queries: Vectors, documents: Vectors | Stack, count: int) -> Iterable[tuple[Ints, Floats]]:
    """For each query rows that hold its `count` best for sure, all ties included, and their exact scores."""
    kept = min(len(documents), count + MARGIN)
    best: dict[int, tuple[Ints, Floats]] = {}
    for dtype, rounding in PRECISIONS:
        waiting = [i for i in range(len(queries)) if i not in best]
        if not waiting:
            break
        approximate, candidates, longest = _top(queries[waiting], documents, kept, dtype)
        # Two inner products of the same pair differ by at most 2 D roundings, whatever their order. What differs by
        # less than float32 resolves is a tie in the Run.
        relative = 2 * documents.shape[1] * rounding + 2.0**-23
        for i, least, rows in zip(waiting, approximate.min(axis=1), candidates, strict=True):
            exact = _rescore(queries[i], documents[rows])
            bound = relative * float(np.linalg.norm(queries[i])) * longest
            if kept == len(documents) or least < np.partition(exact, -count)[-count] - bound:
                best[i] = rows, exact
    return [best[i] if i in best else _among_all(queries[i], documents, count) for i in range(len(queries))]


def _top(
    queries: Vectors, documents: Vectors | Stack, kept: int, dtype: torch.dtype
) -> tuple[npt.NDArray[np.floating], Ints, float]:
    """Approximate scores and rows `(Q, kept)` of the best documents, in no order, and the longest document's length."""
    block = torch.from_numpy(queries).to(dtype)
    best = _Best(len(queries), kept, dtype)
    longest = 0.0
    for start in range(0, len(documents), DOC_BLOCK):
        part = torch.from_numpy(np.array(documents[start : start + DOC_BLOCK])).to(dtype)
        lengths = torch.linalg.vector_norm(part, dim=1)
        if not torch.isfinite(lengths).all():
            raise ValueError(f"a vector of documents {start} to {start + len(part) - 1} is not finite")
        longest = max(longest, float(lengths.max()))
        best.offer(block @ part.T, start)
    best.shrink()
    return best.scores[:, :kept], best.rows[:, :kept], longest


class _Best:
    """The `kept` best rows of each query so far, among at most as many again that came later and were not yet sorted
    out. Sorting out is rare, so that a block costs little more than its product and one comparison."""

    def __init__(self, queries: int, kept: int, dtype: torch.dtype) -> None:
        self._kept = kept
        self._filled = np.zeros(queries, dtype=np.int64)
        self._least = torch.full((queries, 1), -torch.inf, dtype=dtype)
        self.scores = torch.full((queries, 2 * kept), -torch.inf, dtype=dtype).numpy()
        self.rows = np.zeros((queries, 2 * kept), dtype=np.int64)

    def offer(self, new: torch.Tensor, start: int) -> None:
        """Scores `(Q, n)` of the documents from row `start` on."""
        query, column, counts = self._above(new)
        if (self._filled + counts).max() > 2 * self._kept:
            self.shrink()
        place = np.arange(len(query)) + np.repeat(self._filled - np.cumsum(counts) + counts, counts)
        self.scores[query, place] = new.numpy()[query, column]
        self.rows[query, place] = column + start
        self._filled += counts

    def _above(self, new: torch.Tensor) -> tuple[Ints, Ints, Ints]:
        """Query by query where `new` exceeds what is kept, at most `kept` places each, and how many these are."""
        higher = (new > self._least).numpy()
        # At the start there are too many to list.
        if np.count_nonzero(higher) <= higher.shape[0] * self._kept:
            query, column = np.divmod(np.flatnonzero(higher), higher.shape[1])
            counts = np.bincount(query, minlength=len(higher))
            if counts.max() <= self._kept:
                return query, column, counts
        best = new.topk(min(self._kept, new.shape[1]), dim=1, sorted=False).indices.numpy()
        counts = np.full(len(best), best.shape[1])
        return np.repeat(np.arange(len(best)), counts), best.ravel(), counts

    def shrink(self) -> None:
        """Leave the best `kept` in front, and note the least of them."""
        scores, places = torch.from_numpy(self.scores).topk(self._kept, dim=1, sorted=False)
        self.rows[:, : self._kept] = np.take_along_axis(self.rows, places.numpy(), axis=1)
        self.scores[:, : self._kept] = scores.numpy()
        self.scores[:, self._kept :] = -np.inf
        self._filled[:] = self._kept
        self._least = scores.amin(dim=1, keepdim=True)


def _rescore(query: Vectors, documents: Vectors) -> Floats:
    """Inner products `(n,)` in float64, each summed in one fixed order."""
    inner: Floats = (documents.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    return inner


def _among_all(query: Vectors, documents: Vectors | Stack, count: int) -> tuple[Ints, Floats]:
    """The rows that score no worse than the `count`-th, of all documents rescored."""
    starts = range(0, len(documents), DOC_BLOCK)
    exact = np.concatenate([_rescore(query, documents[start : start + DOC_BLOCK]) for start in starts])
    scores = exact.astype(np.float32)
    rows = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
    return rows, exact[rows]
