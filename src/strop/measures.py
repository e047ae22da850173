"""The measures in use, per query and as a mean, with the values trec_eval prints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import ir_measures
from ir_measures import AP, RR, Measure, P, R, nDCG

from strop.nouns import InputError, Qrels
from strop.runs import Run

#: What a table shows unless told otherwise; the first one leads.
MEASURES = ("nDCG@10", "RR@10", "RR@100", "AP", "R@100", "R@1000", "P@10")

_FAMILIES: Mapping[str, Measure] = {"nDCG": nDCG, "RR": RR, "AP": AP, "R": R, "P": P}
_NEEDS_CUTOFF = frozenset({"R", "P"})
_THRESHOLDED = frozenset({"RR", "AP", "R", "P"})
_NAME = re.compile(r"(nDCG|RR|AP|R|P)(?:@([1-9][0-9]{0,6}))?")


def measure(name: str, relevance_level: int = 1) -> Measure:
    """The ir_measures value for a name as papers write it: nDCG@k, RR@k, AP@k, R@k, P@k, or nDCG, RR, AP uncut.

    `relevance_level` is the least relevance that counts as relevant (trec_eval -l); nDCG is graded and ignores it.
    Raises InputError on any other name and on a level below 1. Built from objects: ir_measures' own parser uses
    `ast.Num`, which Python 3.14 no longer has.
    """
    match = _NAME.fullmatch(name)
    if match is None or (match[2] is None and match[1] in _NEEDS_CUTOFF):
        raise InputError(
            f"measure {name!r} is not known",
            remedy=f"Known are {', '.join(MEASURES)}, the same with another cutoff, and nDCG and RR without one",
        )
    if relevance_level < 1:
        raise InputError(f"relevance level {relevance_level} is below 1", remedy="Give 1, 2, …")
    built = _FAMILIES[match[1]]
    if match[1] in _THRESHOLDED:
        built = built(rel=relevance_level)
    return built @ int(match[2]) if match[2] else built


def evaluate(
    run: Run, qrels: Qrels, measures: Iterable[str] = MEASURES, relevance_level: int = 1
) -> dict[str, dict[str, float]]:
    """Measure name -> query id -> value in [0, 1], for every judged query in the order of `qrels`.

    As trec_eval -c: a judged query that the run lacks scores 0, and so does one without a relevant document; a
    query nobody judged is ignored. Raises InputError as `measure` does.
    """
    built = {measure(name, relevance_level): name for name in measures}
    values = {name: {query_id: 0.0 for query_id, judged in qrels.items() if judged} for name in built.values()}
    # Only relevance above 0 can change a value; a negative one (trec_eval: pooled but not judged) upsets the provider.
    relevant = {q: {d: int(r) for d, r in judged.items() if r > 0} for q, judged in qrels.items()}
    relevant = {q: judged for q, judged in relevant.items() if judged}
    # Ranks instead of scores: the order is decided, and no provider gets to break a tie its own way.
    ranked = {q: {d: -float(i) for i, d in enumerate(run[q].doc_ids)} for q in relevant if q in run and run[q].doc_ids}
    if ranked:
        for metric in ir_measures.iter_calc(list(built), relevant, ranked):
            values[built[metric.measure]][metric.query_id] = float(metric.value)
    return values


def mean(values: Mapping[str, float]) -> float:
    """The mean over queries, summed in trec_eval's order (query ids as strings), so that the last digit is its own.

    Raises ValueError when there is no query.
    """
    if not values:
        raise ValueError("the mean over no query is not defined")
    total = 0.0
    for query_id in sorted(values):
        total += values[query_id]
    return total / len(values)
