"""A collection that the tiny model can get better on: texts are mostly filler, and a trained model learns to ignore it.

A document and its query share a few words among filler words that all texts have, so a random model is misled by the
filler, and training on some queries helps with all others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tiny_models import WORDS

FILLER, OWN = WORDS[:3], WORDS[3:]
SPLITS = {"train": 160, "dev": 60, "test": 100}


def learnable_collection(folder: Path, seed: int = 3, splits: dict[str, int] | None = None) -> Path:
    """Document i answers query i: three words of its own, of which the query has two, each among nine of filler."""
    rng = np.random.default_rng(seed)
    sizes = splits or SPLITS
    own = [rng.choice(OWN, 3, replace=False) for _ in range(sum(sizes.values()))]

    def text(words: Sequence[str]) -> str:
        return " ".join(rng.permutation([*words, *rng.choice(FILLER, 9)]))

    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": f"d{i}", "text": text(words)} for i, words in enumerate(own)]
    queries = [{"_id": f"q{i}", "text": text(words[:2])} for i, words in enumerate(own)]
    for name, lines in (("corpus", documents), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    start = 0
    for split, size in sizes.items():
        rows = "".join(f"q{i}\td{i}\t1\n" for i in range(start, start + size))
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}", encoding="utf-8")
        start += size
    return folder
