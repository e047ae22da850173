"""Exact dense search: every query against every vector, a running top-k, memory bounded by one block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from strop.encode import Vectors
from strop.runs import Run

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: How far beyond the wanted depth candidates are kept for the exact rescoring.
MARGIN = 64


def search(
    queries: Vectors,
    query_ids: Sequence[str],
    documents: Vectors,
    doc_ids: Sequence[str],
    depth: int,
    exclude: Mapping[str, str] | None = None,
    query_block: int = 256,
    doc_block: int = 16384,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """The `depth` documents of highest inner product for each query.

    Float32 matrix products differ by rounding from one block size to the next, so they only choose candidates:
    those are rescored in float64, one pair at a time, and ordered by that. Where the rounding bound reaches past the
    margin (many equal documents) the query is rescored against everything. The Run is therefore the same for every
    block size. `exclude` maps a query to the one document it must not find: itself. Scores in memory:
    `query_block * doc_block` float32.
    """
    exclude = exclude or {}
    kept = min(len(doc_ids), depth + 1 + MARGIN)
    longest = max(
        (float(np.linalg.norm(documents[s : s + doc_block], axis=1).max()) for s in range(0, len(doc_ids), doc_block)),
        default=0.0,
    )
    scored: dict[str, tuple[list[str], Floats]] = {}
    for start in range(0, len(query_ids), query_block):
        block = queries[start : start + query_block]
        approximate, candidates = _top(block, documents, kept, doc_block)
        for i, query in enumerate(block):
            query_id = query_ids[start + i]
            found = candidates[i]
            # Two float32 inner products of the same pair differ by at most D roundings, whatever their order.
            bound = 2 * documents.shape[1] * 2.0**-24 * float(np.linalg.norm(query)) * longest
            exact = _rescore(query, documents[found])
            wanted = min(depth + 1, kept)
            if kept < len(doc_ids) and approximate[i, -1] >= np.partition(exact, -wanted)[-wanted] - bound:
                found = np.arange(len(doc_ids))
                exact = np.concatenate(
                    [_rescore(query, documents[s : s + doc_block]) for s in range(0, len(doc_ids), doc_block)]
                )
            scored[query_id] = _cut([doc_ids[j] for j in found], exact, depth, exclude.get(query_id))
        if progress:
            progress(len(block))
    return Run(scored)


def _top(queries: Vectors, documents: Vectors, kept: int, doc_block: int) -> tuple[Vectors, Ints]:
    """Approximate scores and rows `(Q, kept)` of the best documents, best first."""
    block = torch.from_numpy(np.array(queries))  # a copy: memory maps are read-only
    scores = torch.empty(len(queries), 0)
    rows = torch.empty(len(queries), 0, dtype=torch.int64)
    for start in range(0, len(documents), doc_block):
        part = torch.from_numpy(np.array(documents[start : start + doc_block]))
        new = block @ part.T
        scores = torch.cat([scores, new], dim=1)
        rows = torch.cat([rows, torch.arange(start, start + len(part)).expand(len(queries), -1)], dim=1)
        scores, order = scores.topk(min(kept, scores.shape[1]), dim=1)
        rows = rows.gather(1, order)
    return scores.numpy(), rows.numpy()


def _rescore(query: Vectors, documents: Vectors) -> Floats:
    """Inner products `(n,)` in float64, each summed in one fixed order."""
    inner: Floats = (documents.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    return inner


def _cut(doc_ids: list[str], scores: Floats, depth: int, excluded: str | None) -> tuple[list[str], Floats]:
    """The best `depth` under the Run's own order: float32 scores, ties by id."""
    scores = scores.astype(np.float32)
    order = sorted(range(len(doc_ids)), key=lambda i: (scores[i], doc_ids[i]), reverse=True)
    order = [i for i in order if doc_ids[i] != excluded][:depth]
    return [doc_ids[i] for i in order], scores[order]
