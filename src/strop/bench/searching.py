"""Exact search: strop beside faiss, and with one vector per token beside sentence-transformers' MaxSim."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
import psutil
import torch

from strop.artifacts.progress import Progress
from strop.bench import floors, peer_environments
from strop.bench.comparison import Plan, Report, Row, compared
from strop.bench.interleaved import Build, Times, Turn, alone, in_turns, reusing, warmed
from strop.models.tokens import Ints
from strop.records.runs import Run
from strop.retrieval import dense_search, late_search
from strop.retrieval.encode import Vectors
from strop.retrieval.token_vectors import TokenVectors

#: Documents and how many of them are wanted for each query.
SIZES = ((200_000, 200), (1_000_000, 100))
QUERIES, WIDTH, CLUSTERS = 1000, 384, 1000
#: One vector per token: queries of so many tokens, few documents and many of 60 to 180, and how many are wanted.
LATE_QUERIES, QUERY_TOKENS, LATE_SIZES, LATE_TOKENS, LATE_DEPTH = 64, 32, (100, 300, 2000), (60, 180), 100
OURS, FAISS, MAXSIM = "strop", "faiss IndexFlatIP", "sentence-transformers, MultiVectorEncoder's maxsim and topk"

#: Rows of the best documents `(Q, depth)`, best first, and their scores.
Best = tuple[Ints, Vectors]


def plan(rounds: int, progress: Progress) -> Plan:
    """Sizes for which there is no memory are left out, and a line says so."""
    flops = sum(2.0 * count * QUERIES * WIDTH for count, _ in _fitting())
    flops += sum(map(_late_flops, LATE_SIZES))
    return Plan(floors.estimated(2 * flops * (rounds + 2)), partial(_report, rounds, progress))


def _report(rounds: int, progress: Progress) -> Report:
    rows, notes = [], []
    for count, depth in _fitting():
        row, note = _dense(count, depth, rounds, progress)
        rows.append(row)
        notes.append(note)
    for count in LATE_SIZES:
        row, note = _late(count, rounds, progress)
        rows.append(row)
        notes.append(note)
    left_out = [f"{count:,} vectors: not measured, too little memory" for count, _ in SIZES if count > rows_fitting()]
    return Report(tuple(rows), (*notes, *left_out))


def rows_fitting() -> int:
    """Documents that each of two processes can hold and copy once."""
    return int(psutil.virtual_memory().available / (5 * 4 * WIDTH))


def _fitting() -> list[tuple[int, int]]:
    return [(count, depth) for count, depth in SIZES if count <= rows_fitting()]


def _dense(count: int, depth: int, rounds: int, progress: Progress) -> tuple[Row, str]:
    what = f"search {count:,} vectors of {WIDTH} with {QUERIES:,} queries, exact top {depth}"
    with tempfile.TemporaryDirectory() as place:
        alone(_write_clustered, count, place)
        sides: dict[str, Build] = {
            OURS: partial(reusing, partial(_strop, place, depth)),
            FAISS: partial(_faiss, place, depth),
            floors.BARE: partial(_products, place),
        }
        times = in_turns(what, sides, rounds, progress, optional=(FAISS,))
    agreement = "" if times[FAISS].missing else _agreement(times[OURS].outcome, times[FAISS].outcome, depth)
    flops, read = 2.0 * count * QUERIES * WIDTH, 4.0 * count * WIDTH
    return compared(what, times, OURS, FAISS, agreement), _reached(what, times, flops, read)


def _late(count: int, rounds: int, progress: Progress) -> tuple[Row, str]:
    what = f"late search of {count:,} documents with {LATE_QUERIES} queries, exact top {LATE_DEPTH}"
    sides: dict[str, Build] = {
        OURS: partial(reusing, partial(_strop_late, count)),
        MAXSIM: partial(reusing, partial(_maxsim, count)),
        floors.BARE: partial(_late_products, count),
    }
    times = in_turns(what, sides, rounds, progress)
    agreement = _agreement(times[OURS].outcome, times[MAXSIM].outcome, LATE_DEPTH)
    read = 4.0 * WIDTH * count * sum(LATE_TOKENS) / 2
    return compared(what, times, OURS, MAXSIM, agreement), _reached(what, times, _late_flops(count), read)


def _reached(what: str, times: Mapping[str, Times], flops: float, read: float) -> str:
    seconds, bare = (median(times[name].seconds) for name in (OURS, floors.BARE))
    return (
        f"strop, {what}: {flops / 1e9:,.0f} GFLOP and at least {read / 1e9:.2f} GB read at {flops / seconds / 1e9:.1f} "
        f"GFLOP/s; the bare products alone take {bare:.2f} s, {bare / seconds:.0%} of the time"
    )


def _agreement(ours: Best, theirs: Best, depth: int) -> str:
    """In words. Raises AssertionError where the scores, best first, differ by more than rounding: then one of both did
    not find the best."""
    differ = float(np.abs(ours[1] - theirs[1]).max())
    assert differ < 1e-3, f"the best scores differ by {differ}"
    other = sum(len(np.setdiff1d(a, b)) for a, b in zip(ours[0], theirs[0], strict=True))
    same = f"the same top {depth}" if not other else f"{other} of {ours[0].size:,} at the end of a top {depth} differ"
    return f"{same}, scores by {differ:.0e} at most"


def clustered(count: int, seed: int) -> Vectors:
    """Random unit vectors around `CLUSTERS` centres that are the same for every seed."""
    centres = np.random.default_rng(0).standard_normal((CLUSTERS, WIDTH), dtype=np.float32)
    rng = np.random.default_rng(seed)
    vectors: Vectors = rng.standard_normal((count, WIDTH), dtype=np.float32)
    vectors += centres[rng.integers(0, CLUSTERS, count)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def token_vectors(count: int, tokens: tuple[int, int], seed: int) -> TokenVectors:
    """Texts of `tokens` from least to most, each a random unit vector."""
    lengths = np.random.default_rng(seed).integers(tokens[0], tokens[1] + 1, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return TokenVectors(clustered(int(offsets[-1]), seed), offsets, tuple(map(str, range(count))))


def _write_clustered(count: int, place: str) -> None:
    np.save(Path(place) / "vectors.npy", clustered(count, seed=1))
    np.save(Path(place) / "queries.npy", clustered(QUERIES, seed=2))


def _strop(place: str, depth: int) -> tuple[Turn, Best]:
    documents, queries = (np.load(Path(place) / f"{name}.npy") for name in ("vectors", "queries"))
    query_ids, doc_ids = ([str(i) for i in range(len(vectors))] for vectors in (queries, documents))
    turn, run = warmed(lambda: dense_search.search(queries, query_ids, documents, doc_ids, depth))
    return turn, _best(run)


def _faiss(place: str, depth: int) -> tuple[Turn, Best]:
    names = {"vectors": f"{place}/vectors.npy", "queries": f"{place}/queries.npy", "out": f"{place}/faiss.npz"}
    turn, _ = peer_environments.asked(peer_environments.FAISS, "faiss", {**names, "depth": depth})
    found = np.load(names["out"])
    return turn, (found["rows"], found["scores"])


def _products(place: str) -> tuple[Turn, None]:
    """The scores alone, a block of documents at a time, which nobody keeps."""
    documents, queries = (torch.from_numpy(np.load(Path(place) / f"{name}.npy")) for name in ("vectors", "queries"))
    return _multiplied(queries, documents)


def _strop_late(count: int) -> tuple[Turn, Best]:
    queries, documents = _late_sides(count)
    turn, run = warmed(lambda: late_search.search(queries, documents, LATE_DEPTH))
    return turn, _best(run)


def _maxsim(count: int) -> tuple[Turn, Best]:
    """What `MultiVectorEncoder.similarity` calls, and the best of its scores."""
    from sentence_transformers.util import maxsim

    queries, documents = ([torch.from_numpy(rows) for rows in _texts(side)] for side in _late_sides(count))
    turn, best = warmed(lambda: maxsim(queries, documents).topk(LATE_DEPTH))
    return turn, (best.indices.numpy(), best.values.numpy())


def _late_products(count: int) -> tuple[Turn, None]:
    queries, documents = _late_sides(count)
    return _multiplied(torch.from_numpy(queries.vectors), torch.from_numpy(documents.vectors))


def _late_sides(count: int) -> tuple[TokenVectors, TokenVectors]:
    queries = token_vectors(LATE_QUERIES, (QUERY_TOKENS, QUERY_TOKENS), seed=2)
    return queries, token_vectors(count, LATE_TOKENS, seed=1)


def _texts(side: TokenVectors) -> list[npt.NDArray[np.float32]]:
    return [side.vectors[start:stop] for start, stop in pairwise(side.offsets)]


def _late_flops(count: int) -> float:
    return 2.0 * LATE_QUERIES * QUERY_TOKENS * WIDTH * count * sum(LATE_TOKENS) / 2


def _multiplied(queries: torch.Tensor, documents: torch.Tensor) -> tuple[Turn, None]:
    scores = torch.empty(len(queries), dense_search.DOC_BLOCK)

    def work() -> None:
        for start in range(0, len(documents), dense_search.DOC_BLOCK):
            block = documents[start : start + dense_search.DOC_BLOCK]
            torch.matmul(queries, block.T, out=scores[:, : len(block)])

    turn, _ = warmed(work)
    return turn, None


def _best(run: Run) -> Best:
    rankings = list(run.values())
    rows = np.array([[int(doc_id) for doc_id in ranking.doc_ids] for ranking in rankings])
    return rows, np.array([ranking.scores for ranking in rankings], dtype=np.float32)
