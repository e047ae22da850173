"""Rerank: the first documents of a run in the order of a model that reads pairs, block by block, to be gone on with."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from strop.models.pair_scorer import Ids, Pair, PairScorer, score_pairs
from strop.models.scoring import Precision, Scoring
from strop.models.tokens import cut
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval import late_search
from strop.retrieval.encode import BUDGET, Stack, Vectors
from strop.retrieval.token_vectors import TokenVectors
from strop.retrieval.windows import Windows

#: Pairs of one block, whole queries: what is lost when killed, and what is sorted by length together.
BLOCK = 4096

#: A query's tokens and a document's -> the rows to score, and whether some tokens are in none of them.
_Reader = Callable[[Ids, Ids], tuple[list[Pair], bool]]


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
        return Cost(
            self.pairs + other.pairs, self.tokens + other.tokens, self.cut + other.cut, self.seconds + other.seconds
        )


def rerank(
    run: Run,
    scorer: PairScorer,
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    depth: int,
    folder: Path,
    progress: Callable[[int], None] | None = None,
    block: int = BLOCK,
    precision: Precision = "float32",
    windows: Windows | None = None,
) -> tuple[Run, Cost]:
    """The first `depth` documents of every query by the scorer's logits, equal ones by the run's one rule; the others
    below them, in the order they had. And what it took. `precision` is the forward pass's, by autocast; `windows` says
    how documents that are too long are read: without it they are cut.

    Each block of queries is written to `folder` once it is scored, and one that is there already is read: a killed call
    goes on. The folder is for these very inputs. `progress` is called with the number of
    pairs done. Raises InputError, before
    anything is scored, for a query or a document that is not there, and for windows that the model cannot read.
    """
    check_known(run, queries, documents)
    reader = _reader(scorer, windows)
    scorer.module.eval()
    scored: dict[str, list[float]] = {}
    cost = Cost()
    for number, query_ids in enumerate(_blocks(run, depth, block)):
        path = folder / f"block-{number:06}.json"
        logits, took = _read(path, query_ids) or _score(
            path, run, query_ids, scorer, queries, documents, depth, precision, reader, windows
        )
        cost += took
        if progress:
            progress(took.pairs)
        scored |= logits
    return reordered(run, depth, lambda query_id, _: np.array(scored[query_id], dtype=np.float32)), cost


def check_known(run: Run, queries: Mapping[str, str], documents: Mapping[str, str]) -> None:
    """Raises InputError at the first query or document of a run that is not in its collection."""
    for query_id, ranking in run.items():
        if query_id not in queries:
            raise InputError(
                f"query {query_id!r} of the run is not there", remedy="Give the collection it was made over"
            )
        for doc_id in ranking.doc_ids:
            if doc_id not in documents:
                raise InputError(
                    f"document {doc_id!r}, ranked for query {query_id!r}, is not there",
                    remedy="Give the collection that the run was made over",
                )


def clear(folder: Path) -> None:
    """Remove the blocks of a reranking whose run is safe."""
    for path in folder.glob("block-*.json"):
        path.unlink()


def _blocks(run: Run, depth: int, size: int) -> Iterator[list[str]]:
    """Queries in the run's order, of at least `size` pairs together but for the last."""
    waiting: list[str] = []
    pairs = 0
    for query_id, ranking in run.items():
        waiting.append(query_id)
        pairs += len(ranking.doc_ids[:depth])
        if pairs >= size:
            yield waiting
            waiting, pairs = [], 0
    if waiting:
        yield waiting


def _reader(scorer: PairScorer, windows: Windows | None) -> _Reader:
    if windows is None:

        def whole(query: Ids, document: Ids) -> tuple[list[Pair], bool]:
            pair = scorer.pair(query, document)
            return [pair], pair.cut > 0

        return whole
    nothing = np.empty(0, dtype=np.int32)
    room = windows.room(scorer.max_length, len(scorer.pair(nothing, nothing).ids))

    def each(query: Ids, document: Ids) -> tuple[list[Pair], bool]:
        parts, lost = windows(query, document, room)
        return [scorer.pair(*part) for part in parts], lost

    return each


