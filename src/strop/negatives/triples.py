"""Triples files, lines of query, positive and negative text: a uniform sample becomes training examples."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from strop.collection.line_index import line_number, line_starts
from strop.negatives.examples import Examples, text_id
from strop.records.documents import Group
from strop.records.errors import InputError
from strop.records.text_lines import excerpt

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
    starts = line_starts(path)
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
            end = data.find(b"\n", start)
            line = data[start : end if end >= 0 else len(data)].rstrip(b"\r")
            try:
                columns = line.decode().split("\t")
            except UnicodeDecodeError as error:
                problem = f"not UTF-8 (byte 0x{line[error.start]:02x} at column {error.start + 1})"
                raise _wrong(problem, path, start) from None
            if len(columns) != 3 or not all(column.strip() for column in columns):
                raise _wrong(f"{excerpt(line.decode())} is not three texts", path, start)
            query, positive, negative = columns
            if positive == negative:
                raise _wrong(f"the positive {excerpt(positive)} is its own negative", path, start)
            yield query, positive, negative


def _wrong(problem: str, path: Path, start: int) -> InputError:
    return InputError(problem, where=f"{path}:{line_number(path, start)}", remedy=_REMEDY)
