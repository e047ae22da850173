"""Run: a ranked list of documents for each query. Every retriever makes one, every measure reads one."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strop.records.errors import InputError, InputWarning, excerpt
from strop.records.run_lines import lines_by_query, refuse_repeated
from strop.records.trec_columns import check_id
from strop.records.writing import whole_file

Scores = npt.NDArray[np.float32]


class Ranking(NamedTuple):
    """Documents of one query, best first, with their float32 scores."""

    doc_ids: tuple[str, ...]
    scores: Scores


class Run(Mapping[str, Ranking]):
    """Rankings by query id, under trec_eval's one order.

    Scores are finite and compared as float32, highest first; of tied documents the one whose id is *later* as a string
    comes first. The order of the input, and the rank column of a TREC file, therefore do not matter. Raises ValueError
    on a document ranked twice for a query, or a score that is not finite. A run that was read is kept in few bytes per
    document, and a ranking of it made anew whenever it is asked for.
    """

    __slots__ = ("_rankings",)

    def __init__(self, scored: Mapping[str, tuple[Iterable[str], Iterable[float]]]) -> None:
        self._rankings: Mapping[str, Ranking] = {q: _rank(q, *pair) for q, pair in scored.items()}

    def __getitem__(self, query_id: str) -> Ranking:
        return self._rankings[query_id]

    def __contains__(self, query_id: object) -> bool:
        return query_id in self._rankings  # Mapping's own asks for the ranking

    def __iter__(self) -> Iterator[str]:
        return iter(self._rankings)

    def __len__(self) -> int:
        return len(self._rankings)

    def top(self, depth: int) -> Run:
        """The first `depth` documents of every query."""
        return Run._of({q: Ranking(r.doc_ids[:depth], r.scores[:depth]) for q, r in self.items()})

    def only(self, query_ids: Iterable[str]) -> Run:
        """The rankings of these queries, in their order; of those that the run has."""
        kept = [query_id for query_id in query_ids if query_id in self]
        rankings = self._rankings
        return Run._of(rankings.only(kept) if isinstance(rankings, _Packed) else {q: rankings[q] for q in kept})

    @classmethod
    def joined(cls, runs: Iterable[Run]) -> Run:
        """The rankings of runs of different queries."""
        return cls._of({query_id: ranking for run in runs for query_id, ranking in run.items()})

    @classmethod
    def _of(cls, rankings: Mapping[str, Ranking]) -> Run:
        """Of rankings that are in order already: nothing is sorted again."""
        run = cls({})
        run._rankings = rankings
        return run


class _Packed(Mapping[str, Ranking]):
    """Rankings whose document ids are one string each, with blanks between, which no id of a file holds."""

    __slots__ = ("_packed",)

    def __init__(self, packed: Mapping[str, tuple[str, Scores]]) -> None:
        self._packed = packed

    def __getitem__(self, query_id: str) -> Ranking:
        doc_ids, scores = self._packed[query_id]
        return Ranking(tuple(doc_ids.split(" ")), scores)

    def __contains__(self, query_id: object) -> bool:
        return query_id in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def only(self, query_ids: Iterable[str]) -> _Packed:
        return _Packed({query_id: self._packed[query_id] for query_id in query_ids})


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
    order = _best_first(ids, values)
    return Ranking(tuple(map(ids.__getitem__, order.tolist())), values[order])


def _best_first(doc_ids: Sequence[str], scores: Scores) -> npt.NDArray[np.intp]:
    """The places of the documents, highest score first; among equal scores the later id."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    equal = falling[1:] == falling[:-1]
    if not equal.any():
        return order
    ends = np.flatnonzero(np.append(~equal, True)) + 1  # of groups of equal scores
    starts = np.append(0, ends[:-1])
    tied = ends - starts > 1
    for start, end in zip(starts[tied].tolist(), ends[tied].tolist(), strict=True):
        order[start:end] = sorted(order[start:end].tolist(), key=doc_ids.__getitem__, reverse=True)
    return order


