"""The best rows of each query so far, of scores that come in blocks of documents."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Ints = npt.NDArray[np.int64]

#: Documents whose highest score is compared before their own are: few groups hold one that is high enough.
GROUP = 16
#: Above this share of such groups all scores are taken, as listing them would cost more.
MOST_GROUPS = 0.9


class BestRows:
    """The `kept` best rows of each query, among others that came since these were last sorted out.

    Sorting out is rare, so that a block costs little more than reading its scores once.
    """

    def __init__(self, queries: int, kept: int, block: int, dtype: torch.dtype) -> None:
        """`block` documents at most come at once."""
        self._kept = kept
        self._filled = np.zeros(queries, dtype=np.int64)
        self._new = torch.empty((-(-block // GROUP) * GROUP, queries), dtype=dtype)
        width = 2 * kept + len(self._new)
        self._scores = torch.full((queries, width), -torch.inf, dtype=dtype).numpy()
        self._rows = np.zeros((queries, width), dtype=np.int64)
        self._least = self._scores[:, 0].copy()

    def offer(self, documents: Tensor, queries: Tensor, start: int) -> None:
        """The inner products of the documents `(n, D)` from row `start` on with the queries `(Q, D)`."""
        torch.mm(documents, queries.T, out=self._new[: len(documents)])
        self._new[len(documents) :] = -torch.inf
        groups = self._new.view(GROUP, -1, len(queries))
        higher = groups.amax(dim=0).numpy() > self._least
        query, group = np.divmod(np.flatnonzero(higher.T.copy()), len(higher))
        if len(query) > MOST_GROUPS * higher.size:
            self._take_all(len(documents), start)
        else:
            self._take(groups.numpy(), query, group, start)
        if self._filled.max() > 2 * self._kept:
            self._sort_out()

    def best(self) -> tuple[npt.NDArray[np.floating], Ints]:
        """Scores and rows `(Q, kept)`, in no order."""
        self._sort_out()
        return self._scores[:, : self._kept], self._rows[:, : self._kept]

    def _take(self, groups: npt.NDArray[np.floating], query: Ints, group: Ints, start: int) -> None:
        """Of these groups, in the order of the queries, what exceeds the query's least."""
        scores = groups.transpose(1, 2, 0)[group, query]
        high = np.flatnonzero(scores > self._least[query, None])
        place, step = np.divmod(high, GROUP)
        counts = np.bincount(query[place], minlength=len(self._filled))
        first = np.arange(len(counts)) * self._rows.shape[1] + self._filled - np.cumsum(counts) + counts
        where = np.arange(len(high)) + np.repeat(first, counts)
        self._scores.reshape(-1)[where] = scores.reshape(-1)[high]
        self._rows.reshape(-1)[where] = start + step * groups.shape[1] + group[place]
        self._filled += counts

    def _take_all(self, count: int, start: int) -> None:
        if self._filled.any():
            self._sort_out()
        columns = slice(self._filled[0], self._filled[0] + count)
        self._scores[:, columns] = self._new[:count].numpy().T
        self._rows[:, columns] = np.arange(start, start + count)
        self._filled += count

    def _sort_out(self) -> None:
        """Leave the best `kept` in front, and note the least of them."""
        filled = max(self._kept, self._filled.max())
        scores, places = torch.from_numpy(self._scores[:, :filled]).topk(self._kept, dim=1, sorted=False)
        self._rows[:, : self._kept] = np.take_along_axis(self._rows, places.numpy(), axis=1)
        self._scores[:, : self._kept] = scores.numpy()
        self._scores[:, self._kept : filled] = -np.inf
        self._filled[:] = self._kept
        self._least = self._scores[:, : self._kept].min(axis=1)
