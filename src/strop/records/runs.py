"""Run: per query, a ranked list of documents. Every retriever makes one, every measure reads one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strop.records.errors import InputError

_LARGEST = float(np.finfo(np.float32).max)


class Ranking(NamedTuple):
    """Documents of one query, best first, with their float32 scores."""

    doc_ids: tuple[str, ...]
    scores: npt.NDArray[np.float32]


class Run(Mapping[str, Ranking]):
    """Rankings by query id, under trec_eval's one order.

    Scores are finite and compared as float32, highest first; ties go to the document id that is *later* as a
    string. No document appears twice for a query. The order given in is therefore irrelevant, and so is the rank
    column of a TREC file. Raises ValueError on a duplicate document or a score that is not finite.
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
        cut = Run({})  # what is in order stays in order: nothing is sorted again
        cut._rankings = {q: Ranking(r.doc_ids[:depth], r.scores[:depth]) for q, r in self.items()}
        return cut


def _rank(query_id: str, doc_ids: Iterable[str], scores: Iterable[float]) -> Ranking:
    ids = list(doc_ids)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and refused below
        values = np.asarray(list(scores) if not isinstance(scores, np.ndarray) else scores, dtype=np.float32)
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
    """Read a TREC run: `query Q0 doc rank score tag` a line.

    As trec_eval does, the rank column and anything after the tag are ignored, and so are lines that begin with #.
    Raises InputError with file, line, value and remedy on a malformed line, a duplicate or a non-finite score.
    """
    path = Path(path)
    scored: dict[str, dict[str, float]] = {}
    for number, fields in _lines(path, 6, "query Q0 doc rank score tag", more=True):
        query_id, _, doc_id, _, score = fields[:5]
        try:
            value = float(score)
        except ValueError:
            value = float("nan")
        where = f"{path}:{number}"
        if not abs(value) <= _LARGEST:
            raise InputError(f"score {score!r} is not a finite float32", where=where, remedy="Write a number there")
        ranked = scored.setdefault(query_id, {})
        if doc_id in ranked:
            raise InputError(
                f"document {doc_id!r} is ranked twice for query {query_id!r}",
                where=where,
                remedy="Keep one line for each query and document",
            )
        ranked[doc_id] = value
    if not scored:
        raise InputError("the run is empty", where=str(path), remedy="Give a TREC run with at least one line")
    return Run({q: (list(r), list(r.values())) for q, r in scored.items()})


def write_run(run: Run, path: str | Path, tag: str) -> None:
    """Write a TREC run; scores with nine significant digits, which float32 survives unchanged.

    Raises InputError on an id or a tag that a TREC file cannot carry.
    """
    _check_columns(run, [tag, *(doc_id for ranking in run.values() for doc_id in ranking.doc_ids)])
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        for query_id, ranking in run.items():
            for rank, (doc_id, score) in enumerate(zip(ranking.doc_ids, ranking.scores, strict=True), start=1):
                file.write(f"{query_id} Q0 {doc_id} {rank} {float(score):.9g} {tag}\n")


def read_qrels(path: str | Path) -> dict[str, dict[str, int]]:
    """Read TREC qrels: `query iteration doc relevance` a line. Raises InputError as `read_run` does."""
    path = Path(path)
    qrels: dict[str, dict[str, int]] = {}
    for number, (query_id, _, doc_id, relevance) in _lines(path, 4, "query 0 doc relevance"):
        where = f"{path}:{number}"
        try:
            value = int(relevance)
        except ValueError:
            raise InputError(
                f"relevance {relevance!r} is not a whole number", where=where, remedy="Write 0, 1, 2, …"
            ) from None
        judged = qrels.setdefault(query_id, {})
        if doc_id in judged:
            raise InputError(
                f"document {doc_id!r} is judged twice for query {query_id!r}",
                where=where,
                remedy="Keep one judgment for each query and document",
            )
        judged[doc_id] = value
    if not qrels:
        raise InputError("there are no judgments", where=str(path), remedy="Give qrels with at least one line")
    return qrels


def write_qrels(qrels: Mapping[str, Mapping[str, int]], path: str | Path) -> None:
    """Write TREC qrels. Raises InputError on an id that a TREC file cannot carry."""
    _check_columns(qrels, [doc_id for judged in qrels.values() for doc_id in judged])
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        for query_id, judged in qrels.items():
            file.writelines(f"{query_id} 0 {doc_id} {relevance}\n" for doc_id, relevance in judged.items())


def _check_columns(query_ids: Mapping[str, object], others: Iterable[str]) -> None:
    for word in (*query_ids, *others):
        if word.split() != [word]:
            raise InputError(f"{word!r} cannot be a column of a TREC file", remedy="Rename it without white space")
    for query_id in query_ids:
        if query_id.startswith("#"):
            raise InputError(f"query {query_id!r} would read as a comment", remedy="Rename it without # in front")


def _lines(path: Path, width: int, layout: str, more: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Numbered, split lines of a TREC file, without comments and empty ones, each checked to have `width` columns."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                fields = line.split()
                if not fields or fields[0].startswith("#"):
                    continue
                if len(fields) < width or (len(fields) > width and not more):
                    raise InputError(
                        f"{len(fields)} columns instead of {width}",
                        where=f"{path}:{number}",
                        remedy=f"A line reads: {layout}",
                    )
                yield number, fields
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 ({error.reason})", where=str(path), remedy="Save the file as UTF-8") from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), remedy="Check the path") from None
