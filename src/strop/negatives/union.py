"""Negatives of several sources for the same queries: more rows, or more negatives a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from strop.records.documents import Group
from strop.records.errors import InputError

#: What makes two groups of different sources the same row: query and positives.
_Row: TypeAlias = tuple[str, tuple[str, ...]]


def named(groups: Sequence[Group], source: str) -> list[Group]:
    """The groups with the source's name before each negative's own: "rank 17" of BM25 becomes "BM25 rank 17"."""
    return [
        replace(g, sources=tuple(f"{source} {own}".strip() for own in g.sources or ("",) * len(g.negatives)))
        for g in groups
    ]


def rows(parts: Sequence[Sequence[Group]]) -> list[Group]:
    """Every query once for each source that has it, one source after the other: two sources double the rows.

    An epoch is then so many times as long, and a negative that two sources share is trained on twice; `quota` does
    neither. A query that a source lacks (see `lacking`) has a row less, so that it counts less in training. Raises
    InputError without a group. Source: "BM25+DPR" of Lee et al., arXiv 2311.09765.
    """
    joined = [group for part in parts for group in part]
    if not joined:
        raise _empty()
    return joined


def quota(parts: Sequence[Sequence[Group]], counts: Sequence[int]) -> list[Group]:
    """One row for each query and positives, with the first `counts[i]` negatives of source i that it has not yet.

    Give sources that mined more than their count: where an earlier source took a document, the next of the same source
    fills its place; without one the row has fewer negatives. A query that a source lacks has none of it, and one that
    all lack is not there. Rows in order of first appearance, each negative with the name its source gave it; teachers'
    scores are joined, an earlier source's first. Raises InputError when `counts` does not fit, or without a group.
    """
    if len(counts) != len(parts) or any(count < 1 for count in counts):
        raise InputError(
            f"{len(parts)} sources of negatives and the counts {', '.join(map(str, counts)) or 'none'}",
            remedy="Give a count of 1 or more for each source",
        )
    merged: dict[_Row, Group] = {}
    for part, count in zip(parts, counts, strict=True):
        for group in part:
            held = merged.get(_row(group)) or replace(group, negatives=(), sources=(), teacher={})
            merged[_row(group)] = _with(held, group, count)
    if not merged:
        raise _empty()
    return list(merged.values())


def lacking(parts: Sequence[Sequence[Group]]) -> tuple[int, ...]:
    """For each source, how many queries it has no row for though another source has."""
    queries = [{group.query_id for group in part} for part in parts]
    return tuple(len(set().union(*queries) - own) for own in queries)


def _with(held: Group, group: Group, count: int) -> Group:
    sources = group.sources or ("",) * len(group.negatives)
    new = [(d, s) for d, s in zip(group.negatives, sources, strict=True) if d not in held.negatives][:count]
    return replace(
        held,
        negatives=(*held.negatives, *(d for d, _ in new)),
        sources=(*held.sources, *(s for _, s in new)),
        relevant=held.relevant | group.relevant,
        teacher={**group.teacher, **held.teacher},
    )


def _row(group: Group) -> _Row:
    return group.query_id, group.positives


def _empty() -> InputError:
    return InputError("no source has a group with negatives", remedy="Mine each source for the same queries first")
