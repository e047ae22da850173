"""What MS MARCO's size costs here: read, tokenise, store and search 8.8 million passages; encoding by extrapolation.

    python benchmarks/msmarco_dry_run.py FOLDER WORK --model MODEL [--passages CORPUS.jsonl]

FOLDER holds `collection.tsv` (`tools/synthetic_msmarco.py` writes one of any size); WORK takes 1.6 kB a passage, which
are deleted at the end. Encoding is measured on 2,000 passages, of `--passages` (BEIR's layout) if given, and the
vectors that are searched are random unit ones: they show the cost, never a quality. Each part runs in a process of its
own. On a busy machine the seconds say little; the processor's, over all cores, hold only the part's own work and its
imports. Peak memory is the process's own; pages of mapped files, which the system takes back at will, stand beside it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

WIDTH = 384
ENCODED = 2_000
Measured = dict[str, float]


class Memory:
    """Peak bytes of this process while it runs, read from /proc every tenth of a second: `own`, `all`."""

    def __enter__(self) -> Memory:
        self.own = self.all = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
            kilobytes = {line[0]: int(line[1]) for line in lines if line[0] in ("RssAnon:", "VmRSS:")}
            self.own = max(self.own, 1024 * kilobytes["RssAnon:"])
            self.all = max(self.all, 1024 * kilobytes["VmRSS:"])
            if self._done.wait(0.1):
                return


class Passages(Mapping[str, str]):
    """Texts by id, each read from the file when asked for."""

    def __init__(self, folder: Path) -> None:
        from strop.collection.lazy_documents import LazyDocuments
        from strop.collection.line_store import LineStore

        self._documents = LazyDocuments(LineStore(folder / "collection.tsv"))

    def __len__(self) -> int:
        return len(self._documents)

    def __iter__(self) -> Iterator[str]:
        return iter(self._documents)

    def __getitem__(self, passage_id: str) -> str:
        return self._documents[passage_id].contents

    def texts(self) -> Iterator[str]:
        return (document.contents for document in self._documents.values())


def read(folder: Path) -> Measured:
    """Index the lines, then read every passage and key it as a stage does."""
    from strop.retrieval.task import texts_key

    started = time.perf_counter()
    passages = Passages(folder)
    indexed = time.perf_counter()
    texts_key(passages)
    return {
        "passages": len(passages),
        "of these seconds to index": indexed - started,
        "seconds": time.perf_counter() - started,
    }


def tokenize(folder: Path, model: str, work: Path, patience: float) -> Measured:
    """Shard by shard, saved and dropped, as many passages as `patience` seconds allow."""
    from strop.models.dense import Dense
    from strop.models.tokens import Tokens
    from strop.retrieval.stages import SHARD

    encoder, texts = Dense.load(model), Passages(folder).texts()
    shard: list[Tokens] = []
    done = tokens = 0
    started = time.perf_counter()
    while time.perf_counter() < started + patience and (part := list(islice(texts, SHARD // 20))):
        shard.append(encoder.tokenize(part, "document"))
        done, tokens = done + len(part), tokens + len(shard[-1].ids)
        if len(shard) == 20:
            Tokens.join(shard).save(work)
            shard.clear()
    return {"passages": done, "tokens": tokens, "seconds": time.perf_counter() - started}


def encode(folder: Path, model: str, corpus: str | None) -> Measured:
    from strop.models.dense import Dense
    from strop.retrieval.encode import encode as encode_tokens

    encoder = Dense.load(model)
    if corpus:
        with Path(corpus).open(encoding="utf-8") as file:
            texts = [json.loads(line)["text"] for line in islice(file, ENCODED)]
    else:
        texts = list(islice(Passages(folder).texts(), ENCODED))
    tokens = encoder.tokenize(texts, "document")
    out = np.empty((len(tokens), encoder.dimension), dtype=np.float32)
    encode_tokens(encoder, encoder.tokenize(texts[:200], "document"), "document", out[:200])  # warm-up
    started = time.perf_counter()
    encode_tokens(encoder, tokens, "document", out)
    return {"passages": len(tokens), "tokens": len(tokens.ids), "seconds": time.perf_counter() - started}


def write(folder: Path, work: Path) -> Measured:
    """Random unit vectors in the layout of the stage `encode`."""
    from strop.retrieval.stages import SHARD

    count = len(Passages(folder))
    started = time.perf_counter()
    keys = []
    for shard, first in enumerate(range(0, count, SHARD)):
        last = min(first + SHARD, count)
        keys.append(f"shard{shard}")
        (work / keys[-1]).mkdir()
        vectors = unit(last - first, shard)
        np.save(work / keys[-1] / "vectors.npy", vectors)
        (work / keys[-1] / "ids.json").write_text(json.dumps([str(i) for i in range(first, last)]))
    (work / "whole").mkdir()
    (work / "whole" / "shards.json").write_text(json.dumps(keys))
    return {"passages": count, "seconds": time.perf_counter() - started}


def unit(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng([7, seed]).standard_normal((rows, WIDTH), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def search(work: Path, queries: int, depth: int) -> Measured:
    from strop.artifacts.store import Artifact
    from strop.retrieval.dense_search import search as search_exactly
    from strop.retrieval.stages import Vectors

    started = time.perf_counter()
    found = Vectors.load(Artifact("whole", work / "whole", {}))
    loaded = time.perf_counter()
    run = search_exactly(unit(queries, 10**6), [f"q{i}" for i in range(queries)], found.matrix, found.ids, depth)
    ended = time.perf_counter()
    assert all(len(ranking.doc_ids) == min(depth, len(found.ids)) for ranking in run.values())
    operations = 2 * WIDTH * queries * len(found.ids)
    return {
        "passages": len(found.ids),
        "queries": queries,
        "seconds to load": loaded - started,
        "seconds": ended - loaded,
        "GFLOP/s": operations / (ended - loaded) / 1e9,
    }


def _measured(part: Callable[..., Measured], *arguments: Any) -> Measured:
    from strop.bench.process_memory import reuse_freed

    reuse_freed()
    with Memory() as memory:
        before = time.process_time()
        said = part(*arguments)
        said["processor seconds"] = time.process_time() - before
    return said | {"peak GiB": memory.own / 2**30, "with mapped files": memory.all / 2**30}


def measure(part: Callable[..., Measured], *arguments: Any) -> Measured:
    """In a fresh process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        said = pool.submit(_measured, part, *arguments).result()
    said["passages/s"] = said["passages"] / said["seconds"]
    if "tokens" in said:
        said["tokens/s"] = said["tokens"] / said["seconds"]
    print(
        f"{part.__name__}: "
        + ", ".join(f"{name} {value:,.4g}" if value < 1000 else f"{name} {value:,.0f}" for name, value in said.items()),
        flush=True,
    )
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--model", required=True, help="a folder in sentence-transformers' layout")
    parser.add_argument("--passages", help="passages to encode, BEIR's corpus.jsonl")
    parser.add_argument("--patience", type=float, default=900, help="seconds to spend on tokenising")
    parser.add_argument("--queries", type=int, default=256)
    parser.add_argument("--depth", type=int, default=1000)
    given = parser.parse_args()
    work = given.work / "msmarco_dry_run"
    work.mkdir(parents=True)
    try:
        count = measure(read, given.folder)["passages"]
        tokenized = measure(tokenize, given.folder, given.model, work, given.patience)
        encoded = measure(encode, given.folder, given.model, given.passages)
        measure(write, given.folder, work)
        searched = measure(search, work, given.queries, given.depth)
    finally:
        shutil.rmtree(work)
    if tokenized["passages"] < count:
        print(f"all {count:,.0f} would be tokenised in {tokenized['seconds'] / tokenized['passages'] * count:,.0f} s")
    hours = encoded["seconds"] / encoded["passages"] * count / 3600
    length = encoded["tokens"] / encoded["passages"]
    print(f"all {count:,.0f} would be encoded in {hours:.1f} hours for each model, at {length:.1f} tokens a passage")
    for queries in (6_980, 55_578):
        minutes = searched["seconds"] / searched["queries"] * queries / 60
        print(f"{queries:,} queries would be searched in {minutes:,.0f} minutes at the rate of {given.queries}")


if __name__ == "__main__":
    main()
