"""How cost grows with the work: seconds and peak memory, size by size, and what the smallest size foretells of each.

    python benchmarks/growth.py WORK [--part search write mine encode] [--sizes 10000 100000 1000000]

`search` is the exact search of 1,000 queries to depth 100; `write` the artifact of vectors, sealed, and 1,000 of them
read back; `mine` hard negatives for 1,000 queries, as `strop tune` draws them: all on random unit vectors in 1,000
clusters. `encode` tokenizes and encodes passages of 60 words, cut from docstrings, by all-MiniLM-L6-v2, and has sizes
of its own unless some are given. Every measurement has a process of its own. Each is kept in WORK/growth.jsonl as it
comes: the same command goes on where it ended, and repeats nothing; delete a line to measure it again. Memory is what
the process took beyond the libraries; pages of mapped files, which the system takes back at will, are not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from msmarco_dry_run import Memory

from strop.artifacts.arrays import reserved
from strop.artifacts.store import Stage, Store
from strop.bench.fresh_processes import in_fresh_processes
from strop.bench.process_memory import reuse_freed
from strop.collection import door
from strop.models.pretrained import BASE, resolve
from strop.negatives.filters import denoise, run_scores
from strop.records.documents import Group
from strop.records.results import write_json
from strop.records.runs import Run
from strop.retrieval.dense_search import search as search_exactly
from strop.retrieval.stages import Vectors, encode_texts
from strop.tuning.trials import LIKELY_FALSE, WINDOW

WIDTH, CLUSTERS, BLOCK = 384, 1_000, 10_000
QUERIES, DEPTH, MINED_DEPTH = 1_000, 100, 200
WORDS, STRIDE = 60, 20
VECTORS, PASSAGES = (10_000, 100_000, 1_000_000), (1_000, 3_000, 10_000, 30_000)
#: Seconds by documents, on one core of a virtual machine: what a run is announced with.
ABOUT = {"search": 1e-4, "write": 3e-5, "mine": 1e-4, "encode": 2e-2}

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """`seconds` by the clock, `processor` over all cores, `memory` in bytes beyond what the libraries take."""

    part: str
    size: int
    threads: str
    seconds: float
    processor: float
    memory: int


def clustered(rows: range) -> Floats:
    """Unit vectors around centres that all share; row i is the same whatever rows are asked for with it."""
    centres = np.random.default_rng(0).standard_normal((CLUSTERS, WIDTH), dtype=np.float32)
    blocks = []
    for block in range(rows.start // BLOCK, -(-rows.stop // BLOCK)):
        rng = np.random.default_rng([1, block])
        vectors = centres[rng.integers(CLUSTERS, size=BLOCK)] + rng.standard_normal((BLOCK, WIDTH), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        blocks.append(vectors[max(0, rows.start - block * BLOCK) : rows.stop - block * BLOCK])
    return np.concatenate(blocks)


def vectors_of(work: Path, size: int) -> Floats:
    """The first of those on disk, mapped; made where there are fewer."""
    path = work / "vectors.npy"
    if not path.is_file() or len(np.load(path, mmap_mode="r")) < size:
        out = reserved(work / "vectors.partial", (size, WIDTH))
        for start in range(0, size, BLOCK):
            out[start : start + BLOCK] = clustered(range(start, min(start + BLOCK, size)))
        out.flush()
        (work / "vectors.partial").rename(path)
    mapped: Floats = np.load(path, mmap_mode="r")
    return mapped[:size]


@cache
def queries() -> Floats:
    """From far behind the documents: of the same clusters, and none of them."""
    return clustered(range(10**7, 10**7 + QUERIES))


def found(work: Path, size: int, depth: int) -> Run:
    ids = [f"q{i}" for i in range(QUERIES)]
    return search_exactly(queries(), ids, vectors_of(work, size), [str(i) for i in range(size)], depth)


def search(work: Path, size: int) -> None:
    assert len(found(work, size, DEPTH)) == QUERIES


def mine(work: Path, size: int) -> None:
    """A query's best document is its positive."""
    run = found(work, size, MINED_DEPTH)
    groups = [Group(q, ranking.doc_ids[:1], relevant=frozenset(ranking.doc_ids[:1])) for q, ranking in run.items()]
    drawn = WINDOW(groups, run, 0)
    assert denoise(drawn, LIKELY_FALSE, {"miner": run_scores(run)}, keep=1).groups


