"""The ranking loop of the paper's code, whose cost grows with its number of chunks."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from time import perf_counter

import numpy as np
import torch

from strop.bench.latency import DEPTH
from strop.retrieval.encode import Vectors


@dataclass(frozen=True, slots=True)
class Chunked:
    """The loop of "When Fine-Tuning Fails": score chunk by chunk, move each one's best to Python rows, sort.

    Gives the rows of the best vectors for each query, best first; seconds spent scoring, and ranking.
    A batch of Q queries makes chunks x Q x `depth` rows (query, passage, score), so the cost of ranking grows with the
    number of chunks, and the ranking stays the same. Source: the code of arXiv 2506.18535: 45 chunks of 200,000
    passages for full models, 89 of 100,000 for LoRA.
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
