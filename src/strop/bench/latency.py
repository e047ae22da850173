"""Latency: the stages of answering queries timed apart, several conditions in turns, and the ratios between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from strop.evaluation.significance import bootstrap_interval
from strop.models.encoder import Encoder
from strop.models.tokenizing import forget
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
#: Query and document vectors -> rows of the best, best first; seconds spent scoring, and ranking.
Search = Callable[[Vectors, Vectors], tuple[list[list[int]], float, float]]
#: Batches that every condition answers before the clock runs.
WARM_UP = 2


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


class Condition(NamedTuple):
    """What is timed: an encoder and a way to search."""

    encoder: Encoder
    search: Search


#: Seconds of each condition by repeat, batch of queries, and stage `(repeats, batches, 4)`, stages as in `STAGES`.
Timings = Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One condition's seconds over another's, with a 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def measure(
    conditions: Mapping[str, Condition],
    texts: Sequence[str],
    vectors: Vectors,
    repeats: int,
    batch: int = BATCH,
    seed: int = 0,
    progress: Callable[[int], None] = lambda queries: None,
) -> Timings:
    """Every condition answers `texts` against passages already encoded, `vectors` `(N, D)`, `repeats` times.

    In turns, batch by batch: all conditions answer a batch, in an order drawn anew from `seed`, before any sees the
    next, so that a burst of other work on the machine, or what one condition leaves behind, meets all of them.
    Encoding includes tokenising; loading and files are left out. `progress` gets the number of queries answered. Raises
    InputError where there is nothing to time.
    """
    if not (texts and len(vectors) and conditions and repeats > 0):
        raise InputError("there is nothing to time", remedy="Give conditions, queries, passages and 1 repeat or more")
    held = np.array(vectors, dtype=np.float32)  # in memory, as the paper's: a memory map would read files on the clock
    batches = [texts[first : first + batch] for first in range(0, len(texts), batch)]
    for condition in conditions.values():
        for part in batches[:WARM_UP]:
            _answer(condition, part, held)
    rng = np.random.default_rng(seed)
    names = list(conditions)
    timings = {name: np.empty((repeats, len(batches), len(STAGES))) for name in names}
    for repeat in range(repeats):
        for number, part in enumerate(batches):
            for i in rng.permutation(len(names)):
                timings[names[i]][repeat, number] = _answer(conditions[names[i]], part, held)
                progress(len(part))
    return timings


def ratio(timings: Timings, condition: str, against: str, stage: Stage = "total") -> Ratio:
    """The geometric mean over batches and repeats of `condition` / `against`, and its bootstrap interval.

    Paired: batch j of repeat i holds the same queries on both sides. Batches and repeats are drawn with replacement;
    the interval of a single repeat leaves out the variation between repeats. Raises KeyError for a condition that was
    not timed.
    """
    place = STAGES.index(stage)
    logs = np.log(timings[condition][..., place] / timings[against][..., place])
    low, high = bootstrap_interval(logs)
    return Ratio(*(float(np.exp(x)) for x in (logs.mean(), low, high)))


def repeat_ratios(timings: Timings, condition: str, against: str) -> list[float]:
    """The total seconds of `condition` / those of `against`, repeat by repeat. Raises as `ratio`."""
    own, other = (timings[name][..., -1].sum(axis=1) for name in (condition, against))
    return [float(value) for value in own / other]


def rows(timings: Timings, study: str, preset: str, seed: int, collection: str, split: str) -> list[Row]:
    """Rows `clock/STAGE/s`: seconds for all queries; the system is the condition, the item the repeat's number."""
    repeats = len(next(iter(timings.values())))
    return [
        Row(study, preset, name, seed, collection, split, -1, str(i), f"clock/{stage}/s", float(value))
        for i in range(repeats)
        for name, seconds in timings.items()
        for stage, value in zip(STAGES, seconds[i].sum(axis=0), strict=True)
    ]


def _answer(condition: Condition, texts: Sequence[str], vectors: Vectors) -> tuple[float, float, float, float]:
    """Seconds of encoding, scoring, ranking and in all."""
    forget()  # a repeat asks the same
    started = perf_counter()
    tokens = condition.encoder.tokenize(texts, "query")
    queries = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
    encode.encode(condition.encoder, tokens, "query", queries)
    encoded = perf_counter() - started
    _, scored, ranked = condition.search(queries, vectors)
    return encoded, scored, ranked, perf_counter() - started
