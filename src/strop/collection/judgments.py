"""Judgments as they stand in qrels files, in BEIR's and in TREC's form: read strictly, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from strop.records.errors import InputError
from strop.records.runs import trec_rows
from strop.records.text_lines import excerpt, text_lines

HEADER = ("query-id", "corpus-id", "score")


class Judgment(NamedTuple):
    """One line of a qrels file; `line` is its number, from 1."""

    line: int
    query_id: str
    doc_id: str
    relevance: int


def beir_judgments(path: Path) -> Iterator[Judgment]:
    """The lines of a qrels file in BEIR's form: a header, then query, document and score between tabs.

    Raises InputError on another header, another number of columns, or a score that is not a whole number.
    """
    layout = "tabs between: " + " ".join(HEADER)
    lines = text_lines(path)
    number, header = next(lines, (1, ""))
    if tuple(column.strip() for column in header.split("\t")) != HEADER:
        raise InputError(
            f"the header is {excerpt(header)}" if header else "the file is empty",
            where=f"{path}:{number}",
            remedy=f"The first line reads, {layout}",
        )
    for number, line in lines:
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) != len(HEADER) or not all(columns):
            problem = f"{excerpt(line)} does not have {len(HEADER)} filled columns"
            raise InputError(problem, where=f"{path}:{number}", remedy=f"A line reads, {layout}")
        query_id, doc_id, score = columns
        yield Judgment(number, query_id, doc_id, _relevance(score, f"{path}:{number}"))


def trec_judgments(path: Path) -> Iterator[Judgment]:
    """The lines of a TREC qrels file, `query iteration doc relevance`, without comments; the iteration is ignored.

    Raises InputError on another number of columns, or a relevance that is not a whole number.
    """
    for number, (query_id, _, doc_id, relevance) in trec_rows(path, "query 0 doc relevance"):
        yield Judgment(number, query_id, doc_id, _relevance(relevance, f"{path}:{number}"))


def _relevance(value: str, where: str) -> int:
    if not (value.isascii() and value.removeprefix("-").isdigit() and len(value) < 10):
        raise InputError(f"score {excerpt(value)} is not a whole number", where=where, remedy="Write 0, 1, 2, …")
    return int(value)
