"""Run: a ranked list of documents for each query. Every retriever makes one, every measure reads one."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strop.records.errors import InputError, InputWarning
from strop.records.text_lines import excerpt
from strop.records.trec_columns import check_id, decimal, trec_rows, twice
from strop.records.writing import whole_file

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
    """Read a TREC run, packed with gzip or not: `query Q0 doc rank score tag`, six columns, on each line.

    As in trec_eval the rank and lines that begin with # are ignored. Scores are compared as float32, as in trec_eval 9
    and pytrec_eval; trec_eval 10 compares doubles: warns where that would tell scores apart. Raises InputError, with
    file and line, on anything malformed.
    """
    path = Path(path)
    scores: dict[str, dict[str, float]] = {}
    for number, words in trec_rows(path):
        if len(words) != 6:
            problem, remedy = f"{len(words)} columns instead of 6", "A line reads: query Q0 doc rank score tag"
            raise InputError(problem, where=f"{path}:{number}", remedy=f"{remedy}; no id holds a blank")
        query_id, _, doc_id, _, score, _ = words
        value = decimal(score)
        if value is None or abs(value) > _LARGEST:
            problem = f"score {excerpt(score)} is not a finite float32"
            raise InputError(problem, where=f"{path}:{number}", remedy="Write a number there")
        row = scores.setdefault(query_id, {})
        if doc_id in row:
            raise twice(query_id, doc_id, "ranked", f"{path}:{number}")
        row[doc_id] = value
    if not scores:
        raise InputError("the run is empty", where=str(path), remedy="Give a TREC run with at least one line")
    _warn_of_ties(scores, path)
    return Run({query_id: (list(row), list(row.values())) for query_id, row in scores.items()})


def _warn_of_ties(scores: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Of documents whose scores differ as doubles and are equal as float32: their order is that of their ids."""
    tied, example = 0, ""
    for query_id, row in scores.items():
        doubles = np.fromiter(row.values(), dtype=np.float64)
        distinct = np.unique(doubles)
        singles = distinct.astype(np.float32)
        if not (alike := np.flatnonzero(singles[1:] == singles[:-1])).size:
            continue
        tied += int(np.isin(doubles.astype(np.float32), singles[alike]).sum())
        if not example:
            of = {score: doc_id for doc_id, score in row.items()}
            pair = (f"{of[float(score)]!r} at {float(score)!r}" for score in distinct[alike[0] : alike[0] + 2])
            example = f"{' and '.join(pair)} of query {query_id!r}"
    if tied:
        problem = f"{tied:,} documents have a score that differs from another's of their query only beyond float32"
        rule = "they are tied, as in trec_eval 9 and pytrec_eval, and not as in trec_eval 10"
        warnings.warn(f"{path}: {problem} (first: {example}): {rule}", InputWarning, stacklevel=3)


def check_ids(run: Run, where: str = "") -> None:
    """Raises InputError on an id that a TREC file cannot hold, before a run is worked for that cannot be written."""
    for query_id in run:
        check_id(query_id, where, query=True)
    for doc_id in chain.from_iterable(ranking.doc_ids for ranking in run.values()):
        check_id(doc_id, where)


def write_run(run: Run, path: str | Path, tag: str) -> None:
    """Write a TREC run; scores have nine significant digits, which is enough to read back the same float32.

    It appears whole or not at all, as `whole_file` writes it. Raises InputError on an id or a tag that a TREC file
    cannot hold.
    """
    check_id(tag)
    check_ids(run)
    with whole_file(path) as own, own.open("w", encoding="utf-8", newline="\n") as file:
        for query_id, ranking in run.items():
            for rank, (doc_id, score) in enumerate(zip(ranking.doc_ids, ranking.scores, strict=True), start=1):
                file.write(f"{query_id} Q0 {doc_id} {rank} {float(score):.9g} {tag}\n")
