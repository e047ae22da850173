"""Late search: MaxSim of every query with every document, or with a prefilter's candidates, exact either way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from strop.models.memory import out_of_memory
from strop.models.tokens import Ints, cut
from strop.records.errors import InputError, excerpt
from strop.records.runs import Ranking, Run
from strop.retrieval.dense_search import ranked
from strop.retrieval.token_vectors import TokenVectors

Floats = npt.NDArray[np.float64]

#: Queries and documents taken at once: a document is read once for all of a block's queries.
QUERY_BLOCK, DOC_BLOCK = 256, 1024
#: Numbers made at once, products `(document tokens, query tokens)` or vectors copied: 1 MB, in a CPU's cache.
PRODUCTS = 2**18
#: Tokens of queries multiplied at once, and what their number is a multiple of, as matrix products like it.
WIDTH, LANES = 512, 8
#: How far beyond the depth candidates are kept for the exact rescoring.
MARGIN = 64


def search(
    queries: TokenVectors,
    documents: TokenVectors,
    depth: int,
    exclude: Mapping[str, str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """The `depth` documents of highest MaxSim for each query.

    As in `dense_search` products in float32 choose candidates, which are scored again in float64, and so is the whole
    collection where rounding could decide. Blocks of queries that do not fit the memory are halved. `progress` is
    called with 1 after each query. Raises ValueError on vectors not of length 1.
    """
    count = min(depth + 1, len(documents))
    rankings: dict[str, Ranking] = {}
    start, size = 0, QUERY_BLOCK
    while start < len(queries):
        block = range(start, min(start + size, len(queries)))
        try:
            for i, rows, exact in _best(queries, block, documents, count):
                doc_ids = [documents.ids[row] for row in rows.tolist()]
                rankings |= ranked(queries.ids[i], doc_ids, exact, depth, exclude)
                start = i + 1
                if progress:
                    progress(1)
        except (MemoryError, RuntimeError) as error:
            if len(block) == 1 or not out_of_memory(error):
                raise
            size = len(block) // 2
    return Run(rankings)


def rescore(
    candidates: Run,
    queries: TokenVectors,
    documents: TokenVectors,
    depth: int,
    exclude: Mapping[str, str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """The `depth` documents of highest MaxSim among each query's candidates: a search's second stage.

    With every document a candidate it is `search`. Raises InputError on a query without a ranking among the
    candidates or a candidate that is no document, and ValueError as `search` does.
    """
    row_of = {doc_id: row for row, doc_id in enumerate(documents.ids)}
    rankings: dict[str, Ranking] = {}
    for i, query_id in enumerate(queries.ids):
        if query_id not in candidates:
            raise InputError(f"query {excerpt(query_id)} has no candidates", remedy="Give a run of the same queries")
        doc_ids = candidates[query_id].doc_ids
        if unknown := [doc_id for doc_id in doc_ids if doc_id not in row_of]:
            raise InputError(
                f"candidate {excerpt(unknown[0])} is no document", remedy="Give a run of the same collection"
            )
        exact = _exact(queries, i, documents, np.array([row_of[doc_id] for doc_id in doc_ids], dtype=np.int64))
        rankings |= ranked(query_id, doc_ids, exact, depth, exclude)
        if progress:
            progress(1)
    return Run(rankings)


def recall(candidates: Run, exact: Run, depth: int) -> dict[str, float]:
    """Per query the share, in [0, 1], of the exact run's first `depth` documents that are among the candidates.

    A query for which the exact run has no document is left out.
    """
    best = {query_id: set(ranking.doc_ids) for query_id, ranking in exact.top(depth).items() if ranking.doc_ids}
    kept = {query_id: candidates[query_id].doc_ids for query_id in best if query_id in candidates}
    return {query_id: len(docs.intersection(kept.get(query_id, ()))) / len(docs) for query_id, docs in best.items()}


def _best(
    queries: TokenVectors, block: range, documents: TokenVectors, count: int
) -> Iterator[tuple[int, Ints, Floats]]:
    """Each query, rows that hold its `count` best for sure, all ties included, and their exact scores."""
    kept = min(len(documents), count + MARGIN)
    for i, approximate, rows in zip(block, *_top(queries, block, documents, kept), strict=True):
        # Two scores of one pair differ by 2 D roundings per inner product and one per sum, each of at most 1.
        tokens = int(queries.lengths[i])
        bound = tokens * (2 * documents.vectors.shape[1] + tokens + 2) * 2.0**-24
        if kept < len(documents):
            floor = np.partition(approximate, -count)[-count] - 2 * bound
            rows = rows[approximate >= floor] if approximate.min() < floor else np.arange(len(documents))
        yield i, rows, _exact(queries, i, documents, rows)


def _top(
    queries: TokenVectors, block: range, documents: TokenVectors, kept: int
) -> tuple[npt.NDArray[np.float32], Ints]:
    """Approximate scores and rows `(Q, kept)` of the best documents, in no order."""
    best, rows = torch.empty(len(block), 0), torch.empty(len(block), 0, dtype=torch.int64)
    for start in range(0, len(documents), DOC_BLOCK):
        places = np.arange(start, min(start + DOC_BLOCK, len(documents)))
        best = torch.cat([best, _cosines(queries, block, documents, places, torch.float32)], dim=1)
        rows = torch.cat([rows, torch.from_numpy(places).expand(len(block), -1)], dim=1)
        best, order = best.topk(min(kept, best.shape[1]), dim=1, sorted=False)
        rows = rows.gather(1, order)
    return best.numpy(), rows.numpy()


def _exact(queries: TokenVectors, i: int, documents: TokenVectors, rows: Ints) -> Floats:
    """Query i's score of each row, as `_cosines`, in float64."""
    exact: Floats = _cosines(queries, range(i, i + 1), documents, rows, torch.float64)[0].numpy()
    return exact


