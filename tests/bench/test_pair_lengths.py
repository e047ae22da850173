"""The cost of pairs by length: what is planned is measured, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from tiny_rerankers import reranker
from torch import Tensor

from strop.bench import pair_lengths, process_memory
from strop.bench.pair_lengths import Length, estimate, length_points, length_table, planned

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not process_memory.STATUS.exists(), reason="resident memory is told by Linux"),
]


def test_every_kind_is_planned_at_every_length_that_it_has_positions_for() -> None:
    found = planned(("bert", "gte"), (64, 512, 513, 8192))
    assert found == [("bert", 64), ("bert", 512), ("gte", 64), ("gte", 512), ("gte", 513), ("gte", 8192)]
    assert len(planned()) == 4 + 8 + 8


@pytest.mark.parametrize("kind", ["bert", "gte", "modernbert"])
def test_a_pair_of_exactly_the_length_is_read(kind: str) -> None:
    scorer, seen = reranker(kind), []
    real = scorer.score

    def score(ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        seen.append((ids.shape, int(mask.sum())))
        return real(ids, types, mask)

    scorer.score = score  # type: ignore[method-assign]
    for tokens in (24, 64):
        pair_lengths._read(scorer, tokens)
    assert seen == [(torch.Size([1, 24]), 24), (torch.Size([1, 64]), 64)]


def test_what_is_planned_is_measured_in_turns_and_a_longer_pair_takes_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny_models.build(tmp_path)
    found = length_points(str(source), 2, ("gte",), (64, 2048), "tiny")
    assert [(point.kind, point.tokens, len(point.seconds)) for point in found] == [("gte", 64, 2), ("gte", 2048, 2)]
    assert min(found[1].seconds) > max(found[0].seconds)
    assert all(100 * 2**20 < point.peak < 3 * 2**30 for point in found)


def test_the_table_has_medians_and_a_row_for_each_length() -> None:
    rows = length_table([Length("bert", 64, (0.4, 0.1, 0.2), 3 * 2**20), Length("gte", 8192, (8.0,), 2**30)])
    assert rows[1:] == [
        ["bert", "64", "0.200 [0.100, 0.400]", "320", "3"],
        ["gte", "8,192", "8.000 [8.000, 8.000]", "1,024", "1,024"],
    ]
    assert len({len(row) for row in rows}) == 1


def test_the_estimate_grows_with_the_repeats_and_has_room_for_the_largest_model() -> None:
    once, most = estimate(1)
    assert estimate(10)[0] > 2 * once > 0
    assert 306e6 * 4 < most < 10 * 2**30
    assert np.isfinite(once)
