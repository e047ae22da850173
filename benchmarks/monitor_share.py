"""What the monitor takes of a long run: 50 looks at 256 queries and 1,024 documents, within 3 % of the time.

    python benchmarks/monitor_share.py [UPDATES]

The model is tiny and random, so that a run long enough takes minutes here: it shows cost and nothing else. What a look
and an update cost with a real model is printed beside it: their ratio says how long its run must be.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from dataclasses import replace

import tiny_models

from strop.artifacts.store import store
from strop.collection import door
from strop.losses.contrastive import InfoNCE
from strop.models.dense import Dense
from strop.models.pretrained import BASE, resolve
from strop.models.scoring import Cosine
from strop.monitoring.monitor import POINTS, SHARE, Monitor
from strop.monitoring.probe import DOCUMENTS, QUERIES, Look, Probe, of_collection
from strop.records.documents import Group
from strop.training.batches import Batching
from strop.training.forwards import Texts
from strop.training.loop import train
from strop.training.recipes import IN_BATCH_FULL


def tiny(updates: int) -> None:
    """A run of a tiny model with the monitor on."""
    encoder = tiny_models.dense()
    texts = tiny_models.sentences(QUERIES + DOCUMENTS, seed=5, longest=8)
    documents = {f"d{i}": text for i, text in enumerate(texts[QUERIES:])}
    queries = {f"q{i}": text for i, text in enumerate(texts[:QUERIES])}
    probe = Probe(queries, documents, {q: (f"d{i}",) for i, q in enumerate(queries)})
    recipe = replace(IN_BATCH_FULL, scoring=Cosine(), loss=InfoNCE(0.05), batching=Batching(64, True), updates=updates)
    groups = [Group(f"q{i}", (f"d{i}",), (), (), frozenset({f"d{i}"})) for i in range(QUERIES)]
    asked = Texts(encoder.tokenize(list(queries.values()), "query"), {q: i for i, q in enumerate(queries)})
    found = Texts(encoder.tokenize(list(documents.values()), "document"), {d: i for i, d in enumerate(documents)})
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        monitor = Monitor.of(Look.of(probe, encoder), encoder, updates)
        train(encoder, recipe, groups, asked, found, 0, Path(folder), [monitor])
        took = time.perf_counter() - started
    cost = monitor.cost(took)
    print(f"tiny model, {updates:,} updates of 64 pairs: {took:.0f} s, {cost['monitor_looks']} looks, "
          f"{cost['monitor_seconds']:.1f} s, {100 * cost['monitor_share']:.2f} % of the run")  # fmt: skip


def real() -> None:
    """Seconds of a look and of an update of 32 triplets with the base model."""
    encoder = Dense.load(resolve(BASE).path)
    data = door.load("docstrings", "train", store().root / "docstrings")
    look = Look.of(of_collection(data), encoder)
    looked = []
    for _ in range(2):
        started = time.perf_counter()
        monitor = Monitor.of(look, encoder, 1)
        monitor(1, encoder)
        looked.append((time.perf_counter() - started) / 2)
    tokens = int(look.queries.offsets[-1] + look.documents.offsets[-1])
    seconds = float(np.min(looked))
    run = f"{POINTS} fit {100 * SHARE:.0f} % of a run of {seconds * POINTS / SHARE / 3600:.1f} h"
    print(f"all-MiniLM-L6-v2: a look at {tokens:,} tokens takes {seconds:.1f} s; {run}")


if __name__ == "__main__":
    real()
    tiny(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
