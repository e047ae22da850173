"""A small collection in BEIR's layout, in the tiny model's own words: large enough to mine, train, search and test."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tiny_models import WORDS

TRAIN, TEST, DOCUMENTS = 24, 8, 60


def small_collection(folder: Path, seed: int = 7) -> Path:
    """24 training and 8 test queries of three words; document i answers query i, the other 28 are distractors.

    A document is 9 words around its query's three, so that BM25 finds most of them and no model finds all.
    """
    rng = np.random.default_rng(seed)
    queries = [" ".join(rng.choice(WORDS, 3, replace=False)) for _ in range(TRAIN + TEST)]
    bodies = [list(rng.choice(WORDS, 9)) for _ in range(DOCUMENTS)]
    for body, query in zip(bodies, queries, strict=False):
        body[2:4] = query.split()[:2]
    (folder / "qrels").mkdir(parents=True)
    _lines(folder / "corpus.jsonl", ({"_id": f"d{i}", "text": " ".join(body)} for i, body in enumerate(bodies)))
    _lines(folder / "queries.jsonl", ({"_id": f"q{i}", "text": text} for i, text in enumerate(queries)))
    for split, numbers in {"train": range(TRAIN), "test": range(TRAIN, TRAIN + TEST)}.items():
        rows = "".join(f"q{i}\td{i}\t1\n" for i in numbers)
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}", encoding="utf-8")
    return folder


def _lines(path: Path, values: Iterable[object]) -> None:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
