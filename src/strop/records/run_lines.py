"""Lines of a TREC run, gathered by query: many at once where all are plain, one by one where any is not."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from io import BytesIO
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from strop.records.errors import InputError, excerpt
from strop.records.plain_lines import LARGEST, PlainLines, plain_lines
from strop.records.text_lines import line_blocks
from strop.records.trec_columns import columns, decimal, twice

_LITTLE = 2**12  # bytes, of which to read each line costs no more than to try again


class QueryLines:
    """The lines of one query in the order of the file, in few bytes each: document ids, scores, and line numbers."""

    __slots__ = ("_ids", "_numbers", "_scores")

    def __init__(self) -> None:
        self._ids, self._scores, self._numbers = bytearray(), array("d"), array("q")

    def extend(self, doc_ids: bytes, scores: npt.NDArray[np.float64], first: int) -> None:
        """Lines that follow one another, `first` being the number of the first; a blank stands behind each id."""
        self._ids += doc_ids
        self._scores.frombytes(scores.tobytes())
        self._numbers.extend((first, len(scores)))

    @property
    def joined(self) -> str:
        """The document ids with blanks between."""
        return self._ids[:-1].decode()

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        return np.frombuffer(self._scores)

    def repeated(self, doc_ids: Sequence[str]) -> tuple[int, str] | None:
        """(line number, document id) of the first line with a document that an earlier one has; `doc_ids` are its own,
        which are made once."""
        if len(set(doc_ids)) == len(doc_ids):
            return None
        seen = set[str]()
        pairs = zip(self._numbers[::2], self._numbers[1::2], strict=True)
        numbers = chain.from_iterable(range(first, first + count) for first, count in pairs)
        for number, doc_id in zip(numbers, doc_ids, strict=True):
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
            _add(found, number, block, path)
    except InputError:
        repeated = [(*at, q) for q, lines in found.items() if (at := lines.repeated(lines.joined.split(" ")))]
        refuse_repeated(repeated, path)  # which stands on an earlier line
        raise
    return found


def _add(found: dict[str, QueryLines], number: int, block: bytes, path: Path) -> None:
    """All at once; where a line is not plain the halves, each for itself, until little is left to be read slowly."""
    if (plain := plain_lines(block)) is not None:
        _add_plain(found, number, plain)
    elif len(block) > _LITTLE and (half := block.find(b"\n", len(block) // 2) + 1):
        _add(found, number, block[:half], path)
        _add(found, number + block.count(b"\n", 0, half), block[half:], path)
    else:
        _add_one_by_one(found, number, block, path)


def _add_plain(found: dict[str, QueryLines], number: int, plain: PlainLines) -> None:
    ends = [0, *plain.ends[np.array(plain.changes[1:], dtype=int) - 1].tolist(), len(plain.doc_ids)]
    places = [*plain.changes, len(plain.scores)]
    for query_id, (start, stop), (first, last) in zip(plain.query_ids, pairwise(places), pairwise(ends), strict=True):
        lines = found.setdefault(query_id, QueryLines())
        lines.extend(plain.doc_ids[first:last], plain.scores[start:stop], number + start)


def _add_one_by_one(found: dict[str, QueryLines], first: int, block: bytes, path: Path) -> None:
    for number, words in columns(enumerate(BytesIO(block), start=first), path):
        if len(words) != 6:
            problem, remedy = f"{len(words)} columns instead of 6", "A line reads: query Q0 doc rank score tag"
            raise InputError(problem, where=f"{path}:{number}", remedy=f"{remedy}; no id holds a blank")
        query_id, _, doc_id, _, score, _ = words
        value = decimal(score)
        if value is None or abs(value) > LARGEST:
            problem = f"score {excerpt(score)} is not a finite float32"
            raise InputError(problem, where=f"{path}:{number}", remedy="Write a number there")
        found.setdefault(query_id, QueryLines()).extend(doc_id.encode() + b" ", np.array([value]), number)


def refuse_repeated(repeated: Sequence[tuple[int, str, str]], path: Path) -> None:
    """Raises InputError on the first of the (line number, document id, query id) that repeat a document."""
    if repeated:
        number, doc_id, query_id = min(repeated)
        raise twice(query_id, doc_id, "ranked", f"{path}:{number}")
