"""Encoding passages: strop, and sentence-transformers as it comes, at its best, and with other runtimes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from strop.artifacts.progress import Progress
from strop.artifacts.store import store
from strop.bench import floors, peer_environments
from strop.bench.comparison import Plan, Report, Row, compared
from strop.bench.fresh_processes import in_fresh_processes
from strop.bench.interleaved import Build, Times, Turn, alone, clocked, in_turns, reusing, warmed
from strop.bench.peer_process import best_batch
from strop.bench.process_memory import resident_increase, reuse_freed
from strop.collection import door
from strop.models.dense import Dense
from strop.models.precision import Precision, has_bfloat16
from strop.models.pretrained import resolve
from strop.models.reading import hide_progress_bars
from strop.retrieval import encode
from strop.retrieval.encode import Vectors
from strop.retrieval.fitting_chunks import BUDGET

#: Passages that are encoded, spread over the collection, or all there are.
PASSAGES = 1000
#: `SentenceTransformer.encode`'s own batch size.
DEFAULT_BATCH = 32

OURS, HALF = "strop", "strop, bfloat16"
PEER = f"sentence-transformers, batch {DEFAULT_BATCH} (its default)"
PEER_AS_IT_COMES, PEER_HALF = f"{PEER}, returning freed memory", f"{PEER}, bfloat16"
_HALVES = {HALF: OURS, PEER_HALF: PEER}
RUNTIMES = {"onnx": "sentence-transformers, ONNX Runtime", "openvino": "sentence-transformers, OpenVINO"}


def plan(model: str, on: str, rounds: int, progress: Progress) -> Plan:
    """Raises InputError as `door.load` and `Dense.load` do."""
    folder, passages = resolve(model).path, passages_of(on)
    work = alone(_work, folder, passages)
    sides = 7 if has_bfloat16() else 5
    seconds = floors.estimated(work.flops * sides * (rounds + 2))
    return Plan(seconds, partial(_report, folder, passages, work, rounds, progress))


def passages_of(on: str) -> list[str]:
    """`PASSAGES` of the collection's documents, spread over all."""
    documents = door.load(on, "test", store().docstrings).documents
    ids = list(documents)[:: max(1, len(documents) // PASSAGES)][:PASSAGES]
    return [documents[doc_id].contents for doc_id in ids]


def memory_table(model: str, on: str, progress: Progress) -> list[list[str]]:
    """Rows, header first: by how much the passages and a model raise a process's memory, libraries aside.

    Raises InputError where there is no Linux.
    """
    folder, passages = resolve(model).path, passages_of(on)
    calls = [(build, folder, passages) for build in (_strop, _peer)]
    with progress("measure peak memory of encoding", len(calls)) as advance:
        increases = in_fresh_processes(_increase, calls, advance)
    rows = [[name, f"{n / 2**20:,.0f}"] for name, n in zip((OURS, PEER), increases, strict=True)]
    return [[f"encode {len(passages):,} passages", "MiB at peak"], *rows]


def _report(folder: Path, passages: Sequence[str], work: floors.Work, rounds: int, progress: Progress) -> Report:
    what = f"encode {len(passages):,} passages"
    with progress(f"{what}: find the peer's best batch", 1) as advance:
        batch = alone(_best_batch, folder, passages)
        advance(1)
    best = PEER if batch == DEFAULT_BATCH else f"sentence-transformers, batch {batch} (its best)"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as place:
        sides: dict[str, Build] = {
            OURS: partial(reusing, partial(_strop, folder, passages)),
            PEER: partial(reusing, partial(_peer, folder, passages)),
            best: partial(reusing, partial(_peer, folder, passages, batch)),
            PEER_AS_IT_COMES: partial(_peer, folder, passages),
            **{name: partial(_runtime, runtime, folder, passages, place) for runtime, name in RUNTIMES.items()},
            floors.BARE: partial(floors.bare, work.shapes, device),
        }
        if has_bfloat16():
            sides[HALF] = partial(reusing, partial(_strop, folder, passages, "bfloat16"))
            sides[PEER_HALF] = partial(reusing, partial(_peer, folder, passages, precision="bfloat16"))
        times = in_turns(what, sides, rounds, progress, optional=RUNTIMES.values())
    peers = dict.fromkeys((PEER, best, PEER_AS_IT_COMES))
    rows = [compared(f"{what}, float32", times, OURS, peer, _drift(times, peer)) for peer in peers]
    rows += [_runtime_row(f"{what}, float32", times, peer) for peer in RUNTIMES.values()]
    if HALF in times:
        rows += [compared(f"{what}, bfloat16", times, HALF, peer, _cosines(times)) for peer in (PEER, PEER_HALF)]
    read = int(4 * work.weights * work.tokens / BUDGET[device])
    seconds = median(times[OURS].seconds)
    note = floors.reached(f"strop, {what}", seconds, work, times[floors.BARE], read=read)
    half = () if HALF in times else ("bfloat16: not measured, the processor has no products in it (AVX512-BF16, AMX)",)
    return Report(tuple(rows), (note, *half))


def _strop(folder: Path, passages: Sequence[str], precision: Precision = "float32") -> tuple[Turn, Vectors]:
    """Tokenized and encoded, in float32 or by autocast."""
    encoder = Dense.load(folder)

    def work() -> Vectors:
        tokens = encoder.tokenize(passages, "document")
        vectors = np.empty((len(tokens), encoder.dimension), dtype=np.float32)
        return encode.encode(encoder, tokens, "document", vectors, precision=precision)

    return warmed(work)


def _peer(
    folder: Path, passages: Sequence[str], batch: int = DEFAULT_BATCH, precision: Precision = "float32"
) -> tuple[Turn, Vectors]:
    """`SentenceTransformer.encode_document`; bfloat16 is that of its weights."""
    model = _library(folder, precision)
    return warmed(lambda: model.encode_document(passages, batch_size=batch, show_progress_bar=False))


def _runtime(runtime: str, folder: Path, passages: Sequence[str], place: str) -> tuple[Turn, tuple[Vectors, Any]]:
    """By `peer_process.exported`, with the facts that it says of itself."""
    texts, out = Path(place) / f"{runtime}.json", Path(place) / f"{runtime}.npy"
    texts.write_text(json.dumps(passages), encoding="utf-8")
    arguments = {"model": str(folder), "backend": runtime, "texts": str(texts), "out": str(out)}
    turn, facts = peer_environments.asked(peer_environments.EXPORTED[runtime], "exported", arguments)
    return turn, (np.load(out), facts)


def _best_batch(folder: Path, passages: Sequence[str]) -> int:
    reuse_freed()
    model = _library(folder, "float32")
    return best_batch(lambda some, n: model.encode_document(some, batch_size=n, show_progress_bar=False), passages)


def _library(folder: Path, precision: Precision) -> Any:
    from sentence_transformers import SentenceTransformer

    hide_progress_bars()
    settings: Any = {"model_kwargs": {"dtype": getattr(torch, precision)}}
    return SentenceTransformer(str(folder), **settings)


def _work(folder: Path, passages: Sequence[str]) -> floors.Work:
    """Tokenizing is timed a second time, once it is warm."""
    encoder = Dense.load(folder)
    tokens = encoder.tokenize(passages, "document")
    seconds = clocked(lambda: encoder.tokenize(passages, "document"))
    return floors.work_of(encoder, tokens.lengths, seconds, len(tokens.ids))


def _increase(build: Any, folder: Path, passages: Sequence[str]) -> int:
    reuse_freed()
    turn, _ = build(folder, passages[:1])
    del turn
    return resident_increase(lambda: build(folder, passages))


def _drift(times: Mapping[str, Times], peer: str) -> str:
    return f"vectors differ by {_largest(times[OURS].outcome, times[peer].outcome):.0e} at most"


def _largest(ours: Vectors, theirs: Vectors) -> float:
    return float(np.abs(_unit(ours) - _unit(theirs)).max())


def _unit(vectors: Vectors) -> Vectors:
    """As cosine reads them: not every model ends in unit vectors."""
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _cosines(times: Mapping[str, Times]) -> str:
    """The least of each side's own bfloat16 with its own float32."""
    sides = {half: (_unit(times[half].outcome), _unit(times[full].outcome)) for half, full in _HALVES.items()}
    least = ", ".join(f"{(a * b).sum(axis=1).min():.5f}" for a, b in sides.values())
    return f"least cosine to its own float32: strop's and the peer's {least}"


def _runtime_row(what: str, times: Mapping[str, Times], peer: str) -> Row:
    if times[peer].missing:
        return compared(what, times, OURS, peer)
    vectors, facts = times[peer].outcome
    row = compared(what, times, OURS, peer)
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    results = f"vectors differ by {_largest(times[OURS].outcome, vectors):.0e} at most"
    results += f"; its export takes {facts['export_seconds']:.0f} s, strop's none"
    return replace(row, peer=f"{peer}, batch {facts['batch']} (its best; {versions})", agreement=results)
