"""The best rows of each query so far, of scores that come in blocks of documents."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Ints = npt.NDArray[np.int64]
Scores = npt.NDArray[np.floating]

#: Above this share of scores higher than the least, the least is first raised to what the block itself allows.
MOST = 0.1


class BestRows:
    """Every row that scores higher than a query's least, which rises until about `kept` rows do.

    The least is the score of the `kept`-th best row when the query's rows were last sorted out. That is rare, so that a
    block costs little more than reading its scores once.
    """

    def __init__(self, queries: int, kept: int, block: int, dtype: torch.dtype) -> None:
        """`block` documents at most come at once."""
        self._kept, self._width, self._queries = kept, 2 * kept + block, np.arange(queries)
        self._filled = np.zeros(queries, dtype=np.int64)
        self._new = torch.empty((queries, block), dtype=dtype)
        self._higher = np.empty((queries, block), dtype=bool)
        self._scores = torch.full((queries, self._width), -torch.inf, dtype=dtype).numpy()
        self._rows = np.zeros((queries, self._width), dtype=np.int64)
        self._least = self._scores[:, :1].copy()

    def offer(self, documents: Tensor, queries: Tensor, start: int) -> None:
        """The inner products of the documents `(n, D)` from row `start` on with the queries `(Q, D)`."""
        torch.mm(queries, documents.T, out=self._new[:, : len(documents)])
        self._new[:, len(documents) :] = -torch.inf
        new = self._new.numpy()
        np.greater(new, self._least, out=self._higher)
        if np.count_nonzero(self._higher) > MOST * new.size:
            self._raise_least(new, self._queries)
            np.greater(new, self._least, out=self._higher)
        self._take(new, start)
        self._sort_out(np.flatnonzero(self._filled > 2 * self._kept))

    def best(self) -> tuple[Scores, Ints, Scores]:
        """Scores and rows `(Q, kept)`, in no order, of all rows that score higher than the least, and the least `(Q,)`.

        Where there is no row the score is negative infinity.
        """
        self._sort_out(self._queries)
        return self._scores[:, : self._kept], self._rows[:, : self._kept], self._least[:, 0]

    def _take(self, new: Scores, start: int) -> None:
        """What is higher, in the order of the queries."""
        high = np.flatnonzero(self._higher)
        query, column = np.divmod(high, new.shape[1])
        places = self._places(query)
        self._scores.reshape(-1)[places] = new.reshape(-1)[high]
        self._rows.reshape(-1)[places] = start + column

    def _sort_out(self, queries: Ints) -> None:
        """Raise the least of these queries, and leave in front what is higher."""
        if not len(queries):
            return
        width = max(self._kept, self._filled[queries].max())
        scores, rows = self._scores[queries, :width], self._rows[queries, :width]
        self._raise_least(scores, queries)
        high = np.flatnonzero(scores > self._least[queries])
        self._scores[queries, :width] = -np.inf
        self._filled[queries] = 0
        places = self._places(queries[high // width])
        self._scores.reshape(-1)[places] = scores.reshape(-1)[high]
        self._rows.reshape(-1)[places] = rows.reshape(-1)[high]

    def _raise_least(self, scores: Scores, queries: Ints) -> None:
        """To the `kept`-th of the scores `(n, width)` of these queries, where there are as many."""
        if scores.shape[1] >= self._kept:
            highest = np.partition(scores, -self._kept, axis=1)[:, [-self._kept]]
            self._least[queries] = np.maximum(self._least[queries], highest)

    def _places(self, query: Ints) -> Ints:
        """Where in the flat buffers new rows of these queries go, which are in order; they count as filled."""
        counts = np.bincount(query, minlength=len(self._filled))
        first = self._queries * self._width + self._filled - np.cumsum(counts) + counts
        self._filled += counts
        return np.arange(len(query)) + np.repeat(first, counts)
