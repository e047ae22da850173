"""What scoring one pair costs by its length: architectures of real size with random weights, for cost alone."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from strop.artifacts.progress import Progress, silent
from strop.bench.fresh_processes import in_fresh_processes
from strop.bench.process_memory import resident, reuse_freed
from strop.models.cross_encoder import Reranker
from strop.models.pair_scorer import score_pairs
from strop.models.pretrained import BASE, resolve
from strop.models.random_weights import POSITIONS, Kind, RandomWeights, Size, shape

KINDS: tuple[Kind, ...] = ("bert", "gte", "modernbert")
#: Tokens of a pair.
LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
#: Tokens of the pair's query, and of the pair that warms up.
QUERY, WARM = 16, 64
#: Bytes in memory before a model is loaded: Python, torch and transformers.
LIBRARIES = 500 * 2**20


@dataclass(frozen=True, slots=True)
class Length:
    """Forward passes over one pair of `tokens` in float32 on the processor, and the seconds of each; `peak` is the most
    bytes of their process in memory, libraries and weights included (of a vocabulary only the rows in use)."""

    kind: Kind
    tokens: int
    seconds: tuple[float, ...]
    peak: int


def length_points(
    model: str = BASE,
    repeats: int = 3,
    kinds: Sequence[Kind] = KINDS,
    lengths: Sequence[int] = LENGTHS,
    size: Size = "base",
    progress: Progress = silent,
) -> list[Length]:
    """`repeats` forward passes over a pair of random tokens, for every kind and every length it has positions for.

    Each length is measured in a process of its own, after a short pair. `model` gives the tokenizer. Raises InputError
    when there is no such model.
    """
    source = resolve(model).path

    def calls() -> Iterator[tuple[Path, Kind, int, int]]:
        for kind in kinds:
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place) / kind
                in_fresh_processes(RandomWeights(kind, size).convert, [(source, folder)])
                for _, tokens in planned([kind], lengths):
                    yield folder, kind, tokens, repeats

    with progress("read pairs", len(planned(kinds, lengths))) as advance:
        return in_fresh_processes(_measure, calls(), advance)


def planned(kinds: Sequence[Kind] = KINDS, lengths: Sequence[int] = LENGTHS) -> list[tuple[Kind, int]]:
    """What is measured: every length that a kind has positions for."""
    return [(kind, tokens) for kind in kinds for tokens in lengths if tokens <= POSITIONS[kind]]


def estimate(repeats: int) -> tuple[float, int]:
    """About how many seconds the whole measurement takes, and how many bytes its largest process.

    From the multiplications of each forward pass at the speed of a matrix product timed now, and from the weights and
    one layer's attention scores.
    """
    a = torch.ones(1024, 1024)
    started = time.perf_counter()
    for _ in range(4):
        a @ a
    speed = 4 * 2 * 1024**3 / (time.perf_counter() - started)
    work, bytes_ = 0.0, 0
    for kind, tokens in planned():
        layers, width, heads, inner, rows = shape(kind)
        gated = 1 if kind == "bert" else 1.5
        weights = layers * (4 * width**2 + 2 * gated * width * inner)
        work += repeats * (2 * weights * tokens + 4 * layers * width * tokens**2)
        bytes_ = max(bytes_, 4 * int(weights + rows * width + heads * tokens**2 + 8 * inner * tokens))
    return work / speed, LIBRARIES + bytes_


def length_table(points: Sequence[Length]) -> list[list[str]]:
    """Rows, header first: medians."""
    rows = [["model", "tokens", "seconds [min, max]", "tokens/s", "MiB at peak"]]
    for point in points:
        middle = statistics.median(point.seconds)
        spread = f"{middle:.3f} [{min(point.seconds):.3f}, {max(point.seconds):.3f}]"
        speed = f"{point.tokens / middle:,.0f}"
        rows.append([point.kind, f"{point.tokens:,}", spread, speed, f"{point.peak / 2**20:,.0f}"])
    return rows


def _measure(folder: Path, kind: Kind, tokens: int, repeats: int) -> Length:
    reuse_freed()
    scorer = Reranker.load(folder)
    scorer.module.to("cpu").eval()
    seconds = []
    for length in (WARM, *[tokens] * repeats):
        started = time.perf_counter()
        _read(scorer, length)
        seconds.append(time.perf_counter() - started)
    return Length(kind, tokens, tuple(seconds[1:]), resident("VmHWM"))


def _read(scorer: Reranker, tokens: int) -> None:
    """One forward pass over a pair of exactly so many random tokens."""
    ids = np.random.default_rng(tokens).integers(0, len(scorer.model.tokenizer), tokens, dtype=np.int32)
    specials = len(scorer.pair(ids[:0], ids[:0]).ids)
    pair = scorer.pair(ids[:QUERY], ids[QUERY : tokens - specials])
    with torch.inference_mode():
        score_pairs(scorer, [pair], np.array([0]))
