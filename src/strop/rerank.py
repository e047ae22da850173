"""Rerank: the first documents of a run in the order of a model that reads pairs, block by block, to be gone on with."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from strop.encode import BUDGET
from strop.models.pair_scorer import PairScorer, score_pairs
from strop.nouns import InputError
from strop.rescoring import reordered
from strop.runs import Run
from strop.tokens import cut

#: Pairs of one block, whole queries: what is lost when killed, and what is sorted by length together.
BLOCK = 4096

#: Of the forward pass; logits are float32 either way.
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What reranking took: `pairs` read, their `tokens` unpadded, pairs `cut` at the model's limit, and `seconds`
    of tokenizing and scoring, a killed call's finished blocks included."""

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
) -> tuple[Run, Cost]:
    """The first `depth` documents of every query by the scorer's logits, equal ones by the run's one rule; the others
    below them, in the order they had. And what it took. `precision` is the forward pass's, by autocast.

    Each block of queries is written to `folder` once it is scored, and one that is there already is read: a killed call
    goes on. The folder is for these very inputs. `progress` is told how many pairs were done. Raises InputError, before
    anything is scored, for a query or a document that is not there.
    """
    check_known(run, queries, documents)
    scorer.module.eval()
    scored: dict[str, list[float]] = {}
    cost = Cost()
    for number, query_ids in enumerate(_blocks(run, depth, block)):
        path = folder / f"block-{number:06}.json"
        logits, took = _read(path, query_ids) or _score(
            path, run, query_ids, scorer, queries, documents, depth, precision
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


def _score(
    path: Path,
    run: Run,
    query_ids: Sequence[str],
    scorer: PairScorer,
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    depth: int,
    precision: Precision,
) -> tuple[dict[str, list[float]], Cost]:
    """Logits of each query's first documents, and their cost; both are written to `path`, whole or not at all."""
    started = time.perf_counter()
    own = {query_id: run[query_id].doc_ids[:depth] for query_id in query_ids}
    row = {d: i for i, d in enumerate(dict.fromkeys(d for doc_ids in own.values() for d in doc_ids))}
    asked = scorer.tokenize([queries[q] for q in query_ids], "query")
    found = scorer.tokenize([documents[d] for d in row], "document")
    pairs = [scorer.pair(asked.row(i), found.row(row[d])) for i, doc_ids in enumerate(own.values()) for d in doc_ids]
    lengths = np.array([len(pair.ids) for pair in pairs], dtype=np.int64)
    logits = np.empty(len(pairs), dtype=np.float32)
    half = torch.autocast(scorer.device.type, torch.bfloat16, enabled=precision == "bfloat16")
    with torch.inference_mode(), half:
        for chunk in cut(lengths, BUDGET.get(scorer.device.type, BUDGET["cpu"])):
            logits[chunk] = score_pairs(scorer, pairs, chunk).float().cpu().numpy()
    took = time.perf_counter() - started
    cost = Cost(len(pairs), int(lengths.sum()), sum(pair.cut > 0 for pair in pairs), took)
    values = iter(logits.tolist())
    scores = {query_id: [next(values) for _ in doc_ids] for query_id, doc_ids in own.items()}
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"scores": scores, "cost": asdict(cost)}), encoding="utf-8")
    os.replace(partial, path)
    return scores, cost


def _read(path: Path, query_ids: Sequence[str]) -> tuple[dict[str, list[float]], Cost] | None:
    """A block that was scored before, unless it is another's: blocks may have had another size then."""
    if not path.is_file():
        return None
    held = json.loads(path.read_text(encoding="utf-8"))
    return (held["scores"], Cost(**held["cost"])) if list(held["scores"]) == list(query_ids) else None
