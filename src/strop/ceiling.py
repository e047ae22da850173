"""The most that reordering a run's first documents could reach: what no reranker of them can pass."""

from __future__ import annotations

from strop.measures import evaluate
from strop.nouns import InputError, Qrels
from strop.runs import Run


def ideal_order(run: Run, qrels: Qrels, depth: int) -> Run:
    """The first `depth` documents of every query, the highest judged relevance first, unjudged ones last.

    Documents below `depth` stay below, in the order they had, as a reranker leaves them; so do equal ones among
    themselves. Raises InputError when `depth` is below 1.
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
    """Query id -> the highest value under `measure` that any order of the run's first `depth` documents has.

    For every judged query, as `measures.evaluate` does; it holds for each measure known there, as none of them falls
    when a document of higher relevance changes places with one of lower relevance below it. Unjudged documents count
    as not relevant. Raises InputError as `ideal_order` and `measures.measure` do.
    """
    return evaluate(ideal_order(run, qrels, depth), qrels, (measure,), relevance_level)[measure]


def depth_note(run: Run, depth: int) -> str:
    """How deep the candidates really are: "depth 100", or "depth 100, 3 of 43 queries have fewer (at least 12)"."""
    counts = [min(len(ranking.doc_ids), depth) for ranking in run.values()]
    short = sum(count < depth for count in counts)
    if not short:
        return f"depth {depth:,}"
    return f"depth {depth:,}, {short:,} of {len(counts):,} queries have fewer (at least {min(counts):,})"
