from __future__ import annotations

import numpy as np
import pytest
import torch

from strop.records.documents import Group
from strop.training.batches import Batching, assemble

GROUPS = [Group(f"q{i}", (f"p{i}",), (f"n{i}",), relevant=frozenset({f"p{i}"})) for i in range(23)]


def ids(seed: int, step: int, size: int = 5) -> tuple[str, ...]:
    return Batching(size).batch(GROUPS, seed, step).query_ids


def test_a_batch_depends_on_seed_and_step_only_and_not_on_what_was_drawn_before() -> None:
    in_order = [ids(1, step) for step in range(12)]
    np.random.seed(0)
    torch.manual_seed(0)
    assert [ids(1, step) for step in reversed(range(12))] == in_order[::-1]
    assert [ids(2, step) for step in range(12)] != in_order
    assert len(set(in_order)) == 12


@pytest.mark.parametrize("size", [1, 5, 8, 23])
def test_an_epoch_holds_each_group_at_most_once_and_leaves_out_only_the_rest(size: int) -> None:
    per_epoch = Batching(size).per_epoch(len(GROUPS))
    assert per_epoch == len(GROUPS) // size
    orders = set()
    for epoch in range(3):
        batches = [ids(3, epoch * per_epoch + position, size) for position in range(per_epoch)]
        assert {len(batch) for batch in batches} == {size}
        drawn = [query_id for batch in batches for query_id in batch]
        assert len(set(drawn)) == len(drawn) == per_epoch * size
        orders.add(tuple(drawn))
    assert len(orders) == 3  # each epoch has an order of its own


def test_over_many_epochs_every_group_is_left_out_sometimes_and_used_often() -> None:
    used = [query_id for step in range(4 * 200) for query_id in ids(0, step)]
    counts = {group.query_id: used.count(group.query_id) for group in GROUPS}
    assert min(counts.values()) > 150
    assert max(counts.values()) < 195  # 200 epochs of 20 of 23: 174 expected, SD 4.8


def test_fewer_groups_than_the_batch_size_are_all_used_every_time() -> None:
    assert Batching(50).per_epoch(23) == 1
    assert sorted(ids(0, 7, 50)) == sorted(group.query_id for group in GROUPS)


def test_targets_and_mask_without_in_batch_leave_each_query_its_own_negatives() -> None:
    batch = assemble(GROUPS[:2], in_batch=False)
    assert (batch.query_ids, batch.doc_ids) == (("q0", "q1"), ("p0", "n0", "p1", "n1"))
    assert batch.targets.tolist() == [[True, False, False, False], [False, False, True, False]]
    negative = ~(batch.targets | batch.mask)
    assert negative.tolist() == [[False, True, False, False], [False, False, False, True]]


def test_in_batch_every_document_counts_but_those_judged_relevant_and_each_has_one_column() -> None:
    groups = [
        Group("q1", ("a",), ("x", "y"), relevant=frozenset({"a", "b"})),
        Group("q1", ("b",), ("y",), relevant=frozenset({"a", "b"})),
        Group("q2", ("y", "z"), ("a",), relevant=frozenset({"y", "z", "x", "absent"})),
    ]
    batch = assemble(groups, in_batch=True)
    assert batch.doc_ids == ("a", "x", "y", "b", "z")
    assert batch.targets.int().tolist() == [[1, 0, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 1, 0, 1]]
    negative = ~(batch.targets | batch.mask)
    assert negative.int().tolist() == [[0, 1, 1, 0, 1], [0, 1, 1, 0, 1], [1, 0, 0, 1, 0]]


def test_a_mined_negative_that_is_judged_relevant_never_counts() -> None:
    group = Group("q", ("a",), ("b", "c"), relevant=frozenset({"a", "b"}))
    for in_batch in (False, True):
        batch = assemble([group], in_batch)
        assert (~(batch.targets | batch.mask)).tolist() == [[False, False, True]]


def test_the_mask_never_holds_a_target_so_that_a_teacher_may_speak_of_positives() -> None:
    groups = [Group("q1", ("a", "b"), ("x",), relevant=frozenset({"a", "b", "c"})), Group("q2", ("c",), ("y",))]
    for in_batch in (False, True):
        batch = assemble(groups, in_batch)
        assert not (batch.targets & batch.mask).any()
        assert batch.mask[0, batch.doc_ids.index("c")]


def test_a_teacher_s_scores_lie_at_their_documents_and_are_nan_elsewhere() -> None:
    groups = [
        Group("q1", ("a",), ("x",), teacher={"a": 9.5, "x": -2.0, "y": 1.0, "absent": 3.0}),
        Group("q2", ("b",), ("y", "x"), teacher={"y": 4.0}),
        Group("q3", ("c",)),
    ]
    batch = assemble(groups, in_batch=True)
    assert batch.doc_ids == ("a", "x", "b", "y", "c")
    assert batch.teacher is not None
    assert batch.teacher.dtype == torch.float32
    nan = float("nan")
    expected = [[9.5, -2.0, nan, 1.0, nan], [nan, nan, nan, 4.0, nan], [nan] * 5]
    torch.testing.assert_close(batch.teacher, torch.tensor(expected), equal_nan=True)


def test_without_a_teacher_there_are_no_scores() -> None:
    assert assemble(GROUPS[:3], in_batch=True).teacher is None


def test_groups_with_a_teacher_are_values_still() -> None:
    taught = Group("q", ("a",), teacher={"a": 1.0})
    assert taught == Group("q", ("a",), teacher={"a": 1.0})
    assert taught != Group("q", ("a",))
    assert len({taught, Group("q", ("a",), teacher={"a": 1.0}), Group("q", ("a",))}) == 2