def _score(
    path: Path,
    run: Run,
    query_ids: Sequence[str],
    scorer: PairScorer,
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    depth: int,
    precision: Precision,
    reader: _Reader,
    windows: Windows | None,
) -> tuple[dict[str, list[float]], Cost]:
    """Logits of each query's first documents, and their cost; both are written to `path`, whole or not at all."""
    started = time.perf_counter()
    own = {query_id: run[query_id].doc_ids[:depth] for query_id in query_ids}
    row = {d: i for i, d in enumerate(dict.fromkeys(d for doc_ids in own.values() for d in doc_ids))}
    query_tokens = scorer.tokenize([queries[q] for q in query_ids], "query")
    document_tokens = scorer.tokenize([documents[d] for d in row], "document")
    read = [
        reader(query_tokens.row(i), document_tokens.row(row[d]))
        for i, doc_ids in enumerate(own.values())
        for d in doc_ids
    ]
    pairs = [pair for parts, _ in read for pair in parts]
    logits, tokens = _logits(scorer, pairs, precision)
    if windows is not None:
        logits = windows.pooled(logits, np.array([len(parts) for parts, _ in read], dtype=np.int64))
    cost = Cost(len(read), tokens, sum(lost for _, lost in read), time.perf_counter() - started)
    values = iter(logits.tolist())
    scores = {query_id: [next(values) for _ in doc_ids] for query_id, doc_ids in own.items()}
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"scores": scores, "cost": asdict(cost)}), encoding="utf-8")
    os.replace(partial, path)
    return scores, cost


def _logits(scorer: PairScorer, pairs: Sequence[Pair], precision: Precision) -> tuple[npt.NDArray[np.float32], int]:
    """Of every pair, and the tokens of all."""
    lengths = np.array([len(pair.ids) for pair in pairs], dtype=np.int64)
    logits = np.empty(len(pairs), dtype=np.float32)
    half = torch.autocast(scorer.device.type, torch.bfloat16, enabled=precision == "bfloat16")
    with torch.inference_mode(), half:
        for chunk in cut(lengths, BUDGET.get(scorer.device.type, BUDGET["cpu"])):
            logits[chunk] = score_pairs(scorer, pairs, chunk).float().cpu().numpy()
    return logits, int(lengths.sum())


def _read(path: Path, query_ids: Sequence[str]) -> tuple[dict[str, list[float]], Cost] | None:
    """A block that was scored before, unless it is another's: blocks may have had another size then."""
    if not path.is_file():
        return None
    held = json.loads(path.read_text(encoding="utf-8"))
    return (held["scores"], Cost(**held["cost"])) if list(held["scores"]) == list(query_ids) else None


Floats = npt.NDArray[np.float32]


def by_vectors(
    run: Run,
    depth: int,
    query_ids: Sequence[str],
    queries: Vectors | Stack,
    doc_ids: Sequence[str],
    documents: Vectors | Stack,
) -> Run:
    """Each query's first `depth` documents by inner product, as `search.search` scores them; the others below them, in
    the order they had. Raises KeyError for a query, or a document to score, without a vector."""
    rows = {doc_id: i for i, doc_id in enumerate(doc_ids)}
    places = {query_id: i for i, query_id in enumerate(query_ids)}

    def score(query_id: str, ranked: Sequence[str]) -> Floats:
        query = queries[places[query_id]].astype(np.float64)
        vectors = documents[np.array([rows[doc_id] for doc_id in ranked], dtype=np.int64)].astype(np.float64)
        return np.asarray((vectors * query).sum(axis=1), dtype=np.float32)

    return reordered(run, depth, score)


def by_tokens(run: Run, depth: int, queries: TokenVectors, documents: TokenVectors, similarity: Scoring) -> Run:
    """As `by_vectors`, by MaxSim. Raises InputError as `late_search.rescore` does."""
    scored = late_search.rescore(run.top(depth), queries, documents, similarity, depth)

    def score(query_id: str, ranked: Sequence[str]) -> Floats:
        ranking = scored[query_id]
        value = dict(zip(ranking.doc_ids, ranking.scores.tolist(), strict=True))
        return np.array([value[doc_id] for doc_id in ranked], dtype=np.float32)

    return reordered(run, depth, score)


def reordered(run: Run, depth: int, score: Callable[[str, Sequence[str]], Floats]) -> Run:
    """Each query's first `depth` documents by their scores, higher first, equal ones by the run's one rule; the others
    below them, in the order they had. Raises ValueError as `Run` does where a score is not finite."""
    return Run(
        {
            query_id: (ranking.doc_ids, _above(score(query_id, ranking.doc_ids[:depth]), len(ranking.doc_ids)))
            for query_id, ranking in run.items()
        }
    )


def _above(first: Floats, count: int) -> Floats:
    """The scores, and below the least of them strictly falling ones for the rest of `count` documents."""
    if not np.isfinite(first).all() or len(first) == count:
        return np.pad(first, (0, count - len(first)))  # a Run refuses what is not finite, and names the document
    least = float(first.min())
    # A step that float32 resolves at the far end too.
    step = max(1.0, 4 * float(np.spacing(np.float32(abs(least) + count))))
    return np.concatenate([first, (least - step * np.arange(1, count - len(first) + 1)).astype(np.float32)])