def write(work: Path, size: int) -> None:
    vectors, store = vectors_of(work, size), Store(work / "store")

    def make(folder: Path) -> None:
        out = reserved(folder / "vectors.npy", (size, WIDTH))
        for start in range(0, size, BLOCK):
            out[start : start + BLOCK] = vectors[start : start + BLOCK]
        out.flush()
        write_json([str(i) for i in range(size)], folder / "ids.json")

    made = store.build(Stage("growth", 1), size, {}, make)
    read = Vectors.load(made).of(map(str, range(0, size, size // 1000)))
    assert np.array_equal(read, vectors[:: size // 1000])


def encode(work: Path, size: int) -> None:
    texts = {str(i): text for i, text in enumerate(islice(passages(work), size))}
    assert len(texts) == size, f"there are {len(texts):,} passages"
    encode_texts(Store(work / "store"), resolve(BASE), texts, "document")


def passages(work: Path) -> Iterator[str]:
    """Windows of words of the embedded docstrings, in an order that any number of them is a sample of."""
    documents = list(door.load("docstrings", "test", work / "docstrings").documents.values())
    places = [
        (i, start)
        for i, document in enumerate(documents)
        for start in range(0, max(1, len(document.contents.split()) - WORDS + STRIDE), STRIDE)
    ]
    for at in np.random.default_rng(0).permutation(len(places)):
        i, start = places[at]
        yield " ".join(documents[i].contents.split()[start : start + WORDS])


PARTS: dict[str, Callable[[Path, int], None]] = {"search": search, "write": write, "mine": mine, "encode": encode}


def measure(part: str, work: Path, size: int) -> Measured:
    """In this process, which has done nothing else; what it left in the store is deleted."""
    reuse_freed()
    if part == "encode":
        next(passages(work))  # docstrings are read from packages once
    else:
        vectors_of(work, size)
        queries()
    with Memory() as before:
        pass
    with Memory() as memory:
        started, processor = time.perf_counter(), time.process_time()
        PARTS[part](work, size)
        seconds, processor = time.perf_counter() - started, time.process_time() - processor
    shutil.rmtree(work / "store", ignore_errors=True)
    return Measured(part, size, threads(), round(seconds, 3), round(processor, 3), memory.own - before.own)


def threads() -> str:
    return os.environ.get("OMP_NUM_THREADS", "all")


def sizes_of(part: str, asked: list[int] | None) -> tuple[int, ...]:
    return tuple(asked or (PASSAGES if part == "encode" else VECTORS))


def table(rows: list[Measured]) -> str:
    """Each part from its smallest size on; `foretold` is in proportion to that one."""
    lines = [
        "| part | documents | seconds | processor | MiB | foretold | error |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for part in dict.fromkeys(row.part for row in rows):
        own = sorted((row for row in rows if row.part == part), key=lambda row: row.size)
        for row in own:
            foretold = own[0].processor * row.size / own[0].size
            lines.append(
                f"| {part} | {row.size:,} | {row.seconds:,.1f} | {row.processor:,.1f} | {row.memory / 2**20:,.0f} "
                f"| {foretold:,.1f} | {foretold / row.processor - 1:+.0%} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--part", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--sizes", nargs="+", type=int)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    kept = given.work / "growth.jsonl"
    rows = [Measured(**json.loads(line)) for line in kept.read_text().splitlines()] if kept.is_file() else []
    there = {(row.part, row.size) for row in rows if row.threads == threads()}
    left = [(part, size) for part in given.part for size in sizes_of(part, given.sizes) if (part, size) not in there]
    room = max((size for part, size in left if part != "encode"), default=0) * WIDTH * 4 / 2**30
    print(f"about {sum(ABOUT[part] * size for part, size in left) / 60:.1f} minutes, {2 * room:.1f} GiB on disk")
    for part, size in left:
        [row] = in_fresh_processes(measure, [(part, given.work, size)])
        rows.append(row)
        with kept.open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")
        print(f"{part} {size:,}: {row.seconds:,.1f} s", flush=True)
    print(table([row for row in rows if row.threads == threads() and row.part in given.part]))


if __name__ == "__main__":
    main()
