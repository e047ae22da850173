"""Rerank: the first documents of a run in the order of a model that reads pairs, block by block, to be gone on with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from operator import add
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from strop.models.pair_scorer import Pair, PairScorer, score_pairs, specials
from strop.models.precision import Precision, forward_in
from strop.records.runs import Run
from strop.records.writing import write_text
from strop.retrieval import late_search
from strop.retrieval.candidates import Candidates
from strop.retrieval.fitting_chunks import in_chunks
from strop.retrieval.stages import Vectors
from strop.retrieval.token_vectors import TokenVectors
from strop.retrieval.windows import Windows

Floats = npt.NDArray[np.float32]
_Scores = dict[str, list[float]]

#: Pairs of one block, whole queries: what is lost when killed, and what is sorted by length together.
BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Cost:
    """What reranking took: `pairs` of a query and a document, the `tokens` read unpadded, in every window, pairs `cut`
    so that some of their tokens were never read, and `seconds` of tokenizing and scoring, a killed call's finished
    blocks included."""

    pairs: int = 0
    tokens: int = 0
    cut: int = 0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*map(add, astuple(self), astuple(other)))


def rerank(
    candidates: Candidates,
    scorer: PairScorer,
    folder: Path,
    progress: Callable[[int], None] | None = None,
    precision: Precision = "float32",
    windows: Windows | None = None,
) -> tuple[Run, Cost]:
    """The candidates by the scorer's logits, the run's other documents below them in the order they had; and what it
    took. `precision` is the forward pass's, by autocast; `windows` says how documents that are too long are read:
    without it they are cut.

    Each block of queries is written to `folder`, which is for these very inputs, and one that is there already is read:
    a killed call goes on. `progress` is called with the number of pairs done. Raises InputError, before anything is
    scored, for windows that the model cannot read.
    """
    windows = windows or Windows("first")
    room = windows.room(scorer.max_length, specials(scorer))
    scorer.module.eval()
    scored: _Scores = {}
    cost = Cost()
    for number, query_ids in enumerate(_blocks(candidates)):
        path = folder / f"block-{number:06}.json"
        if (held := _read(path, query_ids)) is None:
            held = _score(candidates, query_ids, scorer, precision, windows, room)
            _write(path, *held)
        scored |= held[0]
        cost += held[1]
        if progress:
            progress(held[1].pairs)
    run, depth = candidates.run, candidates.depth
    return reordered(run, depth, lambda query_id, _: np.array(scored[query_id], dtype=np.float32)), cost


def clear(folder: Path) -> None:
    """Remove the blocks of a reranking whose run is safe."""
    for path in folder.glob("block-*.json"):
        path.unlink()


def _blocks(candidates: Candidates) -> Iterator[list[str]]:
    """Queries in the run's order, of at least `BLOCK` pairs together but for the last."""
    waiting: list[str] = []
    pairs = 0
    for query_id, ranking in candidates.run.items():
        waiting.append(query_id)
        pairs += len(ranking.doc_ids[: candidates.depth])
        if pairs >= BLOCK:
            yield waiting
            waiting, pairs = [], 0
    if waiting:
        yield waiting


def _score(
    candidates: Candidates,
    query_ids: Sequence[str],
    scorer: PairScorer,
    precision: Precision,
    windows: Windows,
    room: int,
) -> tuple[_Scores, Cost]:
    """Logits of each query's candidates, and their cost."""
    started = time.perf_counter()
    task, run = candidates.task, candidates.run
    own = {query_id: run[query_id].doc_ids[: candidates.depth] for query_id in query_ids}
    row = {d: i for i, d in enumerate(dict.fromkeys(d for doc_ids in own.values() for d in doc_ids))}
    queries = scorer.tokenize([task.queries[q] for q in query_ids], "query")
    documents = scorer.tokenize([task.documents[d] for d in row], "document")
    read = [
        windows(queries.row(i), documents.row(row[d]), room) for i, doc_ids in enumerate(own.values()) for d in doc_ids
    ]
    pairs = [scorer.pair(*part) for parts, _ in read for part in parts]
    logits, tokens = _logits(scorer, pairs, precision)
    values = iter(windows.pooled(logits, np.array([len(parts) for parts, _ in read], dtype=np.int64)).tolist())
    cost = Cost(len(read), tokens, sum(lost for _, lost in read), time.perf_counter() - started)
    return {query_id: [next(values) for _ in doc_ids] for query_id, doc_ids in own.items()}, cost


