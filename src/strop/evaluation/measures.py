"""The measures in use, per query and as a mean, with the values trec_eval prints; scores tie as in its version 9."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set
from itertools import accumulate, compress, count, islice, product

from ir_measures import AP, RR, Bpref, IPrec, Judged, Measure, P, R, Rprec, Success, nDCG
from pytrec_eval import RelevanceEvaluator

from strop.records.documents import Qrels
from strop.records.errors import InputError, excerpt
from strop.records.runs import Run

#: What a table shows unless told otherwise; the first one leads.
MEASURES = ("nDCG@10", "RR@10", "RR@100", "AP", "R@100", "R@1000", "P@10")
#: A geometric mean over queries: it has a value for a run, and none for a query.
GEOMETRIC = "GMAP"

_CUTOFF = "@([1-9][0-9]{0,6})"
_RECALL = r"@(0|1|0\.[0-9]?[1-9])"  # one spelling each; trec_eval knows two decimals
#: Family -> its ir_measures value and what may follow the name. GMAP, which ir_measures lacks, is made of AP.
_FAMILIES: Mapping[str, tuple[Measure, str]] = {
    "nDCG": (nDCG, f"(?:{_CUTOFF})?"),
    "RR": (RR, f"(?:{_CUTOFF})?"),
    "AP": (AP, f"(?:{_CUTOFF})?"),
    "R": (R, _CUTOFF),
    "P": (P, _CUTOFF),
    "Success": (Success, _CUTOFF),
    "Judged": (Judged, _CUTOFF),
    "IPrec": (IPrec, _RECALL),
    "Rprec": (Rprec, "()"),
    "Bpref": (Bpref, "()"),
    GEOMETRIC: (AP, "()"),
}
#: The same as trec_eval names them. Not Judged, which it lacks, and not IPrec, of which it has another.
_TREC_EVAL: Mapping[str, str] = {
    "nDCG": "ndcg_cut", "RR": "recip_rank", "AP": "map_cut", GEOMETRIC: "map", "R": "recall", "P": "P",
    "Success": "success", "Rprec": "Rprec", "Bpref": "bpref",
}  # fmt: skip
_UNTHRESHOLDED = frozenset({"nDCG", "Judged"})
_OTHERS = "Rprec, Bpref, GMAP, Success@5, Judged@10, IPrec@0.1"
_TOGETHER = 64
_LEAST = 1e-5  # trec_eval's floor: one query without an answer must not make a geometric mean 0


def measure(name: str, relevance_level: int = 1) -> Measure:
    """The ir_measures value for a name as papers write it: nDCG@k, RR@k, AP@k (or these uncut), R@k, P@k, Success@k,
    Judged@k, IPrec@recall, Rprec, Bpref; for GMAP it is AP, of which GMAP is the geometric mean.

    `relevance_level` is the least relevance that counts as relevant (trec_eval -l); nDCG is graded and ignores it,
    and so does Judged. The recall of IPrec has at most two decimals. Raises InputError on any other name and on a
    level below 1. Built from objects: ir_measures' own parser uses `ast.Num`, which Python 3.14 no longer has.
    """
    family = name.partition("@")[0]
    value, after = _FAMILIES.get(family, (None, ""))
    if value is None or not (match := re.fullmatch(family + after, name)):
        raise InputError(
            f"measure {excerpt(name)} is not known",
            remedy=f"Known are {', '.join(MEASURES)}, the same with another cutoff, nDCG and RR without one, {_OTHERS}",
        )
    if not 1 <= relevance_level < 10**9:  # grades have nine digits at most
        raise InputError(f"relevance level {excerpt(relevance_level)} is no grade", remedy="Give 1, 2, …")
    if family not in _UNTHRESHOLDED:
        value = value(rel=relevance_level)
    if not match[1]:
        return value
    return value @ (float(match[1]) if family == "IPrec" else int(match[1]))


def evaluate(
    run: Run, qrels: Qrels, measures: Iterable[str] = MEASURES, relevance_level: int = 1
) -> dict[str, dict[str, float]]:
    """Measure name -> query id -> value in [0, 1], for every judged query in the order of `qrels`.

    As trec_eval -c: a judged query that the run lacks scores 0, and so does one without a relevant document; others are
    ignored. Judged@k is the share of the first k documents (of all where there are fewer) with a judgment. GMAP's
    values are those of AP, at least 0.00001: `averaged` knows its mean. IPrec rounds a share of the relevant documents
    as trec_eval 10 does; up to 9, and in ir_measures, it is rounded up. Raises InputError as `measure` does.
    """
    names = tuple(dict.fromkeys(measures))
    for name in names:
        measure(name, relevance_level)
    provided = {name: _as_trec_eval(name) for name in names if name.partition("@")[0] in _TREC_EVAL}
    shares = {name: int(name.partition("@")[2]) for name in names if name.startswith(Judged.NAME)}
    values = {name: {query_id: 0.0 for query_id, judged in qrels.items() if judged} for name in names}
    # A negative relevance (trec_eval: pooled but not judged) upsets the provider. Relevance 0 matters to Bpref.
    pooled = {q: {d: int(r) for d, r in of_query.items() if r >= 0} for q, of_query in qrels.items()}
    judged = {q: of_query for q, of_query in pooled.items() if of_query}
    for some in parts([q for q in judged if q in run]):
        # What no document is judged below changes nothing but the shares of judged documents.
        retrieved = {q: run[q].doc_ids if shares else _to_last_judged(run[q].doc_ids, judged[q]) for q in some}
        # Ranks instead of scores: the order is decided, and the provider does not get to break a tie its own way.
        ranks = list(islice(count(0.0, -1.0), max(map(len, retrieved.values()))))
        ranked = {q: dict(zip(ids, ranks, strict=False)) for q, ids in retrieved.items() if ids}
        if provided:
            evaluator = RelevanceEvaluator({q: judged[q] for q in ranked}, set(provided.values()), relevance_level)
            for q, of_query in evaluator.evaluate(ranked).items():
                for name, trec_eval_s in provided.items():
                    values[name][q] = of_query[trec_eval_s]
        for (name, cutoff), q in product(shares.items(), ranked):
            first = retrieved[q][:cutoff]
            values[name][q] = sum(d in judged[q] for d in first) / len(first)
        for name, q in product((name for name in names if name.startswith(IPrec.NAME)), ranked):
            relevant = {d for d, r in judged[q].items() if r >= relevance_level}
            values[name][q] = _interpolated(retrieved[q], relevant, float(name.partition("@")[2]))
    for name in (name for name in names if name.startswith("RR@")):
        values[name] = {q: value if value >= 1 / int(name[3:]) else 0.0 for q, value in values[name].items()}
    if GEOMETRIC in values:
        values[GEOMETRIC] = {q: max(value, _LEAST) for q, value in values[GEOMETRIC].items()}
    return values


def _as_trec_eval(name: str) -> str:
    """Its name for a measure. For RR@k that of RR, which is it where that is 1/k or more."""
    family, _, cutoff = name.partition("@")
    if not cutoff or family == RR.NAME:
        return _TREC_EVAL[family].removesuffix("_cut")
    return f"{_TREC_EVAL[family]}_{cutoff}"


def parts(query_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """A few queries at a time, so that what a provider makes of their rankings stays small."""
    return (query_ids[start : start + _TOGETHER] for start in range(0, len(query_ids), _TOGETHER))


def _to_last_judged(doc_ids: Sequence[str], judged: Container[str]) -> Sequence[str]:
    return doc_ids[: max(compress(count(1), map(judged.__contains__, doc_ids)), default=0)]


def _interpolated(doc_ids: Sequence[str], relevant: Set[str], recall: float) -> float:
    """The highest precision from the rank on at which this share of the relevant documents is found, else 0."""
    needed = math.floor(recall * len(relevant) + 0.5)
    retrieved = enumerate(accumulate(doc_id in relevant for doc_id in doc_ids), start=1)
    return max((found / rank for rank, found in retrieved if found >= needed), default=0.0)


def averaged(name: str, values: Mapping[str, float]) -> float:
    """The figure of a run under a measure: the mean of its queries' values, for GMAP the geometric one.

    Raises ValueError when there is no query. Source of GMAP: Robertson, "On GMAP", CIKM 2006.
    """
    if name != GEOMETRIC:
        return mean(values)
    return math.exp(mean({query_id: math.log(value) for query_id, value in values.items()}))


def per_query(measures: Iterable[str]) -> tuple[str, ...]:
    """The measures, each once. Raises InputError on one that has no value for a query."""
    names = tuple(dict.fromkeys(measures))
    if GEOMETRIC in names:
        raise InputError(
            f"{GEOMETRIC} is a geometric mean over queries, and has no value of one query to keep or to pair",
            remedy="Use AP, or evaluate a single run",
        )
    return names


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
