"""Sources of negatives compared: how many, from which ranks, how many false, and what their union trains on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strop.negatives.audit.calibration import Calibration
from strop.negatives.audit.false_negatives import false_negative_report
from strop.negatives.audit.tally import MINED, RANK_BINS, Share, Tally
from strop.negatives.filters import Scores
from strop.negatives.union import rows
from strop.records.documents import Group
from strop.records.errors import InputError


@dataclass(frozen=True, slots=True)
class Source:
    """A named source's groups, and calibrations of estimators on negatives that were mined in the same way."""

    name: str
    groups: Sequence[Group]
    calibrations: Sequence[Calibration] = ()


def table(
    sources: Sequence[Source], scores: Mapping[str, Scores]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Columns and rows of text: one row per source, and one for the union of the rows of several.

    The columns count rows, queries, negatives, distinct documents among these, and ranks. One per estimator has the
    estimated share of false negatives with its 95 % interval; "no estimate" where its flags carried no information in
    calibration, "not calibrated" where the source has no calibration. `scores` are those that the calibrated estimators
    use. Raises InputError when there is no source, or one has no negatives.
    """
    if not sources:
        raise InputError("there is no source of negatives", remedy="Give one or more")
    reports = [false_negative_report(source.groups, scores, source.calibrations) for source in sources]
    by_source = [{e["estimator"]: e for e in report["estimates"]} for report in reports]
    estimators = tuple(dict.fromkeys(estimator for estimates in by_source for estimator in estimates))
    lines = [
        (source.name, *_counts(source.groups), *(_share(estimates.get(estimator)) for estimator in estimators))
        for source, estimates in zip(sources, by_source, strict=True)
    ]
    if len(sources) > 1:
        joined = rows([source.groups for source in sources])
        times = len(joined) / max(len(source.groups) for source in sources)
        lines.append((f"union: {times:.2f} × the rows", *_counts(joined), *("" for _ in estimators)))
    ranks = (*(f"ranks {low}–{high}" for low, high in RANK_BINS), "no or later rank")
    false = (f"false negatives: {estimator}" for estimator in estimators)
    return ("source", "rows", "queries", "negatives", "distinct", *ranks, *false), tuple(lines)


def _counts(groups: Sequence[Group]) -> tuple[str, ...]:
    negatives = [d for group in groups for d in group.negatives]
    ranks = Tally.of(groups, [(False,) * len(g.negatives) for g in groups]).counts[:, :, MINED].sum(axis=0)
    numbers = len(groups), len({g.query_id for g in groups}), len(negatives), len(set(negatives)), *ranks.tolist()
    return tuple(f"{number:,}" for number in numbers)


def _share(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None:
        return "not calibrated"
    share = Share(*estimate["estimated"].values())
    return str(share) if estimate["informs"] and share.low is not None else "no estimate"