def read_run(path: str | Path) -> Run:
    """Read a TREC run, packed with gzip or not: `query Q0 doc rank score tag`, six columns, on each line.

    As in trec_eval the rank and lines that begin with # are ignored. Scores are compared as float32, as in trec_eval 9
    and pytrec_eval; trec_eval 10 compares doubles: warns where that would tell scores apart. Raises InputError, with
    file and line, on anything malformed.
    """
    path = Path(path)
    found = lines_by_query(path)
    if not found:
        raise InputError("the run is empty", where=str(path), remedy="Give a TREC run with at least one line")
    packed, ties, repeated = dict[str, tuple[str, Scores]](), list[_Ties](), list[tuple[int, str, str]]()
    for query_id in tuple(found):
        lines = found.pop(query_id)  # so that only one query is held twice
        joined, doubles = lines.joined, lines.scores
        doc_ids = joined.split(" ")
        if at := lines.repeated(doc_ids):
            repeated.append((*at, query_id))
        scores = doubles.astype(np.float32)
        if (scores[1:] < scores[:-1]).all():
            packed[query_id] = joined, scores
            continue
        order = _best_first(doc_ids, scores)
        packed[query_id] = " ".join([doc_ids[i] for i in order.tolist()]), scores[order]
        if of_query := _ties(query_id, doc_ids, doubles, order):
            ties.append(of_query)
    refuse_repeated(repeated, path)
    if ties:
        problem = "documents have a score that differs from another's of their query only beyond float32"
        rule = "they are tied, as in trec_eval 9 and pytrec_eval, and not as in trec_eval 10"
        said = f"{sum(each.documents for each in ties):,} {problem} (first: {ties[0].example}): {rule}"
        warnings.warn(f"{path}: {said}", InputWarning, stacklevel=2)
    return Run._of(_Packed(packed))


class _Ties(NamedTuple):
    """How many documents of a query have a score that is another's as float32 and not as a double; two of them."""

    documents: int
    example: str


def _ties(
    query_id: str, doc_ids: Sequence[str], doubles: npt.NDArray[np.float64], order: npt.NDArray[np.intp]
) -> _Ties | None:
    falling = doubles[order]
    singles = falling.astype(np.float32)
    if not ((singles[1:] == singles[:-1]) & (falling[1:] != falling[:-1])).any():
        return None
    distinct = np.unique(doubles)
    singles = distinct.astype(np.float32)
    alike = np.flatnonzero(singles[1:] == singles[:-1])
    of = dict(zip(doubles.tolist(), doc_ids, strict=True))
    pair = (f"{excerpt(of[float(score)])} at {float(score)!r}" for score in distinct[alike[0] : alike[0] + 2])
    documents = int(np.isin(doubles.astype(np.float32), singles[alike]).sum())
    return _Ties(documents, f"{' and '.join(pair)} of query {excerpt(query_id)}")


def check_ids(run: Run, where: str = "") -> None:
    """Raises InputError on an id that a TREC file cannot hold, before a run is worked for that cannot be written."""
    for query_id in run:
        check_id(query_id, where, query=True)
    for doc_id in chain.from_iterable(ranking.doc_ids for ranking in run.values()):
        check_id(doc_id, where)


def write_run(run: Run, path: str | Path, tag: str, replace: bool = False) -> None:
    """Write a TREC run; scores have nine significant digits, which is enough to read back the same float32.

    It appears whole or not at all, as `whole_file` writes it. Raises InputError on an id or a tag that a TREC file
    cannot hold.
    """
    check_id(tag)
    check_ids(run)
    with whole_file(path, replace) as own, own.open("w", encoding="utf-8", newline="\n") as file:
        for query_id, ranking in run.items():
            for rank, (doc_id, score) in enumerate(zip(ranking.doc_ids, ranking.scores, strict=True), start=1):
                file.write(f"{query_id} Q0 {doc_id} {rank} {float(score):.9g} {tag}\n")
