"""Scoring pairs of a query and a document: strop's reranking beside `CrossEncoder.predict`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from strop.artifacts.progress import Progress
from strop.artifacts.store import store
from strop.bench import floors
from strop.bench.comparison import Plan, Report, compared
from strop.bench.interleaved import Build, Times, Turn, alone, clocked, in_turns, reusing, warmed
from strop.bench.peer_process import best_batch
from strop.bench.process_memory import reuse_freed
from strop.collection import door
from strop.models.cross_encoder import FreshHead, Reranker
from strop.models.pretrained import resolve
from strop.models.reading import hide_progress_bars
from strop.models.tokens import Tokens
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval.candidates import Candidates
from strop.retrieval.lexical import BM25
from strop.retrieval.rerank import rerank
from strop.retrieval.retriever import retriever_of
from strop.retrieval.task import Task

#: Pairs that are scored: BM25's first `DEPTH` documents of as many test queries as it takes.
PAIRS, DEPTH = 1000, 50
#: `CrossEncoder.predict`'s own batch size.
DEFAULT_BATCH = 32
OURS, PEER = "strop", f"CrossEncoder.predict, batch {DEFAULT_BATCH} (its default)"


def plan(model: str, on: str, rounds: int, progress: Progress) -> Plan:
    """A model that is no cross-encoder gets a random head: for cost alone. Raises InputError for one that cannot have
    one, and where the collection has fewer than two candidates."""
    base = resolve(model)
    fresh = retriever_of(base).has_geometry
    candidates = _candidates(on)
    with tempfile.TemporaryDirectory() as place:
        work = alone(_work, _reranker(base.path, fresh, place), candidates)
    seconds = floors.estimated(3 * work.flops * (rounds + 2))
    return Plan(seconds, partial(_report, base.path, fresh, candidates, work, rounds, progress))


def _report(
    base: Path, fresh: bool, candidates: Candidates, work: floors.Work, rounds: int, progress: Progress
) -> Report:
    pairs = _pairs(candidates)
    what = f"rerank {len(pairs):,} pairs"
    with tempfile.TemporaryDirectory() as place:
        folder = _reranker(base, fresh, place)
        with progress(f"{what}: find the peer's best batch", 1) as advance:
            batch = alone(_best_batch, folder, pairs)
            advance(1)
        best = PEER if batch == DEFAULT_BATCH else f"CrossEncoder.predict, batch {batch} (its best)"
        device = "cuda" if torch.cuda.is_available() else "cpu"
        sides: dict[str, Build] = {
            OURS: partial(reusing, partial(_strop, folder, candidates)),
            PEER: partial(reusing, partial(_peer, folder, pairs)),
            best: partial(reusing, partial(_peer, folder, pairs, batch)),
            floors.BARE: partial(floors.bare, work.shapes, device),
        }
        times = in_turns(what, sides, rounds, progress)
    head = " (a random head: cost only)" if fresh else ""
    rows = [
        compared(f"{what}, float32{head}", times, OURS, peer, _agreement(candidates.run, times, peer))
        for peer in dict.fromkeys((PEER, best))
    ]
    note = floors.reached(f"strop, {what}", median(times[OURS].seconds), work, times[floors.BARE])
    return Report(tuple(rows), (note,))


def _candidates(on: str) -> Candidates:
    data = door.load(on, "test", store().docstrings)
    documents = {d.id: d.contents for d in data.documents.values()}
    queries = {q.id: q.text for q in data.queries.values()}
    some = dict(list(queries.items())[: 2 * PAIRS // DEPTH])
    kept: dict[str, Any] = {}
    for query_id, ranking in BM25().search(documents, some, DEPTH).items():
        if sum(len(each.doc_ids) for each in kept.values()) < PAIRS:
            kept[query_id] = ranking
    run = Run(kept)
    ranked = dict.fromkeys(d for ranking in run.values() for d in ranking.doc_ids)
    if len(ranked) < 2:
        raise InputError(f"{on} has too few documents for its test queries", remedy="Give a larger collection")
    task = Task(store(), {q: queries[q] for q in run}, {d: documents[d] for d in ranked})
    return Candidates.of(task, run, DEPTH)


def _pairs(candidates: Candidates) -> list[tuple[str, str]]:
    """The texts, query by query in the run's order."""
    queries, documents = candidates.task.queries, candidates.task.documents
    return [(queries[q], documents[d]) for q, ranking in candidates.run.items() for d in ranking.doc_ids]


