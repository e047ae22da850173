from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from strop.models.tokens import OVERHEAD, Ints, Tokens, cut, pad, padding_share


def some_lengths(seed: int) -> Ints:
    rng = np.random.default_rng(seed)
    lengths = np.maximum(1, (rng.lognormal(3.5, 1.0, rng.integers(1, 300)))).astype(np.int64)
    return np.minimum(lengths, 512)


def test_rows_come_back_as_they_went_in_also_empty_ones() -> None:
    rows = [[1, 2, 3], [], [7], [2**31 - 1]]
    tokens = Tokens.of(rows)
    assert len(tokens) == 4
    assert [tokens.row(i).tolist() for i in range(4)] == rows
    assert tokens.lengths.tolist() == [3, 0, 1, 1]
    assert (tokens.ids.dtype, tokens.offsets.dtype) == (np.int32, np.int64)
    assert len(Tokens.of([])) == 0


def test_joined_tokens_are_the_rows_of_all_parts_in_order() -> None:
    joined = Tokens.join([Tokens.of([[1, 2], []]), Tokens.of([]), Tokens.of([[3]])])
    assert [joined.row(i).tolist() for i in range(len(joined))] == [[1, 2], [], [3]]
    assert (joined.ids.dtype, joined.offsets.dtype) == (np.int32, np.int64)
    assert len(Tokens.join([])) == 0


def test_saved_tokens_load_memory_mapped_and_equal(tmp_path: Path) -> None:
    tokens = Tokens.of([[5, 6], [], [7, 8, 9]])
    tokens.save(tmp_path)
    loaded = Tokens.load(tmp_path)
    assert isinstance(loaded.ids, np.memmap)
    assert not loaded.ids.flags.writeable
    assert [loaded.row(i).tolist() for i in range(3)] == [[5, 6], [], [7, 8, 9]]
    assert loaded.ids.dtype == np.int32


def test_padding_is_on_the_right_with_the_pad_id_and_a_mask_of_real_tokens() -> None:
    ids, mask = pad([np.int32([4, 5, 6]), np.int32([9])], pad_id=1)
    assert ids.tolist() == [[4, 5, 6], [9, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert str(ids.dtype) == str(mask.dtype) == "torch.int64"


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("budget", [1, 100, 512, 2048, 10**9])
def test_a_cut_covers_each_position_once_within_budget_longest_first_and_wastes_little(seed: int, budget: int) -> None:
    lengths = some_lengths(seed)
    chunks = cut(lengths, budget)
    assert sorted(np.concatenate(chunks).tolist()) == list(range(len(lengths)))
    in_order = lengths[np.concatenate(chunks)]
    assert (np.diff(in_order) <= 0).all()
    for chunk in chunks:
        slots = len(chunk) * int(lengths[chunk].max())
        assert slots <= budget or len(chunk) == 1
        assert slots - int(lengths[chunk].sum()) <= OVERHEAD


def test_a_chunk_ends_only_for_the_budget_or_because_its_padding_would_cost_more_than_a_new_one() -> None:
    lengths = some_lengths(3)
    chunks = cut(lengths, 1000)
    assert len(chunks) > 5
    for chunk, following in pairwise(chunks):
        longest = int(lengths[chunk].max())
        more = np.append(chunk, following[0])
        full = len(more) * longest > 1000
        wasteful = len(more) * longest - int(lengths[more].sum()) > OVERHEAD
        assert full or wasteful


def test_equal_lengths_fill_the_budget_exactly_in_the_given_order() -> None:
    assert [c.tolist() for c in cut(np.full(7, 10), 30)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert cut(np.array([], dtype=np.int64), 30) == []


def test_padding_worth_exactly_the_overhead_is_still_accepted() -> None:
    assert [c.tolist() for c in cut(np.array([1, OVERHEAD + 1]), 10**6)] == [[1, 0]]
    assert [c.tolist() for c in cut(np.array([1, OVERHEAD + 2]), 10**6)] == [[1], [0]]


def test_the_padding_share_is_the_share_of_empty_slots() -> None:
    lengths = np.array([4, 1, 2])
    assert padding_share(lengths, [np.array([0, 1]), np.array([2])]) == pytest.approx(3 / 10)
    assert padding_share(lengths, [np.array([0, 1, 2])]) == pytest.approx(5 / 12)
    assert padding_share(np.array([], dtype=np.int64), []) == 0.0