def _cosines(queries: TokenVectors, block: range, documents: TokenVectors, rows: Ints, dtype: torch.dtype) -> Tensor:
    """MaxSim `(Q, n)` of a block of queries with some documents, -1 for each query token where a document has none."""
    tokens = _read(queries, np.arange(queries.offsets[block.start], queries.offsets[block.stop]), dtype)
    counts = torch.from_numpy(queries.lengths[block.start : block.stop])
    owners = torch.repeat_interleave(torch.eye(len(block), dtype=dtype), counts, dim=0)
    spare = -len(tokens) % LANES
    padded = (torch.split(pad(side, (0, 0, 0, spare)), WIDTH) for side in (tokens, owners))
    parts = list(zip(*padded, strict=True))
    scores = -counts.to(dtype).expand(len(rows), -1).contiguous()
    lengths = documents.lengths[rows]
    full = np.flatnonzero(lengths)
    for chunk in cut(lengths[full], max(1, PRODUCTS // max(tokens.shape[1], min(len(tokens), WIDTH)))):
        places = full[chunk]
        # A shorter document's last token stands for its padding: once more the same changes no maximum.
        steps = np.minimum(np.arange(lengths[places].max()), lengths[places, None] - 1)
        vectors = _read(documents, (documents.offsets[rows[places], None] + steps).ravel(), dtype)
        maxima = ((vectors @ part.T).view(*steps.shape, len(part)).amax(dim=1) @ owned for part, owned in parts)
        scores[places] = sum(maxima, torch.zeros(()))
    return scores.T.contiguous()


def _read(texts: TokenVectors, places: Ints, dtype: torch.dtype) -> Tensor:
    vectors = torch.from_numpy(np.asarray(texts.vectors[places]))
    if len(vectors) and not (torch.linalg.vector_norm(vectors, dim=1) - 1).abs().max() < 1e-3:
        raise ValueError("a token's vector is not of length 1")
    return vectors.to(dtype)