def _reranker(base: Path, fresh: bool, place: str) -> Path:
    """The model, or one with a random head that is made in `place`."""
    if not fresh:
        return base
    folder = Path(place) / "model"
    alone(FreshHead().convert, base, folder)
    return folder


def _strop(folder: Path, candidates: Candidates) -> tuple[Turn, Run]:
    scorer = Reranker.load(folder)

    def work() -> Run:
        with tempfile.TemporaryDirectory() as place:
            return rerank(candidates, scorer, Path(place))[0]

    return warmed(work)


def _peer(folder: Path, pairs: Sequence[tuple[str, str]], batch: int = DEFAULT_BATCH) -> tuple[Turn, Any]:
    """Its logits, without the sigmoid that it puts on them by default."""
    model = _library(folder)
    return warmed(lambda: _predict(model, pairs, batch))


def _best_batch(folder: Path, pairs: Sequence[tuple[str, str]]) -> int:
    reuse_freed()
    return best_batch(partial(_predict, _library(folder)), pairs)


def _library(folder: Path) -> Any:
    from sentence_transformers import CrossEncoder

    hide_progress_bars()
    return CrossEncoder(str(folder))


def _predict(model: Any, pairs: Sequence[tuple[str, str]], batch: int) -> Any:
    return model.predict(list(pairs), batch_size=batch, show_progress_bar=False, activation_fn=torch.nn.Identity())


def _work(folder: Path, candidates: Candidates) -> floors.Work:
    """Of every pair. Tokenizing is timed a second time, once it is warm; each side's once, as strop does it."""
    scorer, task = Reranker.load(folder), candidates.task
    query_ids, doc_ids = list(task.queries), list(task.documents)

    def tokenize() -> tuple[Tokens, Tokens]:
        asked, read = [task.queries[q] for q in query_ids], [task.documents[d] for d in doc_ids]
        return scorer.tokenize(asked, "query"), scorer.tokenize(read, "document")

    queries, documents = tokenize()
    lengths = [
        len(scorer.pair(queries.row(query_ids.index(query_id)), documents.row(doc_ids.index(doc_id))).ids)
        for query_id, ranking in candidates.run.items()
        for doc_id in ranking.doc_ids
    ]
    return floors.work_of(
        scorer, np.array(lengths, dtype=np.int64), clocked(tokenize), len(queries.ids) + len(documents.ids)
    )


def _agreement(run: Run, times: Mapping[str, Times], peer: str) -> str:
    """How far logits differ, and whether both put every query's documents in the same order."""
    ours: Run = times[OURS].outcome
    logits = iter(times[peer].outcome.tolist())
    theirs = Run({q: (ranking.doc_ids, [next(logits) for _ in ranking.doc_ids]) for q, ranking in run.items()})
    other, differ = 0, 0.0
    for query_id, ranking in ours.items():
        score = dict(zip(theirs[query_id].doc_ids, theirs[query_id].scores, strict=True))
        differ = max(differ, *(abs(s - score[d]) for d, s in zip(ranking.doc_ids, ranking.scores, strict=True)))
        other += list(ranking.doc_ids) != list(theirs[query_id].doc_ids)
    order = "the same order" if not other else f"another order for {other} of {len(ours)} queries"
    return f"{order}, logits differ by {differ:.0e} at most"
