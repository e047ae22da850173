"""Negatives of several sources for the same queries: more rows, or more negatives per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from strop.records.documents import Group
from strop.records.errors import InputError


def named(groups: Sequence[Group], source: str) -> list[Group]:
    """The groups with the source's name before that of each negative: "rank 17" of BM25 becomes "BM25 rank 17"."""
    return [g.with_negatives((d, f"{source} {own}".strip()) for d, own in g.sourced) for g in groups]


def rows(parts: Sequence[Sequence[Group]]) -> list[Group]:
    """The rows of every source, one source after the other: two sources double the rows.

    The epoch grows with the rows, and a negative that two sources share is trained on twice; `quota` avoids both. A
    query that a source lacks has one row less and so counts less in training. Raises InputError when there is no group.
    Source: "BM25+DPR" of Lee et al., arXiv 2311.09765.
    """
    joined = [group for part in parts for group in part]
    if not joined:
        raise _empty()
    return joined


def quota(parts: Sequence[Sequence[Group]], counts: Sequence[int]) -> list[Group]:
    """One row for each query and its positives, with the first `counts[i]` negatives of source i that are new to it.

    Mine more than `counts[i]` from each source: where an earlier source has a document already, the next one of the
    same source takes its place; without one the row has fewer negatives. Rows are in order of first appearance.
    Teachers' scores are joined; an earlier source's takes precedence. Raises InputError when `counts` does not fit, or
    when there is no group.
    """
    if len(counts) != len(parts) or any(count < 1 for count in counts):
        raise InputError(
            f"the counts {', '.join(map(str, counts)) or '(none)'} do not fit {len(parts)} sources of negatives",
            remedy="Give a count of 1 or more for each source",
        )
    merged: dict[tuple[str, tuple[str, ...]], Group] = {}
    for part, count in zip(parts, counts, strict=True):
        for group in part:
            row = group.query_id, group.positives
            merged[row] = _with(merged.get(row) or replace(group, negatives=(), sources=(), teacher={}), group, count)
    if not merged:
        raise _empty()
    return list(merged.values())


def _with(held: Group, group: Group, count: int) -> Group:
    new = [(d, source) for d, source in group.sourced if d not in held.negatives][:count]
    joined = replace(held, relevant=held.relevant | group.relevant, teacher={**group.teacher, **held.teacher})
    return joined.with_negatives([*held.sourced, *new])


def _empty() -> InputError:
    return InputError("no source has a group with negatives", remedy="Mine each source first")
