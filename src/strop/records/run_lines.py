"""Lines of a TREC run, gathered by query: many at once where all are plain, one by one where any is not."""

from __future__ import annotations

from array import array
from codecs import BOM_UTF8
from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from operator import ne
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strop.records.errors import InputError, excerpt
from strop.records.text_lines import line_blocks
from strop.records.trec_columns import columns, decimal, twice

_LARGEST = float(np.finfo(np.float32).max)
_OF_DECIMALS = b"0123456789+-.eE"  # what else a number may hold (inf, nan, _) is for `decimal` to judge


class QueryLines:
    """The lines of one query in the order of the file, in few bytes each: document ids, scores, and line numbers."""

    __slots__ = ("_ids", "_numbers", "_scores")

    def __init__(self) -> None:
        self._ids, self._scores, self._numbers = bytearray(), array("d"), array("q")

    def add(self, doc_id: str, score: float, number: int) -> None:
        """One line, and its number."""
        self._ids += doc_id.encode() + b" "
        self._scores.append(score)
        self._numbers.append(number)

    def extend(self, doc_ids: Sequence[bytes], scores: npt.NDArray[np.float64], first: int) -> None:
        """Lines that follow one another, `first` being the number of the first."""
        self._ids += b" ".join(doc_ids) + b" "
        self._scores.frombytes(scores.tobytes())
        self._numbers.frombytes(np.arange(first, first + len(doc_ids), dtype=np.int64).tobytes())

    @property
    def doc_ids(self) -> list[str]:
        return self._ids[:-1].decode().split(" ")

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        return np.frombuffer(self._scores)

    def repeated(self, doc_ids: Sequence[str]) -> tuple[int, str] | None:
        """(line number, document id) of the first line with a document that an earlier one has; `doc_ids` are its own,
        which are made once."""
        seen = set[str]()
        if len(set(doc_ids)) == len(doc_ids):
            return None
        for number, doc_id in zip(self._numbers, doc_ids, strict=True):
            if doc_id in seen:
                return number, doc_id
            seen.add(doc_id)
        return None


def lines_by_query(path: Path) -> dict[str, QueryLines]:
    """The lines of a run by query id, in the order in which the queries first appear.

    Raises InputError, with file and line, on the first line that is malformed, or on one before it that repeats a
    document of its query; where all are well formed, `refuse_repeated` is left to the caller.
    """
    found: dict[str, QueryLines] = {}
    try:
        for number, block in line_blocks(path):
            if (plain := _plain(block)) is None:
                _add_one_by_one(found, number, block, path)
            else:
                _add(found, number, plain)
    except InputError:
        repeated = [(*at, q) for q, lines in found.items() if (at := lines.repeated(lines.doc_ids))]
        refuse_repeated(repeated, path)  # which stands on an earlier line
        raise
    return found


class _Plain(NamedTuple):
    """Three columns of consecutive lines."""

    query_ids: list[bytes]
    doc_ids: list[bytes]
    scores: npt.NDArray[np.float64]


def _plain(block: bytes) -> _Plain | None:
    """The columns of lines of which each has six, and a finite decimal; else None.

    All is done to the block at once: a run of millions of lines is read in seconds.
    """
    codes = np.frombuffer(block, dtype=np.uint8)
    if (codes < 9).any() or (codes - np.uint8(14) < 18).any():  # below the blank, and none; NUL among them
        return None
    if not block.isascii() and (BOM_UTF8 in block or not _utf8(block)):
        return None
    inside = codes > 32
    starts = np.flatnonzero(inside & ~np.concatenate(([False], inside[:-1])))
    ends = np.flatnonzero(codes == 10)
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    if len(starts) != 6 * len(ends) or (np.searchsorted(starts, ends) != np.arange(6, len(starts) + 6, 6)).any():
        return None
    if (codes[starts[::6]] == ord("#")).any():
        return None
    words = block.split()  # bytes: at what C calls a blank, and at nothing else
    written = words[4::6]
    if b"".join(written).translate(None, _OF_DECIMALS):
        return None
    try:
        scores = np.fromiter(map(float, written), dtype=np.float64, count=len(written))
    except ValueError:
        return None
    return None if (np.abs(scores) > _LARGEST).any() else _Plain(words[::6], words[2::6], scores)


def _utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _add(found: dict[str, QueryLines], number: int, plain: _Plain) -> None:
    query_ids, doc_ids, scores = plain
    changes = np.flatnonzero(np.fromiter(map(ne, query_ids[1:], query_ids), dtype=bool)) + 1
    for start, end in pairwise((0, *changes.tolist(), len(query_ids))):
        lines = found.setdefault(query_ids[start].decode(), QueryLines())
        lines.extend(doc_ids[start:end], scores[start:end], number + start)


def _add_one_by_one(found: dict[str, QueryLines], first: int, block: bytes, path: Path) -> None:
    for number, words in columns(enumerate(BytesIO(block), start=first), path):
        if len(words) != 6:
            problem, remedy = f"{len(words)} columns instead of 6", "A line reads: query Q0 doc rank score tag"
            raise InputError(problem, where=f"{path}:{number}", remedy=f"{remedy}; no id holds a blank")
        query_id, _, doc_id, _, score, _ = words
        value = decimal(score)
        if value is None or abs(value) > _LARGEST:
            problem = f"score {excerpt(score)} is not a finite float32"
            raise InputError(problem, where=f"{path}:{number}", remedy="Write a number there")
        found.setdefault(query_id, QueryLines()).add(doc_id, value, number)


def refuse_repeated(repeated: Sequence[tuple[int, str, str]], path: Path) -> None:
    """Raises InputError on the first of the (line number, document id, query id) that repeat a document."""
    if repeated:
        number, doc_id, query_id = min(repeated)
        raise twice(query_id, doc_id, "ranked", f"{path}:{number}")
