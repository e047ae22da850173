"""Judgments of one split: files in BEIR's and TREC's form, read strictly, then compared with corpus and queries."""

from __future__ import annotations

from collections.abc import Collection as Ids
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from strop.collection.text_lines import shown, text_lines
from strop.records.errors import InputError

HEADER = ("query-id", "corpus-id", "score")


class Judgment(NamedTuple):
    line: int
    query_id: str
    doc_id: str
    relevance: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where judgments and what they name come from, as errors call it."""

    qrels: str
    documents: str
    queries: str

    def line(self, number: int) -> str:
        return f"{self.qrels}:{number}"

    def short(self, number: int) -> str:
        return f"{Path(self.qrels).name}:{number}"


def beir_judgments(path: Path) -> Iterator[Judgment]:
    """The lines of a qrels file in BEIR's form, not yet compared with anything.

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
        yield Judgment(number, query_id, doc_id, _relevance(score, f"{path}:{number}"))


def trec_judgments(path: Path) -> Iterator[Judgment]:
    """The lines of a TREC qrels file, `query iteration doc relevance`; the iteration is not looked at.

    Raises InputError on another number of columns, or a relevance that is not a whole number.
    """
    for number, line in text_lines(path):
        columns = line.split()
        if len(columns) != 4:
            raise InputError(
                f"{shown(line)} has not 4 columns",
                where=f"{path}:{number}",
                remedy="A line reads, spaces or tabs between: query 0 passage relevance",
            )
        query_id, _, doc_id, relevance = columns
        yield Judgment(number, query_id, doc_id, _relevance(relevance, f"{path}:{number}"))


def checked_qrels(
    judgments: Iterable[Judgment], source: Source, doc_ids: Ids[str], query_ids: Ids[str]
) -> tuple[dict[str, dict[str, int]], tuple[str, ...]]:
    """The qrels of one split, and a sentence on each oddity that official data is known to have.

    Raises InputError on a query that is not there, on contradicting judgments, on a split without judgments, and
    when 1 % of the judgments or more name absent documents.
    """
    qrels: dict[str, dict[str, int]] = {}
    absent: list[Judgment] = []
    repeated: list[Judgment] = []
    for judgment in judgments:
        line, query_id, doc_id, relevance = judgment
        if query_id not in query_ids:
            raise InputError(
                f"query {query_id!r} is judged but not in {source.queries}",
                where=source.line(line),
                remedy="Add the query or drop the line",
            )
        judged = qrels.setdefault(query_id, {})
        if doc_id in judged:
            repeated.append(judgment)
            if judged[doc_id] != relevance:
                raise InputError(
                    f"document {doc_id!r} has relevance {relevance}, and {judged[doc_id]} above, "
                    f"for query {query_id!r}",
                    where=source.line(line),
                    remedy="Keep one judgment for each query and document",
                )
        elif doc_id not in doc_ids:
            absent.append(judgment)
        judged[doc_id] = relevance
    total = sum(map(len, qrels.values()))
    if not total:
        raise InputError("the split is empty", where=source.qrels, remedy="Give it at least one judgment")
    warnings: list[str] = []
    if absent:
        first = absent[0]
        problem = f"{len(absent)} of {total} judgments name a document that {source.documents} has not"
        if len(absent) >= TOLERATED_SHARE * total:
            raise InputError(
                f"{problem} (first: {first.doc_id!r})",
                where=source.line(first.line),
                remedy="Add the documents or drop the lines",
            )
        warnings.append(f"{problem} (first: {first.doc_id!r}, {source.short(first.line)}); they are never retrieved")
    if repeated:
        first = repeated[0]
        warnings.append(f"{len(repeated)} judgments are repeated (first: {first.doc_id!r}, {source.short(first.line)})")
    return qrels, tuple(warnings)


def relevant_elsewhere(
    others: Iterable[Iterable[Judgment]], qrels: Mapping[str, Mapping[str, int]], doc_ids: Ids[str]
) -> frozenset[str]:
    """The documents that are relevant in other splits and not judged in this one."""
    relevant = {j.doc_id for judgments in others for j in judgments if j.relevance > 0 and j.doc_id in doc_ids}
    return frozenset(relevant.difference(*qrels.values()))


def _relevance(value: str, where: str) -> int:
    if not (value.isascii() and value.removeprefix("-").isdigit() and len(value) < 10):
        raise InputError(f"score {shown(value)} is not a whole number", where=where, remedy="Write 0, 1, 2, …")
    return int(value)


#: The share of official data that may be odd (empty documents, judgments of absent ones) before it is an error.
#: ArguAna has 5 absent ones in 1,406; Cranfield has 2 empty documents in 1,400.
TOLERATED_SHARE = 0.01


def empty_documents(count: int, total: int, first: str, path: Path, line: int) -> tuple[str, ...]:
    """A warning of `count` documents without text, if there are any; the `first` of them stands on `line`.

    Raises InputError when they are more than the tolerated share, or when there are no documents at all.
    """
    if not total:
        raise InputError("no documents", where=str(path), remedy="Write a line for each document")
    if not count:
        return ()
    problem = f"{count} of {total} documents have neither title nor text (first: {first!r})"
    if count > TOLERATED_SHARE * total:
        raise InputError(problem, where=f"{path}:{line}", remedy="Give them text or leave them out")
    return (f"{problem}, {path.name}:{line}",)
