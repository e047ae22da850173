"""Sources of negatives compared: how many, from which ranks, how many false, and what their union trains on."""

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
    """A named source's groups, and calibrations of estimators on negatives that were mined in the same way."""

    name: str
    groups: Sequence[Group]
    calibrations: Sequence[Calibration] = ()


def source_report(sources: Sequence[Source], scores: Mapping[str, Scores]) -> dict[str, Any]:
    """Each source, and the union of their rows, as values ready for JSON.

    Each has `rows`, `queries`, `negatives`, the number of `distinct` documents among them, and `ranks` (a count for
    each of RANK_BINS, and one for those without a rank up to 1,000); a source also `false_negatives`, the
    `false_negative_report` by its calibrations. The union also has `times`, its rows over those of the largest source;
    `repeated`, its (query, negative) pairs beyond the first of each; and `lacking`, for each source the number of
    queries that only others have. `scores` are those that the calibrated estimators use. Raises InputError when there
    is no source, or one has no negatives.
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
    """Columns and rows of text: one row per source, and one for the union of several.

    One column per estimator has the estimated share of false negatives with its 95 % interval; "no estimate" where its
    flags carried no information in calibration, "not calibrated" where the source has no calibration.
    """
    named: Mapping[str, Any] = report["sources"]
    estimators = tuple(
        dict.fromkeys(e["estimator"] for counts in named.values() for e in counts["false_negatives"]["estimates"])
    )
    columns = ("source", "rows", "queries", "negatives", "distinct", *(f"ranks {r}" for r in _RANKS[:-1]), _RANKS[-1])
    lines = [(name, *_cells(counts), *_estimates(counts, estimators)) for name, counts in named.items()]
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


def _cells(counts: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = *(counts[k] for k in ("rows", "queries", "negatives", "distinct")), *counts["ranks"]
    return tuple(f"{n:,}" for n in numbers)


def _estimates(counts: Mapping[str, Any], estimators: Sequence[str]) -> tuple[str, ...]:
    by_estimator = {e["estimator"]: e for e in counts["false_negatives"]["estimates"]}
    return tuple(_estimate(by_estimator.get(estimator)) for estimator in estimators)


def _estimate(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None:
        return "not calibrated"
    share = estimate["estimated"]
    if not estimate["calibration"]["informs"] or share["low"] is None:
        return "no estimate"
    return f"{share['share']:.1%} ({share['low']:.1%} to {share['high']:.1%})"
