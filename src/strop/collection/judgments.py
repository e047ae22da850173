"""A qrels file in BEIR's layout: read strictly, then compared with the corpus and the queries."""

from __future__ import annotations

from collections.abc import Collection as Ids
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from strop.collection.text_lines import shown, text_lines
from strop.nouns import InputError

HEADER = ("query-id", "corpus-id", "score")

#: The share of official data that may be odd (empty documents, judgments of absent ones) before it is an error.
#: ArguAna has 5 absent ones in 1,406; Cranfield has 2 empty documents in 1,400.
TOLERATED_SHARE = 0.01


class Judgment(NamedTuple):
    line: int
    query_id: str
    doc_id: str
    relevance: int


def judgments(path: Path) -> Iterator[Judgment]:
    """The lines of a qrels file, well formed but not yet compared with anything.

    Raises InputError on another header, another number of columns, or a score that is not a whole number.
    """
    lines = text_lines(path)
    number, header = next(lines, (1, ""))
    if tuple(column.strip() for column in header.split("\t")) != HEADER:
        raise InputError(
            f"the header is {shown(header)}" if header else "the file is empty",
            where=f"{path}:{number}",
            remedy="The first line reads, tabs between: " + " ".join(HEADER),
        )
    for number, line in lines:
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) != len(HEADER) or not all(columns):
            raise InputError(
                f"{shown(line)} has not {len(HEADER)} filled columns",
                where=f"{path}:{number}",
                remedy="A line reads, tabs between: " + " ".join(HEADER),
            )
        query_id, doc_id, score = columns
        if not (score.isascii() and score.removeprefix("-").isdigit() and len(score) < 10):
            raise InputError(
                f"score {shown(score)} is not a whole number", where=f"{path}:{number}", remedy="Write 0, 1, 2, …"
            )
        yield Judgment(number, query_id, doc_id, int(score))


def checked_qrels(
    path: Path, doc_ids: Ids[str], query_ids: Ids[str]
) -> tuple[dict[str, dict[str, int]], tuple[str, ...]]:
    """The qrels of one split, and a sentence on each oddity that official data is known to have.

    Raises InputError on a query that is not there, on contradicting judgments, on a file without judgments, and
    when 1 % of the judgments or more name absent documents.
    """
    qrels: dict[str, dict[str, int]] = {}
    absent: list[Judgment] = []
    repeated: list[Judgment] = []
    for judgment in judgments(path):
        line, query_id, doc_id, relevance = judgment
        where = f"{path}:{line}"
        if query_id not in query_ids:
            raise InputError(
                f"query {query_id!r} is judged but not in queries.jsonl",
                where=where,
                remedy="Add the query or drop the line",
            )
        judged = qrels.setdefault(query_id, {})
        if doc_id in judged:
            repeated.append(judgment)
            if judged[doc_id] != relevance:
                raise InputError(
                    f"document {doc_id!r} has relevance {relevance}, and {judged[doc_id]} above, "
                    f"for query {query_id!r}",
                    where=where,
                    remedy="Keep one judgment for each query and document",
                )
        elif doc_id not in doc_ids:
            absent.append(judgment)
        judged[doc_id] = relevance
    total = sum(map(len, qrels.values()))
    if not total:
        raise InputError("the split is empty", where=str(path), remedy="Give it at least one judgment")
    warnings: list[str] = []
    if absent:
        first = absent[0]
        problem = f"{len(absent)} of {total} judgments name a document that corpus.jsonl has not"
        if len(absent) >= TOLERATED_SHARE * total:
            raise InputError(
                f"{problem} (first: {first.doc_id!r})",
                where=f"{path}:{first.line}",
                remedy="Add the documents or drop the lines",
            )
        warnings.append(f"{problem} (first: {first.doc_id!r}, {path.name}:{first.line}); they are never retrieved")
    if repeated:
        first = repeated[0]
        warnings.append(f"{len(repeated)} judgments are repeated (first: {first.doc_id!r}, {path.name}:{first.line})")
    return qrels, tuple(warnings)