def _logits(scorer: PairScorer, pairs: Sequence[Pair], precision: Precision) -> tuple[Floats, int]:
    """Of every pair, and the tokens of all."""
    lengths = np.array([len(pair.ids) for pair in pairs], dtype=np.int64)
    logits = np.empty(len(pairs), dtype=np.float32)
    # Not in inference mode: there every chunk casts the weights anew.
    with torch.no_grad(), forward_in(precision, scorer.device):
        for chunk, scores in in_chunks(lengths, scorer.device, lambda at: score_pairs(scorer, pairs, at).float().cpu()):
            logits[chunk] = scores.numpy()
    return logits, int(lengths.sum())


def _write(path: Path, scores: _Scores, cost: Cost) -> None:
    """Whole or not at all."""
    write_text(json.dumps({"scores": scores, "cost": asdict(cost)}), path, replace=True)


def _read(path: Path, query_ids: Sequence[str]) -> tuple[_Scores, Cost] | None:
    """A block that was scored before, unless it is another's: blocks may have had another size then."""
    if not path.is_file():
        return None
    held = json.loads(path.read_text(encoding="utf-8"))
    return (held["scores"], Cost(**held["cost"])) if list(held["scores"]) == list(query_ids) else None


def by_vectors(run: Run, depth: int, queries: Vectors, documents: Vectors) -> Run:
    """Each query's first `depth` documents by inner product, as `dense_search` scores them; the others below them, in
    the order they had. Raises KeyError for a query, or a document to score, without a vector."""

    def score(query_id: str, ranked: Sequence[str]) -> Floats:
        inner = documents.of(ranked).astype(np.float64) * queries.of([query_id]).astype(np.float64)
        return np.asarray(inner.sum(axis=1), dtype=np.float32)

    return reordered(run, depth, score)


def by_tokens(run: Run, depth: int, queries: TokenVectors, documents: TokenVectors) -> Run:
    """As `by_vectors`, by MaxSim. Raises InputError as `late_search.rescore` does."""
    scored = late_search.rescore(run.top(depth), queries, documents, depth)

    def score(query_id: str, ranked: Sequence[str]) -> Floats:
        value = dict(zip(*scored[query_id], strict=True))
        return np.array([value[doc_id] for doc_id in ranked], dtype=np.float32)

    return reordered(run, depth, score)


def reordered(run: Run, depth: int, score: Callable[[str, Sequence[str]], Floats]) -> Run:
    """Each query's first `depth` documents by their scores, higher first, equal ones by the run's one rule; the others
    below them, in the order they had. Raises ValueError as `Run` does where a score is not finite."""
    scores = {q: _above(score(q, ranking.doc_ids[:depth]), len(ranking.doc_ids)) for q, ranking in run.items()}
    return Run({q: (ranking.doc_ids, scores[q]) for q, ranking in run.items()})


def _above(first: Floats, count: int) -> Floats:
    """The scores, and below the least of them strictly falling ones for the rest of `count` documents."""
    if not np.isfinite(first).all() or len(first) == count:
        return np.pad(first, (0, count - len(first)))  # a Run refuses what is not finite, and names the document
    least = float(first.min())
    # A step that float32 resolves at the far end too.
    step = max(1.0, 4 * float(np.spacing(np.float32(abs(least) + count))))
    return np.concatenate([first, (least - step * np.arange(1, count - len(first) + 1)).astype(np.float32)])
