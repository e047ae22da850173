"""Benchmarks: the same work done by strop and by sentence-transformers, in turns, in one run."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer

from strop import encode, train
from strop.collection import door
from strop.collection.panel import training_documents
from strop.commands import store
from strop.models.dense import Dense
from strop.models.pretrained import BASE, resolve
from strop.negatives.group_files import Examples
from strop.negatives.positives import positive_groups
from strop.negatives.sampled import Uniform
from strop.nouns import InputError
from strop.recipes import THESIS_FULL
from strop.stages import Progress, texts_of

PASSAGES = 1000
BATCH = 32
UPDATES = 4

Timed = Callable[[], float]


def benchmarks(name: str, repeats: int, progress: Progress) -> list[list[str]]:
    """Rows of a table, header first: per benchmark both medians in seconds and the median of the paired ratios.

    Raises InputError on an unknown name, or when the peer is not installed.
    """
    known = {"encode": _encode, "train": _train}
    if name != "all" and name not in known:
        raise InputError(f"there is no benchmark {name!r}", remedy=f"Choose all, {' or '.join(known)}")
    rows = [["benchmark", "strop", "peer", "ratio [min, max]"]]
    for label in known if name == "all" else [name]:
        what, ours, theirs = known[label]()
        ours(), theirs()  # warm-up
        with progress(f"{label}: {repeats} rounds of A B", repeats) as advance:
            pairs = []
            for _ in range(repeats):
                pairs.append((ours(), theirs()))
                advance(1)
        ratios = [b / a for a, b in pairs]
        a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
        rows.append(
            [
                what,
                f"{a:.2f} s",
                f"{b:.2f} s",
                f"{statistics.median(ratios):.2f}x [{min(ratios):.2f}, {max(ratios):.2f}]",
            ]
        )
    return rows


def _encode() -> tuple[str, Timed, Timed]:
    """1,000 docstrings, tokenised and encoded in float32, against `SentenceTransformer.encode` as it comes."""
    path = resolve(BASE).path
    texts = list(_examples(PASSAGES).documents.values())[:PASSAGES]
    encoder, peer = Dense.load(path), SentenceTransformer(str(path))

    def ours() -> float:
        started = time.perf_counter()
        tokens = encoder.tokenize(texts, "document")
        encode.encode(encoder, tokens, np.empty((len(tokens), encoder.dimension), dtype=np.float32))
        return time.perf_counter() - started

    def theirs() -> float:
        started = time.perf_counter()
        peer.encode(texts, show_progress_bar=False)
        return time.perf_counter() - started

    return f"encode {len(texts):,} passages", ours, theirs


def _train() -> tuple[str, Timed, Timed]:
    """One epoch of 128 triplets in updates of 32 with AdamW, against `SentenceTransformerTrainer`."""
    path = resolve(BASE).path
    examples = _examples(BATCH * UPDATES)
    recipe = replace(THESIS_FULL, updates=UPDATES)

    def ours() -> float:
        encoder = Dense.load(path)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            queries, documents = texts_of(encoder, examples, "query"), texts_of(encoder, examples, "document")
            train.train(encoder, recipe, examples.groups, queries, documents, 0, Path(folder))
            return time.perf_counter() - started

    return f"train {UPDATES} updates of {BATCH} triplets", ours, _trainer(path, examples)


def _trainer(path: Path, examples: Examples) -> Timed:
    try:
        from datasets import Dataset  # type: ignore[import-untyped]
    except ImportError:
        raise InputError(
            "the trainer of sentence-transformers needs the package datasets",
            remedy="Run 'make bench', or: pip install 'strop[bench]'",
        ) from None
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import TripletLoss
    from transformers import TrainerCallback

    columns = {
        "anchor": [examples.queries[g.query_id] for g in examples.groups],
        "positive": [examples.documents[g.positives[0]] for g in examples.groups],
        "negative": [examples.documents[g.negatives[0]] for g in examples.groups],
    }

    class Clock(TrainerCallback):
        started = ended = 0.0

        def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
            self.started = time.perf_counter()

        def on_train_end(self, *args: Any, **kwargs: Any) -> None:
            self.ended = time.perf_counter()

    def theirs() -> float:
        model, clock = SentenceTransformer(str(path)), Clock()
        with tempfile.TemporaryDirectory() as folder:
            arguments = SentenceTransformerTrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=BATCH,
                max_steps=UPDATES,
                report_to=[],
                save_strategy="no",
                disable_tqdm=True,
                logging_strategy="no",
            )
            SentenceTransformerTrainer(
                model=model,
                args=arguments,
                train_dataset=Dataset.from_dict(columns),
                loss=TripletLoss(model),
                callbacks=[clock],
            ).train()
        return clock.ended - clock.started

    return theirs


def _examples(count: int) -> Examples:
    """Triplets of the embedded collection with uniform negatives; the same ones every time."""
    data = door.load("docstrings", "train", store().root / "docstrings")
    groups: Sequence[Any] = positive_groups(data, first_only=True)[:count]
    return Examples.of(Uniform()(groups, training_documents(data), seed=0), data)
