"""A reordered run beside its candidates and their ceiling: the most that any order of them reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from strop.evaluation.measures import GEOMETRIC, MEASURES, evaluate, parts
from strop.evaluation.significance import minimum_detectable_difference, spread
from strop.records.documents import Qrels
from strop.records.errors import InputError, excerpt
from strop.records.runs import Ranking, Run

#: Beside every value of a reordering: unjudged documents count as not relevant.
JUDGED = "Judged@10"


@dataclass(frozen=True, slots=True)
class Reordered:
    """A reordered run under one measure, query by query: its `values`, those of the `first` run whose documents it
    reorders, and the `ceiling` of these. `detectable` is the minimum detectable difference of the two runs (power 0.8);
    None where nothing differs, for one query, and for a measure without values of a query.
    """

    measure: str
    values: Mapping[str, float]
    first: Mapping[str, float]
    ceiling: Mapping[str, float]
    detectable: float | None


@dataclass(frozen=True, slots=True)
class Reordering:
    """`depth` as `depth_note` words it, over the judged queries; `judged`: Judged@10 of the run by query."""

    depth: str
    judged: Mapping[str, float]
    measures: tuple[Reordered, ...]


def reordering(
    run: Run, first: Run, qrels: Qrels, depth: int, measures: Iterable[str] = MEASURES, relevance_level: int = 1
) -> Reordering:
    """`run`, which puts the first `depth` documents of `first` in another order, beside what any order could reach.

    Raises InputError when `first` lacks a judged query of the run or the run is no reordering, and as
    `measures.measure` and `ideal_order` do.
    """
    run, first = run.only(qrels), first.only(qrels)
    for query_id, ranking in run.items():
        _check_reordered(query_id, ranking, first, depth)
    names = tuple(dict.fromkeys(measures))
    ours, theirs = (evaluate(each, qrels, names, relevance_level) for each in (run, first))
    measured = tuple(
        Reordered(
            name, ours[name], theirs[name],
            ceiling(first, qrels, name, depth, relevance_level),
            None if name == GEOMETRIC else _detectable(ours[name], theirs[name]),
        )
        for name in names
    )  # fmt: skip
    return Reordering(depth_note(first, depth), evaluate(run, qrels, [JUDGED])[JUDGED], measured)


def _check_reordered(query_id: str, ranking: Ranking, first: Run, depth: int) -> None:
    if query_id not in first:
        raise InputError(
            f"query {excerpt(query_id)} of the run is not among the candidates'",
            remedy="Give the run that was reordered",
        )
    candidates = first[query_id].doc_ids
    known, below = set(candidates[:depth]), candidates[depth:]
    for rank, doc_id in enumerate(ranking.doc_ids, start=1):
        if doc_id not in known if rank <= depth else doc_id not in below[rank - depth - 1 : rank - depth]:
            place = f"the candidates' first {depth:,}" if rank <= depth else f"where the candidates have rank {rank:,}"
            raise InputError(
                f"document {excerpt(doc_id)}, rank {rank:,} of query {excerpt(query_id)}, is not "
                f"{place}: there is no ceiling of it",
                remedy="Give the run that was reordered, and the --depth it was reordered to",
            )


def _detectable(ours: Mapping[str, float], theirs: Mapping[str, float]) -> float | None:
    sd = spread(ours, theirs)
    return minimum_detectable_difference(sd, len(ours)) if sd else None


def ideal_order(run: Run, qrels: Qrels, depth: int) -> Run:
    """The first `depth` documents of every query, the highest judged relevance first, unjudged ones last.

    Documents of equal relevance and those below `depth` keep their order. Raises InputError when `depth` is below 1.
    """
    if depth < 1:
        raise InputError(f"depth {depth} is below 1", remedy="Give 1 or more")
    ordered = {}
    for query_id, ranking in run.items():
        judged = qrels.get(query_id, {})
        best_first = sorted(ranking.doc_ids[:depth], key=lambda doc_id: -max(judged.get(doc_id, -1), -1))
        documents = (*best_first, *ranking.doc_ids[depth:])
        ordered[query_id] = (documents, [-float(rank) for rank in range(len(documents))])
    return Run(ordered)


def ceiling(run: Run, qrels: Qrels, measure: str, depth: int, relevance_level: int = 1) -> dict[str, float]:
    """Judged query -> the highest value under `measure` that any order of the run's first `depth` documents has.

    True of every measure in use: none falls when a document of higher relevance changes places with one of lower
    relevance above it. Unjudged documents count as not relevant. Raises InputError as `ideal_order` and
    `measures.measure` do.
    """
    values: dict[str, float] = {}
    for some in parts(tuple(qrels)):
        judged = {query_id: qrels[query_id] for query_id in some}
        values |= evaluate(ideal_order(run.only(some), judged, depth), judged, (measure,), relevance_level)[measure]
    return values


def depth_note(run: Run, depth: int) -> str:
    """How deep the candidates really are: "depth 100", or "depth 100, 3 of 43 queries have fewer (at least 12)"."""
    counts = [min(len(ranking.doc_ids), depth) for ranking in run.values()]
    short = sum(count < depth for count in counts)
    if not short:
        return f"depth {depth:,}"
    return f"depth {depth:,}, {short:,} of {len(counts):,} queries have fewer (at least {min(counts):,})"
