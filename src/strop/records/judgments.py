"""Judgments as they stand in qrels files, in TREC's or in BEIR's form, which the first line tells apart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from strop.records.errors import InputError, excerpt
from strop.records.text_lines import decoded, unpacked_lines
from strop.records.trec_columns import check_id, columns, grade, twice

HEADER = ("query-id", "corpus-id", "score")

_TREC, _BEIR = "query 0 doc relevance", "tabs between: " + " ".join(HEADER)
_BLANKS = " \t\n\v\f\r"


class Judgment(NamedTuple):
    """One line of a qrels file; `line` is its number, from 1."""

    line: int
    query_id: str
    doc_id: str
    relevance: int


def judgments(path: Path) -> Iterator[Judgment]:
    """The lines of a qrels file, packed with gzip or not: BEIR's under its header, else TREC's without comments.

    In BEIR's form query, document and score stand between tabs; in TREC's four columns the second is ignored. Raises
    InputError, with file and line, on another number of columns, an id that no TREC file can hold, a grade that is not
    a whole number, and an empty file.
    """
    lines = unpacked_lines(path)
    if (first := next(lines, None)) is None:
        raise InputError("the file is empty", where=str(path), remedy=f"A line reads: {_TREC}")
    if _cells(decoded(first[1], f"{path}:{first[0]}")) == HEADER:
        return _beir(lines, path)
    return _trec(chain((first,), lines), path)


def read_qrels(path: str | Path) -> dict[str, dict[str, int]]:
    """Query id -> document id -> grade, of a qrels file in TREC's or in BEIR's form.

    Raises InputError as `judgments` does, and on a document that is judged twice for a query.
    """
    path = Path(path)
    qrels: dict[str, dict[str, int]] = {}
    for line, query_id, doc_id, relevance in judgments(path):
        judged = qrels.setdefault(query_id, {})
        if doc_id in judged:
            raise twice(query_id, doc_id, "judged", f"{path}:{line}")
        judged[doc_id] = relevance
    if not qrels:
        raise InputError("there are no judgments", where=str(path), remedy="Give qrels with at least one line")
    return qrels


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip(_BLANKS) for cell in line.split("\t"))


def _beir(lines: Iterator[tuple[int, bytes]], path: Path) -> Iterator[Judgment]:
    for number, raw in lines:
        where = f"{path}:{number}"
        line = decoded(raw, where)
        cells = _cells(line)
        if len(cells) != len(HEADER) or not all(cells):
            problem = f"{excerpt(line)} does not have {len(HEADER)} filled columns"
            raise InputError(problem, where=where, remedy=f"A line reads, {_BEIR}")
        check_id(cells[0], where, query=True)
        check_id(cells[1], where)
        yield Judgment(number, cells[0], cells[1], grade(cells[2], where))


def _trec(lines: Iterator[tuple[int, bytes]], path: Path) -> Iterator[Judgment]:
    for number, words in columns(lines, path):
        where = f"{path}:{number}"
        if len(words) != 4:
            found = f"{len(words)} columns instead of 4, and no header of BEIR above: {excerpt(' '.join(words))}"
            remedy = f"A line reads: {_TREC}; or the first line, with {_BEIR}"
            raise InputError(found, where=where, remedy=remedy)
        yield Judgment(number, words[0], words[2], grade(words[3], where))
