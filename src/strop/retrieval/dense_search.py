"""Exact dense search: every query against every vector, a running top-k, memory bounded by one block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from strop.models.memory import out_of_memory
from strop.records.runs import Run
from strop.retrieval.best_rows import BestRows, Ints, Scores
from strop.retrieval.encode import Stack, Vectors
from strop.retrieval.side_by_side import side_by_side

Floats = npt.NDArray[np.float64]

#: Queries and documents taken at once: 4 MB of scores, near a CPU's cache.
QUERY_BLOCK, DOC_BLOCK = 1024, 1024
#: Documents rescored at once.
RESCORED = 256
#: Queries whose candidates one thread rescores at once.
PART = 32
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
    one document that must not be retrieved for it: itself. Beside the Run the memory is, for each thread, that of
    `QUERY_BLOCK * (8 * DOC_BLOCK + 24 * depth)` scores and a block of each side; where that is not to be had, blocks
    of queries are halved. Raises ValueError on vectors that are not finite.
    """
    if not len(documents):
        return Run({query_id: ([], []) for query_id in query_ids})
    runs: list[Run] = []
    start, size = 0, QUERY_BLOCK
    while start < len(query_ids):
        block = slice(start, min(start + size, len(query_ids)))
        try:
            best = _best(_read(queries, block), documents, min(depth + 1, len(doc_ids)))
            pairs = zip(query_ids[block], best, strict=True)
            runs += [ranked(q, [doc_ids[j] for j in rows], exact, depth, exclude) for q, (rows, exact) in pairs]
        except (MemoryError, RuntimeError) as error:
            if size == 1 or not out_of_memory(error):
                raise
            size = (block.stop - start + 1) // 2
            continue
        start = block.stop
        if progress:
            progress(block.stop - block.start)
    return Run.joined(runs)


def ranked(
    query_id: str,
    doc_ids: Sequence[str],
    exact: npt.NDArray[np.floating],
    depth: int,
    exclude: Mapping[str, str] | None,
) -> Run:
    """The query's best `depth` by their scores in float32, without the document that it excludes."""
    scores = exact.astype(np.float32)
    excluded = (exclude or {}).get(query_id)
    if excluded in doc_ids:
        place = doc_ids.index(excluded)
        doc_ids, scores = [*doc_ids[:place], *doc_ids[place + 1 :]], np.delete(scores, place)
    return Run({query_id: (doc_ids, scores)}).top(depth)


def _read(queries: Vectors | Stack, block: slice) -> Vectors:
    vectors = np.array(queries[block])  # a copy: memory maps are read-only
    if not np.isfinite(vectors).all():
        raise ValueError(f"a vector of queries {block.start} to {block.stop - 1} is not finite")
    return vectors


def _best(queries: Vectors, documents: Vectors | Stack, count: int) -> Iterator[tuple[list[int], Floats]]:
    """For each query rows that hold its `count` best for sure, all ties included, and their exact scores."""
    sure = _sure(queries, documents, count)

    def rescored(i: int) -> tuple[list[int], Floats]:
        if i not in sure:
            return _among_all(queries[i], documents, count)
        return sure[i].tolist(), _rescore(queries[i], documents, sure[i])

    def all_rescored(part: range) -> list[tuple[list[int], Floats]]:
        return [rescored(i) for i in part]

    parts = (range(start, min(start + PART, len(queries))) for start in range(0, len(queries), PART))
    for part in side_by_side(all_rescored, parts):
        yield from part


def _sure(queries: Vectors, documents: Vectors | Stack, count: int) -> dict[int, Ints]:
    """Rows, few of them, that hold a query's `count` best for sure, of the queries for which products tell them."""
    kept = min(len(documents), count + MARGIN)
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
    sure: dict[int, Ints] = {}
    for dtype, rounding in PRECISIONS:
        waiting = [i for i in range(len(queries)) if i not in sure]
        if not waiting:
            break
        scores, rows, least, longest = _top(queries[waiting], documents, kept, dtype)
        if kept == len(documents):
            return dict.fromkeys(waiting, np.arange(kept))
        # Two inner products of the same pair differ by at most 2 D roundings, whatever their order, and by what is
        # below the least number; two pairs are compared. What differs by less than float32 resolves is a tie.
        reach = lengths[waiting] * longest
        relative = 4 * documents.shape[1] * rounding + 2.0**-23
        bound = relative * reach + 4 * documents.shape[1] * torch.finfo(dtype).tiny
        floor = np.partition(scores, -count, axis=1)[:, -count] - bound
        told = (least < floor) & (reach < torch.finfo(dtype).max / 2)
        sure |= {waiting[i]: rows[i, scores[i] >= floor[i]] for i in np.flatnonzero(told)}
    return sure


def _top(
    queries: Vectors, documents: Vectors | Stack, kept: int, dtype: torch.dtype
) -> tuple[Scores, Ints, Scores, float]:
    """What `BestRows` hold of all documents by approximate scores, and the longest document's length."""
    block = torch.from_numpy(queries).to(dtype)
    threads = min(torch.get_num_threads(), math.ceil(len(documents) / DOC_BLOCK))

    def read(first: int) -> tuple[BestRows, float]:
        """Every so-manieth block of documents."""
        best, longest = BestRows(len(queries), kept, min(DOC_BLOCK, len(documents)), dtype), 0.0
        for start in range(first * DOC_BLOCK, len(documents), threads * DOC_BLOCK):
            # Only what is in another precision or read-only, as memory maps are, is copied.
            rows = torch.from_numpy(np.require(documents[start : start + DOC_BLOCK], block.numpy().dtype, ["C", "W"]))
            length = float(torch.linalg.vector_norm(rows, dim=1).max())
            if not math.isfinite(length):
                raise ValueError(f"a vector of documents {start} to {start + len(rows) - 1} is not finite")
            longest = max(longest, length)
            best.offer(rows, block, start)
        return best, longest

    found, lengths = zip(*side_by_side(read, range(threads)), strict=True)
    scores, rows, least = zip(*(best.best() for best in found), strict=True)
    return np.concatenate(scores, axis=1), np.concatenate(rows, axis=1), np.maximum.reduce(least), max(lengths)


def _rescore(query: Vectors, documents: Vectors | Stack, rows: Ints) -> Floats:
    """Inner products `(n,)` in float64, each summed in one fixed order."""
    inner = np.empty(len(rows))
    for start in range(0, len(rows), RESCORED):
        products = documents[rows[start : start + RESCORED]].astype(np.float64)
        products *= query
        products.sum(axis=1, out=inner[start : start + RESCORED])
    return inner


def _among_all(query: Vectors, documents: Vectors | Stack, count: int) -> tuple[list[int], Floats]:
    """The rows that score no worse than the `count`-th, of all documents rescored."""
    exact = _rescore(query, documents, np.arange(len(documents)))
    scores = exact.astype(np.float32)
    rows = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
    return rows.tolist(), exact[rows]
