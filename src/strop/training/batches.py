"""Batches: training groups -> rows of token ids, targets and mask. Batch s is a pure function of (seed, s)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from strop.records.documents import Group
from strop.records.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Q queries, K documents (each once), `targets` and `mask` bool `(Q, K)` as `losses.protocol` defines them.

    The mask never holds a target. `teacher` float32 `(Q, K)`, a taught loss' targets: what a group's teacher gave each
    document, other groups' too, NaN where it gave nothing; None when no group has a teacher.
    """

    query_ids: tuple[str, ...]
    doc_ids: tuple[str, ...]
    targets: Tensor
    mask: Tensor
    teacher: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Batching:
    """`size` groups an update, drawn without replacement, epoch after epoch; the ragged rest of an epoch is left out.

    `in_batch`: every other query's documents count as negatives too, except those judged relevant (by id).
    Raises InputError when `size` is below 1.
    """

    size: int = 32
    in_batch: bool = False

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"the batch size is {self.size}", remedy="Give 1 or more groups an update")

    def per_epoch(self, groups: int) -> int:
        """Updates in one epoch, at least one."""
        return max(1, groups // self.size)

    def batch(self, groups: Sequence[Group], seed: int, step: int) -> Batch:
        epoch, position = divmod(step, self.per_epoch(len(groups)))
        order = np.random.default_rng([seed, epoch]).permutation(len(groups))
        picked = [groups[i] for i in order[position * self.size : (position + 1) * self.size]]
        return assemble(picked, self.in_batch)


def assemble(groups: Sequence[Group], in_batch: bool) -> Batch:
    """Documents in order of first appearance; a document shared by several groups is one column."""
    doc_ids = dict.fromkeys(d for group in groups for d in (*group.positives, *group.negatives))
    columns = {doc_id: i for i, doc_id in enumerate(doc_ids)}
    targets = torch.zeros(len(groups), len(columns), dtype=torch.bool)
    mask = torch.full_like(targets, not in_batch)
    for row, group in enumerate(groups):
        mask[row, [columns[d] for d in group.negatives]] = False
        mask[row, [columns[d] for d in group.relevant if d in columns]] = True
        targets[row, [columns[d] for d in group.positives]] = True
    query_ids = tuple(g.query_id for g in groups)
    return Batch(query_ids, tuple(columns), targets, mask & ~targets, _teacher(groups, columns))


def _teacher(groups: Sequence[Group], columns: Mapping[str, int]) -> Tensor | None:
    if not any(group.teacher for group in groups):
        return None
    nan = float("nan")
    scores = [[group.teacher.get(doc_id, nan) for doc_id in columns] for group in groups]
    return torch.tensor(scores, dtype=torch.float32)
