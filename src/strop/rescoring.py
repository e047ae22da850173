"""Rescoring: the first documents of a run in the order of vectors that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from strop import late_search
from strop.encode import Stack, Vectors
from strop.late_search import TokenVectors
from strop.runs import Run
from strop.scoring import Scoring

Floats = npt.NDArray[np.float32]


class Part(Mapping[str, str]):
    """Some texts of a mapping by id, in the order asked for, read when they are."""

    def __init__(self, texts: Mapping[str, str], ids: Sequence[str]) -> None:
        self._texts = texts
        self._ids = dict.fromkeys(ids)

    def __getitem__(self, text_id: str) -> str:
        if text_id not in self._ids:
            raise KeyError(text_id)
        return self._texts[text_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


def by_vectors(
    run: Run,
    depth: int,
    query_ids: Sequence[str],
    queries: Vectors | Stack,
    doc_ids: Sequence[str],
    documents: Vectors | Stack,
) -> Run:
    """Each query's first `depth` documents by inner product, as `search.search` scores them; the others below them, in
    the order they had. Raises KeyError for a query, or a document to score, without a vector."""
    rows = {doc_id: i for i, doc_id in enumerate(doc_ids)}
    places = {query_id: i for i, query_id in enumerate(query_ids)}

    def score(query_id: str, ranked: Sequence[str]) -> Floats:
        asked = queries[places[query_id]].astype(np.float64)
        found = documents[np.array([rows[doc_id] for doc_id in ranked], dtype=np.int64)].astype(np.float64)
        return np.asarray((found * asked).sum(axis=1), dtype=np.float32)

    return reordered(run, depth, score)


def by_tokens(run: Run, depth: int, queries: TokenVectors, documents: TokenVectors, similarity: Scoring) -> Run:
    """As `by_vectors`, by MaxSim. Raises InputError as `late_search.rescore` does."""
    scored = late_search.rescore(run.top(depth), queries, documents, similarity, depth)

    def score(query_id: str, ranked: Sequence[str]) -> Floats:
        found = scored[query_id]
        value = dict(zip(found.doc_ids, found.scores.tolist(), strict=True))
        return np.array([value[doc_id] for doc_id in ranked], dtype=np.float32)

    return reordered(run, depth, score)


def reordered(run: Run, depth: int, score: Callable[[str, Sequence[str]], Floats]) -> Run:
    """Each query's first `depth` documents by their scores, higher first, equal ones by the run's one rule; the others
    below them, in the order they had. Raises ValueError as `Run` does where a score is not finite."""
    return Run(
        {
            query_id: (ranking.doc_ids, _above(score(query_id, ranking.doc_ids[:depth]), len(ranking.doc_ids)))
            for query_id, ranking in run.items()
        }
    )


def _above(first: Floats, count: int) -> Floats:
    """The scores, and below the least of them strictly falling ones for the rest of `count` documents."""
    if not np.isfinite(first).all() or len(first) == count:
        return np.pad(first, (0, count - len(first)))  # a Run refuses what is not finite, and names the document
    least = float(first.min())
    # A step that float32 resolves at the far end too.
    step = max(1.0, 4 * float(np.spacing(np.float32(abs(least) + count))))
    return np.concatenate([first, (least - step * np.arange(1, count - len(first) + 1)).astype(np.float32)])
