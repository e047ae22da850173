"""Latency: the stages of answering queries timed apart, several conditions in turns, and the ratios between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from time import perf_counter
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch

from strop.evaluation.significance import bootstrap_interval
from strop.models.encoder import Encoder
from strop.records.errors import InputError
from strop.records.results import Row
from strop.retrieval import dense_search, encode
from strop.retrieval.encode import Vectors

Stage = Literal["encode", "score", "rank", "total"]
STAGES: tuple[Stage, ...] = ("encode", "score", "rank", "total")

#: Queries per batch: with 89 chunks of 200 rows about 0.9 million Python tuples at once.
BATCH = 50
#: Passages kept per query, of each chunk and in the end. Source: arXiv 2506.18535, section 4.5.2.
DEPTH = 200
#: Batches that every condition answers before the clock runs.
WARM_UP = 2


class Search(Protocol):
    def __call__(self, queries: Vectors, vectors: Vectors) -> tuple[list[list[int]], float, float]:
        """The rows of the best vectors for each query, best first; seconds spent scoring, and ranking."""
        ...


@dataclass(frozen=True, slots=True)
class Chunked:
    """The loop of "When Fine-Tuning Fails": score chunk by chunk, move each one's best to Python rows, sort.

    A batch of Q queries makes chunks x Q x `depth` rows (query, passage, score), so the cost of ranking grows with the
    number of chunks, and the ranking stays the same. It lies here, not with the study, because `strop bench latency`
    shows it too. Source: the code of arXiv 2506.18535: 45 chunks of 200,000 passages for full models, 89 of 100,000
    for LoRA.
    """

    chunks: int
    depth: int = DEPTH

    def __call__(self, queries: Vectors, vectors: Vectors) -> tuple[list[list[int]], float, float]:
        scoring = ranking = 0.0
        first = 0
        left = torch.from_numpy(queries)
        candidates: list[list[tuple[int, int, float]]] = [[] for _ in queries]
        for part in np.array_split(vectors, min(self.chunks, len(vectors))):
            started = perf_counter()
            best = (left @ torch.from_numpy(part).T).topk(min(self.depth, len(part)), dim=1)
            scored = perf_counter()
            for i, (rows, scores) in enumerate(zip(best.indices.tolist(), best.values.tolist(), strict=True)):
                for row, score in zip(rows, scores, strict=True):
                    candidates[i].append((i, first + row, score))
            scoring += scored - started
            ranking += perf_counter() - scored
            first += len(part)
        started = perf_counter()
        for merged in candidates:
            merged.sort(key=itemgetter(2), reverse=True)
        ranked = [[row for _, row, _ in merged[: self.depth]] for merged in candidates]
        return ranked, scoring, ranking + perf_counter() - started


@dataclass(frozen=True, slots=True)
class Exact:
    """strop's own search. It keeps one running best, so its ranking cannot be told from scoring: all is scoring."""

    depth: int = DEPTH

    def __call__(self, queries: Vectors, vectors: Vectors) -> tuple[list[list[int]], float, float]:
        query_ids, doc_ids = ([str(i) for i in range(len(rows))] for rows in (queries, vectors))
        started = perf_counter()
        run = dense_search.search(queries, query_ids, vectors, doc_ids, self.depth)
        seconds = perf_counter() - started
        return [[int(d) for d in run[q].doc_ids] for q in query_ids], seconds, 0.0


@dataclass(frozen=True, slots=True)
class Condition:
    """What is timed: an encoder and a way to search, under a name of its own."""

    name: str
    encoder: Encoder
    search: Search


@dataclass(frozen=True, slots=True)
class Timing:
    """One repeat of one condition: seconds per batch of queries, by stage and in all (`total`)."""

    condition: str
    repeat: int
    queries: int
    encode: tuple[float, ...]
    score: tuple[float, ...]
    rank: tuple[float, ...]
    total: tuple[float, ...]

    def batches(self, stage: Stage) -> tuple[float, ...]:
        return {"encode": self.encode, "score": self.score, "rank": self.rank, "total": self.total}[stage]

    def seconds(self, stage: Stage) -> float:
        return sum(self.batches(stage))


@dataclass(frozen=True, slots=True)
class Ratio:
    """One condition's seconds over another's, with a 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds per batch at three percentiles, and queries per second, over all repeats of one condition."""

    p50: float
    p95: float
    p99: float
    queries_per_second: float


