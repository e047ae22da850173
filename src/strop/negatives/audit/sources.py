"""Sources of negatives side by side: from which ranks, how many, how many false, and what their union trains on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strop.negatives.audit.calibration import Calibration
from strop.negatives.audit.false_negatives import false_negative_report
from strop.negatives.audit.tally import MINED, RANK_BINS, Tally
from strop.negatives.filters import Scores
from strop.negatives.union import lacking, rows
from strop.records.documents import Group
from strop.records.errors import InputError

_RANKS = (*(f"{low}–{high}" for low, high in RANK_BINS), "no or later rank")


@dataclass(frozen=True, slots=True)
class Source:
    """A named source's groups, and the calibrations of estimators on negatives that were mined the same way."""

    name: str
    groups: Sequence[Group]
    calibrations: Sequence[Calibration] = ()


def source_report(sources: Sequence[Source], scores: Mapping[str, Scores]) -> dict[str, Any]:
    """Each source, and the union of their rows, as values ready for JSON.

    For each: `rows`, `queries`, `negatives`, `distinct` documents among them, `ranks` (a count for each of RANK_BINS,
    and one for those without a rank up to 1,000); of a source also `false_negatives`, what `false_negative_report`
    says by its calibrations. `union`: also `times`, its rows over those of the largest source; `repeated`, its
    (query, negative) pairs beyond the first of each; `lacking`, for each source the queries that only others have.
    `scores` are what the calibrated estimators read. Raises InputError without a source or without negatives.
    """
    if not sources:
        raise InputError("there is no source of negatives", remedy="Give one or more")
    parts = [source.groups for source in sources]
    joined = rows(parts)
    pairs = Counter((group.query_id, d) for group in joined for d in group.negatives)
    return {
        "bins": [list(ends) for ends in RANK_BINS],
        "sources": {
            source.name: _counts(source.groups)
            | {"false_negatives": false_negative_report(source.groups, scores, source.calibrations)}
            for source in sources
        },
        "union": _counts(joined)
        | {
            "times": len(joined) / max(map(len, parts)),
            "repeated": pairs.total() - len(pairs),
            "lacking": dict(zip((source.name for source in sources), lacking(parts), strict=True)),
        },
    }


def table(report: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Columns and rows of text: a row for each source and one for the union, where it is of several.

    A column for each estimator has the estimated share of false negatives with its 95 % interval; "no estimate" where
    its flags meant nothing in calibration, "not calibrated" where there was none for the source.
    """
    named: Mapping[str, Any] = report["sources"]
    estimators = tuple(
        dict.fromkeys(e["estimator"] for said in named.values() for e in said["false_negatives"]["estimates"])
    )
    columns = ("source", "rows", "queries", "negatives", "distinct", *(f"ranks {r}" for r in _RANKS[:-1]), _RANKS[-1])
    lines = [(name, *_cells(said), *_estimates(said, estimators)) for name, said in named.items()]
    if len(named) > 1:
        union = report["union"]
        lines.append((f"union: {union['times']:.2f} × the rows", *_cells(union), *("" for _ in estimators)))
    return (*columns, *(f"false negatives: {estimator}" for estimator in estimators)), tuple(lines)


def _counts(groups: Sequence[Group]) -> dict[str, Any]:
    ranks = Tally.of(groups, [(False,) * len(g.negatives) for g in groups]).counts[:, :, MINED].sum(axis=0)
    return {
        "rows": len(groups),
        "queries": len({g.query_id for g in groups}),
        "negatives": sum(len(g.negatives) for g in groups),
        "distinct": len({d for g in groups for d in g.negatives}),
        "ranks": ranks.tolist(),
    }


def _cells(said: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{n:,}" for n in (*(said[k] for k in ("rows", "queries", "negatives", "distinct")), *said["ranks"]))


def _estimates(said: Mapping[str, Any], estimators: Sequence[str]) -> tuple[str, ...]:
    found = {e["estimator"]: e for e in said["false_negatives"]["estimates"]}
    return tuple(_estimate(found.get(estimator)) for estimator in estimators)


def _estimate(said: Mapping[str, Any] | None) -> str:
    if said is None:
        return "not calibrated"
    share = said["estimated"]
    if not said["calibration"]["informs"] or share["low"] is None:
        return "no estimate"
    return f"{share['share']:.1%} ({share['low']:.1%} to {share['high']:.1%})"
