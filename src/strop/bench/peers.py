"""strop and sentence-transformers on the same work, in turns."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from statistics import median

import numpy as np
from sentence_transformers import SentenceTransformer

from strop.artifacts.progress import Progress
from strop.bench.examples import examples_of
from strop.bench.library_training import dataset_of, fit
from strop.bench.process_memory import reuse_freed
from strop.bench.workers import worker
from strop.models.dense import Dense
from strop.models.pretrained import BASE, resolve
from strop.models.reading import hide_progress_bars
from strop.records.errors import InputError, excerpt
from strop.retrieval import encode
from strop.training import loop
from strop.training.recipes import TRIPLET_FULL
from strop.training.stage import texts_of

PASSAGES = 1000
BATCH = 32
UPDATES = 2

#: Does the work once and returns its seconds.
Timed = Callable[[], float]


def benchmarks(name: str, repeats: int, progress: Progress) -> list[list[str]]:
    """Rows of a table, header first: both medians in seconds, and the median, least and largest paired ratio.

    Both sides work as they come: strop keeps freed memory (`reuse_freed`), its peer does what it does. Raises
    InputError on an unknown name, or when the peer is not installed; WorkerError where a process fails.
    """
    known = {
        "encode": (f"encode {PASSAGES:,} passages", _encode, _encode_peer),
        "train": (f"train {UPDATES} updates of {BATCH} triplets", _train, _train_peer),
    }
    if name != "all" and name not in known:
        raise InputError(
            f"there is no benchmark {excerpt(name)}",
            remedy=f"Choose all, {', '.join(known)}, latency, memory or lengths",
        )
    examples_of(1)  # the embedded collection is extracted once, not by each worker
    rows = [["benchmark", "strop", "peer", "ratio [min, max]"]]
    for what, build, build_peer in known.values() if name == "all" else [known[name]]:
        with _worker(build) as ours, _worker(build_peer) as theirs, progress(what, repeats) as advance:
            pairs = []
            for _ in range(repeats):
                pairs.append((ours(), theirs()))
                advance(1)
        ratios = [b / a for a, b in pairs]
        mine, peers = (f"{median(column):.2f} s" for column in zip(*pairs, strict=True))
        rows.append([what, mine, peers, f"{median(ratios):.2f}x [{min(ratios):.2f}, {max(ratios):.2f}]"])
    return rows


@contextmanager
def _worker(build: Callable[[], Timed]) -> Iterator[Timed]:
    """Runs the work in a process of its own, which has done it once before."""
    with worker(multiprocessing.get_context("spawn")) as process:
        timed = partial(process, _seconds, build)
        timed()
        yield timed


def _seconds(build: Callable[[], Timed]) -> float:
    return _built(build)()


@cache
def _built(build: Callable[[], Timed]) -> Timed:
    return build()


def _clocked(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _encode() -> Timed:
    """Docstrings tokenised and encoded in float32."""
    reuse_freed()
    texts = _passages()
    encoder = Dense.load(resolve(BASE).path)

    def work() -> None:
        tokens = encoder.tokenize(texts, "document")
        encode.encode(encoder, tokens, "document", np.empty((len(tokens), encoder.dimension), dtype=np.float32))

    return partial(_clocked, work)


def _encode_peer() -> Timed:
    """`SentenceTransformer.encode` as it comes."""
    texts = _passages()
    hide_progress_bars()
    model = SentenceTransformer(str(resolve(BASE).path))
    return partial(_clocked, lambda: model.encode(texts, show_progress_bar=False))


def _train() -> Timed:
    """One epoch of triplets with AdamW, tokenising included."""
    reuse_freed()
    examples, recipe = examples_of(BATCH * UPDATES), replace(TRIPLET_FULL, updates=UPDATES)

    def timed() -> float:
        encoder = Dense.load(resolve(BASE).path)
        with tempfile.TemporaryDirectory() as folder:
            return _clocked(
                lambda: loop.train(encoder, recipe, examples.groups, *texts_of(encoder, examples), 0, Path(folder))
            )

    return timed


def _train_peer() -> Timed:
    """The same epoch by `SentenceTransformerTrainer`."""
    from sentence_transformers.sentence_transformer.losses import TripletLoss

    hide_progress_bars()
    examples = examples_of(BATCH * UPDATES)
    dataset = dataset_of(
        {
            "anchor": [examples.queries[g.query_id] for g in examples.groups],
            "positive": [examples.documents[g.positives[0]] for g in examples.groups],
            "negative": [examples.documents[g.negatives[0]] for g in examples.groups],
        }
    )

    def timed() -> float:
        model = SentenceTransformer(str(resolve(BASE).path))
        metrics = fit(model, TripletLoss(model), dataset, per_device_train_batch_size=BATCH, max_steps=UPDATES)
        return metrics["train_runtime"]

    return timed


def _passages() -> list[str]:
    return list(examples_of(PASSAGES).documents.values())[:PASSAGES]
