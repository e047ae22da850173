from __future__ import annotations

import numpy as np
import pytest
import torch

from strop.retrieval.best_rows import BestRows


@pytest.mark.parametrize("seed", range(40))
def test_what_is_higher_than_the_least_is_held_whatever_the_blocks_and_the_order(seed: int) -> None:
    """Few levels, so that many scores tie with the least; orders in which every block is better than all before."""
    rng = np.random.default_rng(seed)
    queries, count, kept, block = (int(rng.integers(1, high)) for high in (6, 400, 60, 90))
    width, levels = int(rng.integers(1, 5)), (1, 3, 100)[seed % 3]
    asked, documents = (np.round(rng.normal(size=(n, width)) * levels).astype(np.float32) for n in (queries, count))
    if seed % 2:
        documents = documents[np.argsort(documents @ asked[0])]
    best = BestRows(queries, kept, block, torch.float32)
    for start in range(0, count, block):
        best.offer(torch.from_numpy(documents[start : start + block]), torch.from_numpy(asked), start)
    scores, rows, least = best.best()
    exact = asked @ documents.T
    for i in range(queries):
        there = scores[i] > -np.inf
        assert sorted(rows[i, there]) == np.flatnonzero(exact[i] > least[i]).tolist()
        assert np.array_equal(scores[i, there], exact[i, rows[i, there]])
        assert least[i] == (np.sort(exact[i])[-kept] if count >= kept else -np.inf)