def measure(
    conditions: Sequence[Condition],
    texts: Sequence[str],
    vectors: Vectors,
    repeats: int,
    batch: int = BATCH,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[Timing]:
    """Every condition answers `texts` against passages already encoded, `vectors` `(N, D)`, `repeats` times.

    In turns, batch by batch: all conditions answer a batch, in an order drawn anew from `seed`, before any sees the
    next, so that a burst of other work on the machine, or what one condition leaves behind, meets all of them.
    Encoding includes tokenising; loading and files are left out. `progress` gets the number of queries answered. Raises
    InputError on names that are not unique, and where there is nothing to time.
    """
    names = [c.name for c in conditions]
    if len(set(names)) < len(names):
        raise InputError(f"two conditions share a name ({names})", remedy="Give each its own")
    if not (texts and len(vectors) and conditions and repeats > 0):
        raise InputError("there is nothing to time", remedy="Give conditions, queries, passages and 1 repeat or more")
    held = np.array(vectors, dtype=np.float32)  # in memory, as the paper's: a memory map would read files on the clock
    batches = [texts[first : first + batch] for first in range(0, len(texts), batch)]
    for condition in conditions:
        for part in batches[:WARM_UP]:
            _answer(condition, part, held)
    rng = np.random.default_rng(seed)
    timings = []
    for repeat in range(repeats):
        clocked: list[list[tuple[float, float, float, float]]] = [[] for _ in conditions]
        for part in batches:
            for i in rng.permutation(len(conditions)):
                clocked[i].append(_answer(conditions[i], part, held))
                if progress:
                    progress(len(part))
        timings += [
            Timing(name, repeat, len(texts), *zip(*own, strict=True)) for name, own in zip(names, clocked, strict=True)
        ]
    return timings


def ratio(timings: Sequence[Timing], condition: str, against: str, stage: Stage = "total") -> Ratio:
    """The geometric mean over batches and repeats of `condition` / `against`, and its bootstrap interval.

    Paired: batch j of repeat i holds the same queries on both sides. Batches and repeats are drawn with replacement;
    the interval of a single repeat leaves out the variation between repeats. Raises KeyError for a condition that was
    not timed.
    """
    logs = np.log(_matrix(timings, condition, stage) / _matrix(timings, against, stage))
    low, high = bootstrap_interval(logs)
    return Ratio(*(float(np.exp(x)) for x in (logs.mean(), low, high)))


def repeat_ratios(timings: Sequence[Timing], condition: str, against: str, stage: Stage = "total") -> list[float]:
    """`condition` / `against`, repeat by repeat. Raises as `ratio`."""
    both = (_matrix(timings, name, stage).sum(axis=1) for name in (condition, against))
    return [float(a / b) for a, b in zip(*both, strict=True)]


def latencies(timings: Sequence[Timing], condition: str) -> Latencies:
    """Percentiles (linear between neighbours) of a batch's seconds, and queries per second. Raises as `ratio`."""
    seconds = _matrix(timings, condition, "total")
    queries = sum(t.queries for t in timings if t.condition == condition)
    p50, p95, p99 = (float(p) for p in np.percentile(seconds, (50, 95, 99)))
    return Latencies(p50, p95, p99, queries / float(seconds.sum()))


def rows(
    timings: Sequence[Timing], study: str, preset: str, seed: int, collection: str, split: str = "test"
) -> list[Row]:
    """Rows `clock/STAGE/s`: seconds for all queries; the system is the condition, the item the repeat's number."""
    return [
        Row(study, preset, t.condition, seed, collection, split, -1, str(t.repeat), f"clock/{s}/s", t.seconds(s))
        for t in timings
        for s in STAGES
    ]


def _answer(condition: Condition, texts: Sequence[str], vectors: Vectors) -> tuple[float, float, float, float]:
    """Seconds of encoding, scoring, ranking and in all."""
    started = perf_counter()
    tokens = condition.encoder.tokenize(texts, "query")
    queries = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
    encode.encode(condition.encoder, tokens, "query", queries)
    encoded = perf_counter() - started
    _, scored, ranked = condition.search(queries, vectors)
    return encoded, scored, ranked, perf_counter() - started


def _matrix(timings: Sequence[Timing], condition: str, stage: Stage) -> npt.NDArray[np.float64]:
    """Seconds `(repeats, batches)` of one condition, repeats in their order."""
    own = sorted((t for t in timings if t.condition == condition), key=lambda t: t.repeat)
    if not own:
        raise KeyError(f"{condition!r} was not timed; there are {sorted({t.condition for t in timings})}")
    return np.array([t.batches(stage) for t in own], dtype=np.float64)
