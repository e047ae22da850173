"""Triples files, lines of query, positive and negative text: a uniform sample becomes training examples."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from strop.negatives.examples import Examples
from strop.negatives.row_values import text_id
from strop.records.documents import Group
from strop.records.errors import InputError, excerpt
from strop.records.text_lines import decoded, line_at, line_number, raw_lines

TRIPLES = "triples.train.small.tsv"
SOURCE = "provided"
_REMEDY = "A line reads, one tab between: query, positive passage, negative passage"


def read_triples(path: str | Path, count: int, seed: int) -> Examples:
    """`count` lines, drawn uniformly without replacement, in the file's order; each becomes a group of one negative.

    Read raw: no character quotes another. The file stays on disk (8 bytes per line are held while drawing). Equal
    texts are one query or one document; the positives that a query has anywhere in the sample are its relevant ones.
    Only the lines drawn are checked. Raises InputError with file and line on one that is not three texts in UTF-8, or
    whose positive is its negative, and when there are fewer lines than `count`.
    """
    path = Path(path)
    starts = np.fromiter((start for _, start, _ in raw_lines(path)), dtype=np.int64)
    if not 0 < count <= len(starts):
        raise InputError(
            f"cannot draw {count:,} triples from {len(starts):,}",
            where=str(path),
            remedy=f"Draw 1 to {len(starts):,}" if len(starts) else _REMEDY,
        )
    rows = np.sort(np.random.default_rng(seed).choice(len(starts), size=count, replace=False))
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    relevant: dict[str, set[str]] = {}
    triples = []
    for query, positive, negative in _texts(path, starts[rows].tolist()):
        ids = text_id(query), text_id(positive), text_id(negative)
        queries[ids[0]] = query
        documents[ids[1]], documents[ids[2]] = positive, negative
        relevant.setdefault(ids[0], set()).add(ids[1])
        triples.append(ids)
    known = {query_id: frozenset(positives) for query_id, positives in relevant.items()}
    return Examples(
        tuple(Group(q, (positive,), (negative,), (SOURCE,), known[q]) for q, positive, negative in triples),
        queries,
        documents,
    )


def _texts(path: Path, starts: list[int]) -> Iterator[tuple[str, str, str]]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for start in starts:
            try:
                yield _triple(decoded(line_at(data, start), ""))
            except InputError as error:  # the line's number takes a pass over the file
                where = f"{path}:{line_number(path, start)}"
                raise InputError(error.problem, where=where, remedy=error.remedy) from None


def _triple(line: str) -> tuple[str, str, str]:
    columns = line.split("\t")
    if len(columns) != 3 or not all(map(str.strip, columns)):
        raise InputError(f"{excerpt(line)} is not three texts", remedy=_REMEDY)
    query, positive, negative = columns
    if positive == negative:
        raise InputError(f"the positive {excerpt(positive)} is its own negative", remedy=_REMEDY)
    return query, positive, negative
