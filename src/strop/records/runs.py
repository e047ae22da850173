"""Run: a ranked list of documents for each query. Every retriever makes one, every measure reads one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from strop.records.errors import InputError
from strop.records.text_lines import text_lines

T = TypeVar("T")
_LARGEST = float(np.finfo(np.float32).max)


class Ranking(NamedTuple):
    """Documents of one query, best first, with their float32 scores."""

    doc_ids: tuple[str, ...]
    scores: npt.NDArray[np.float32]


class Run(Mapping[str, Ranking]):
    """Rankings by query id, under trec_eval's one order.

    Scores are finite and compared as float32, highest first; of tied documents the one whose id is *later* as a string
    comes first. The order of the input, and the rank column of a TREC file, therefore do not matter. Raises ValueError
    on a document ranked twice for a query, or a score that is not finite.
    """

    __slots__ = ("_rankings",)

    def __init__(self, scored: Mapping[str, tuple[Iterable[str], Iterable[float]]]) -> None:
        self._rankings = {query_id: _rank(query_id, *pair) for query_id, pair in scored.items()}

    def __getitem__(self, query_id: str) -> Ranking:
        return self._rankings[query_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rankings)

    def __len__(self) -> int:
        return len(self._rankings)

    def top(self, depth: int) -> Run:
        """The first `depth` documents of every query."""
        cut = Run({})  # already in order: nothing is sorted again
        cut._rankings = {q: Ranking(r.doc_ids[:depth], r.scores[:depth]) for q, r in self.items()}
        return cut


def _rank(query_id: str, doc_ids: Iterable[str], scores: Iterable[float]) -> Ranking:
    ids = list(doc_ids)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and refused below
        values = np.asarray(scores if isinstance(scores, np.ndarray) else list(scores), dtype=np.float32)
    if len(ids) != len(values):
        raise ValueError(f"query {query_id}: {len(ids)} documents but {len(values)} scores")
    if len(set(ids)) != len(ids):
        twice = next(d for d in ids if ids.count(d) > 1)
        raise ValueError(f"query {query_id}: document {twice} is ranked twice")
    if not np.isfinite(values).all():
        raise ValueError(f"query {query_id}: a score is not finite ({ids[int(np.argmin(np.isfinite(values)))]})")
    keys = list(zip(values.tolist(), ids, strict=True))
    order = sorted(range(len(ids)), key=keys.__getitem__, reverse=True)
    return Ranking(tuple(ids[i] for i in order), values[order])


def read_run(path: str | Path) -> Run:
    """Read a TREC run, one `query Q0 doc rank score tag` per line.

    As in trec_eval, the rank column, whatever follows the tag, and lines that begin with # are ignored. Raises
    InputError, with file and line, on anything else that is malformed.
    """
    path = Path(path)
    scores: dict[str, dict[str, float]] = {}
    for number, (query_id, _, doc_id, _, score, *_) in trec_rows(path, "query Q0 doc rank score tag", more=True):
        where = f"{path}:{number}"
        try:
            value = float(score)
        except ValueError:
            value = float("nan")
        if not abs(value) <= _LARGEST:
            raise InputError(f"score {score!r} is not a finite float32", where=where, remedy="Write a number there")
        _add(scores, query_id, doc_id, value, "ranked", where)
    if not scores:
        raise InputError("the run is empty", where=str(path), remedy="Give a TREC run with at least one line")
    return Run({query_id: (list(row), list(row.values())) for query_id, row in scores.items()})


def write_run(run: Run, path: str | Path, tag: str) -> None:
    """Write a TREC run; scores have nine significant digits, which is enough to read back the same float32.

    Raises InputError on an id or a tag that a TREC file cannot hold.
    """
    _check_columns(run, [tag, *(doc_id for ranking in run.values() for doc_id in ranking.doc_ids)])
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        for query_id, ranking in run.items():
            for rank, (doc_id, score) in enumerate(zip(ranking.doc_ids, ranking.scores, strict=True), start=1):
                file.write(f"{query_id} Q0 {doc_id} {rank} {float(score):.9g} {tag}\n")


def read_qrels(path: str | Path) -> dict[str, dict[str, int]]:
    """Read TREC qrels, one `query iteration doc relevance` per line; lines that begin with # are ignored.

    Raises InputError, with file and line, on anything else that is malformed.
    """
    path = Path(path)
    qrels: dict[str, dict[str, int]] = {}
    for number, (query_id, _, doc_id, relevance) in trec_rows(path, "query 0 doc relevance"):
        where = f"{path}:{number}"
        try:
            value = int(relevance)
        except ValueError:
            problem = f"relevance {relevance!r} is not a whole number"
            raise InputError(problem, where=where, remedy="Write 0, 1, 2, …") from None
        _add(qrels, query_id, doc_id, value, "judged", where)
    if not qrels:
        raise InputError("there are no judgments", where=str(path), remedy="Give qrels with at least one line")
    return qrels


def _check_columns(query_ids: Mapping[str, object], others: Iterable[str]) -> None:
    for word in (*query_ids, *others):
        if word.split() != [word]:
            raise InputError(f"{word!r} cannot be a column of a TREC file", remedy="Rename it without white space")
    for query_id in query_ids:
        if query_id.startswith("#"):
            raise InputError(f"query {query_id!r} would read as a comment", remedy="Rename it without # in front")


def trec_rows(path: Path, layout: str, more: bool = False) -> Iterator[tuple[int, list[str]]]:
    """(line number, columns) of a TREC file without its comments; `more` columns than `layout` only where allowed."""
    width = len(layout.split())
    for number, line in text_lines(path):
        columns = line.split()
        if columns[0].startswith("#"):
            continue
        if len(columns) < width or (len(columns) > width and not more):
            problem = f"{len(columns)} columns instead of {width}"
            raise InputError(problem, where=f"{path}:{number}", remedy=f"A line reads: {layout}")
        yield number, columns


def _add(table: dict[str, dict[str, T]], query_id: str, doc_id: str, value: T, verb: str, where: str) -> None:
    row = table.setdefault(query_id, {})
    if doc_id in row:
        problem = f"document {doc_id!r} is {verb} twice for query {query_id!r}"
        raise InputError(problem, where=where, remedy="Keep one line for each query and document")
    row[doc_id] = value
