"""Late search: MaxSim of every query with every document, or with a prefilter's candidates, exact either way."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

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
from strop.retrieval.side_by_side import side_by_side
from strop.retrieval.token_vectors import TokenVectors

Floats = npt.NDArray[np.float32]

#: Queries and documents taken at once: a document is read once for all of a block's queries.
QUERY_BLOCK, DOC_BLOCK = 256, 256
#: Numbers made at once, products `(document tokens, query tokens)` or vectors copied: 4 MB, near a CPU's cache.
PRODUCTS = 2**20
#: Tokens of queries multiplied at once, and what their number is a multiple of, as matrix products like it.
WIDTH, LANES = 1024, 8
#: The relative error of one rounding in float32.
ROUNDING = 2.0**-24


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some queries of a block: their W tokens `(W, D)`, also in float64, whose they are, `(W, Q)` of 0 and 1, and how
    far a score in float32 can be from the exact one, `(Q,)`."""

    queries: slice
    tokens: Tensor
    exact: Tensor
    owners: Tensor
    bounds: Tensor


def search(
    queries: TokenVectors,
    documents: TokenVectors,
    depth: int,
    exclude: Mapping[str, str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """The `depth` documents of highest MaxSim for each query.

    Products in float32, which differ by rounding from one block size to the next, only rule out: documents that are not
    among the best, and of the others the tokens that are not nearest to a query's. What is left is multiplied again in
    float64. The Run is therefore the same for every block size. Blocks of queries that do not fit the memory are
    halved. `progress` is called with 1 after each query. Raises ValueError on vectors not of length 1.
    """
    count = min(depth + 1, len(documents))
    rankings: dict[str, Ranking] = {}
    start, size = 0, QUERY_BLOCK
    while start < len(queries):
        block = range(start, min(start + size, len(queries)))
        try:
            for i, (rows, scores) in zip(block, _best(queries, block, documents, count), strict=True):
                doc_ids = [documents.ids[row] for row in rows.tolist()]
                rankings |= ranked(queries.ids[i], doc_ids, scores, depth, exclude)
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
        rows = np.array([row_of[doc_id] for doc_id in doc_ids], dtype=np.int64)
        scores = _scores(_parts(queries, range(i, i + 1)), documents, rows, np.full(1, -np.inf, dtype=np.float32))
        rankings |= ranked(query_id, doc_ids, scores[0], depth, exclude)
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


def _best(queries: TokenVectors, block: range, documents: TokenVectors, count: int) -> list[tuple[Ints, Floats]]:
    """Each query's rows of its `count` best, all ties included, and their scores."""
    parts = _parts(queries, block)
    best = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))] * len(block)
    floors = np.full(len(block), -np.inf, dtype=np.float32)
    for start in range(0, len(documents), DOC_BLOCK):
        rows = np.arange(start, min(start + DOC_BLOCK, len(documents)))
        for i, scores in enumerate(_scores(parts, documents, rows, floors)):
            likely = scores >= floors[i]
            if not likely.any():
                continue
            known, known_scores = best[i]
            known, known_scores = np.append(known, rows[likely]), np.append(known_scores, scores[likely])
            if len(known) >= count:
                floors[i] = np.partition(known_scores, -count)[-count]
            kept = known_scores >= floors[i]
            best[i] = known[kept], known_scores[kept]
    return best


def _parts(queries: TokenVectors, block: range) -> list[_Part]:
    """The block's queries, those together whose first tokens are in the same `WIDTH`."""
    offsets = queries.offsets[block.start : block.stop + 1]
    lengths = np.diff(offsets)
    edges = np.flatnonzero(np.diff((offsets[:-1] - offsets[0]) // WIDTH, prepend=-1, append=-1))
    parts = []
    for start, stop in pairwise(edges.tolist()):
        counts = torch.from_numpy(lengths[start:stop])
        tokens = _read(queries, np.arange(offsets[start], offsets[stop]))
        owners = torch.repeat_interleave(torch.eye(len(counts)), counts, dim=0)
        # An inner product has an error of at most one rounding for each of D numbers and of lengths near 1, their sum
        # one rounding of at most `counts` for each token.
        bounds = counts * (1.01 * tokens.shape[1] + counts + 4) * ROUNDING
        tokens, owners = (pad(side, (0, 0, 0, -len(side) % LANES)) for side in (tokens, owners))
        parts.append(_Part(slice(start, stop), tokens, tokens.double(), owners, bounds.float()))
    return parts


def _scores(parts: Sequence[_Part], documents: TokenVectors, rows: Ints, floors: Floats) -> Floats:
    """MaxSim `(Q, n)` of queries with some documents, -1 for each query token where a document has none.

    -inf may stand for what is below the query's floor.
    """
    counts = torch.cat([part.owners.sum(dim=0) for part in parts])
    scores = -counts.expand(len(rows), -1).contiguous()
    lengths = documents.lengths[rows]
    full = np.flatnonzero(lengths)
    width = max(parts[0].tokens.shape[1], *(len(part.tokens) for part in parts))

    def fill(chunk: Ints) -> None:
        places = full[chunk]
        # A shorter document's last token stands for its padding: once more the same changes no maximum.
        steps = np.minimum(np.arange(lengths[places].max()), lengths[places, None] - 1)
        vectors = _read(documents, (documents.offsets[rows[places], None] + steps).ravel())
        exact = vectors.double()
        for part in parts:
            likely = torch.from_numpy(floors[part.queries]) - part.bounds
            scores[places, part.queries] = _maxsim(part, vectors, exact, len(places), likely)

    deque(side_by_side(fill, cut(lengths[full], max(1, PRODUCTS // width))), maxlen=0)
    return np.ascontiguousarray(scores.numpy().T)


def _maxsim(part: _Part, vectors: Tensor, exact: Tensor, count: int, likely: Tensor) -> Tensor:
    """Exact scores `(n, Q)` of n documents as long, their vectors `(n * steps, D)` in float32 and float64.

    -inf where the score in float32 is below `likely`, `(Q,)`.
    """
    width, dimension = part.tokens.shape
    steps = len(vectors) // count
    products = (vectors @ part.tokens.T).view(count, steps, width)
    maxima = products.amax(dim=1)
    chosen = maxima @ part.owners >= likely
    if not chosen.any():
        return torch.full_like(chosen, -torch.inf, dtype=maxima.dtype)
    idle = chosen.to(maxima.dtype) @ part.owners.T == 0
    nearest = maxima.sub_((2.02 * dimension + 4) * ROUNDING).masked_fill_(idle, torch.inf)
    places = np.flatnonzero(products.numpy() >= nearest.numpy()[:, None])
    cells = torch.from_numpy(places // (steps * width) * width + places % width)
    best = torch.where(idle, 0.0, -torch.inf).double()
    best.view(-1).scatter_reduce_(0, cells, _inner(exact, part.exact, places), "amax")
    return (best @ part.owners.double()).float().masked_fill_(~chosen, -torch.inf)


def _inner(rows: Tensor, columns: Tensor, places: Ints) -> Tensor:
    """What `rows @ columns.T`, flat, has at some ascending places, each summed in one order."""
    starts = np.searchsorted(places, np.arange(len(rows) + 1) * len(columns))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        pattern = torch.sparse_csr_tensor(
            torch.from_numpy(starts),
            torch.from_numpy(places % len(columns)),
            torch.zeros(len(places), dtype=rows.dtype),
            (len(rows), len(columns)),
            check_invariants=False,
        )
    inner: Tensor = torch.sparse.sampled_addmm(pattern, rows, columns.T).values()
    return inner


def _read(texts: TokenVectors, places: Ints) -> Tensor:
    vectors = torch.from_numpy(np.asarray(texts.vectors[places]))
    if len(vectors) and not (torch.linalg.vector_norm(vectors, dim=1) - 1).abs().max() < 1e-3:
        raise ValueError("a token's vector is not of length 1")
    return vectors
