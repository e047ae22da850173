"""Does figure 5.1 show degradation? Its UMAP pictures beside other seeds, unit vectors and one joint fit (T18)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Literal

import numpy as np
import scipy  # type: ignore[import-untyped]

from strop.records import formats
from strop.records.exhibits.projection import Projection, ProjectionOverlap, VectorsAbout
from strop.studies.when_finetuning_fails.pictures import FITS, JOINT, PAPER, UNIT
from strop.study.open_questions import Evidence, Grid

Fit = tuple[str, bool]
Look = Literal["less clumped", "more clumped", "not told apart"]

_COLUMNS = (
    "system", "{measure}", "length", "alignment", "uniformity", "effective rank", "trustworthiness",
    "clumping, the paper's fit", "clumping, unit vectors", "clumping, joint fit",
    "neighbours kept under another seed", "shared with the base's under another seed",
)  # fmt: skip
#: Numbers whose order over the systems is held against that of their quality.
_TRIED = 4 + len(FITS)
#: More orders of the systems than these are not counted out one by one.
_COUNTED = 8


def judge(projection: Projection, quality: Mapping[str, float], measure: str) -> Evidence:
    """What the pictures say to the paper's interpretation of them; `quality`: system -> its mean of `measure`.

    Shown where the paper's pictures of no tuned model differ from the base's more than seeds do, or where unit
    vectors or the joint fit change what a tuned model looks like beside the base. Not resolved otherwise.
    """
    tuned = [row.system for row in projection.table if row.system != projection.baseline]
    read = {fit: looks(projection, fit) for fit in FITS}
    apart = [system for system in tuned if differs(projection, system)]
    changed = [system for system in tuned if any(read[fit][system] != read[PAPER][system] for fit in (UNIT, JOINT))]
    kept = [_overlap(projection, system).seed_overlap for system in (projection.baseline, *tuned)]
    shared = [_overlap(projection, system).model_overlap for system in tuned]
    numbers = {row.system: _numbers(projection, row) for row in projection.table}
    measured = [(quality[system], of_system) for system, of_system in numbers.items() if system in quality]
    table = Grid(
        f"Figure 5.1's models on {projection.pairs} pairs",
        tuple(column.format(measure=measure) for column in _COLUMNS),
        (*(_row(projection, row, quality) for row in projection.table), _correlations(measured)),
    )
    return Evidence(
        "shown" if changed or not apart else "not resolved",
        f"In the paper's fit {_counted(read[PAPER])}, in one joint fit of unit vectors {_counted(read[JOINT])}; "
        f"the look of {len(changed)} of {len(tuned)} changes with the fit. A picture keeps "
        f"{formats.percent(min(kept), 0)} to {formats.percent(max(kept), 0)} of its neighbourhoods under another seed, "
        f"a tuned model's shares {formats.percent(min(shared), 0)} to {formats.percent(max(shared), 0)} with the "
        f"base's: {len(apart)} of {len(tuned)} differ from it by more than a seed. {_remark(len(measured), measure)}",
        (table,),
    )


def looks(projection: Projection, fit: Fit) -> dict[str, Look]:
    """Per tuned system, how its pictures look beside the base's; told apart where no seed of one reaches the other."""
    clumping = {row.system: of_seeds(projection, fit, row.system, "clumping") for row in projection.table}
    base = clumping.pop(projection.baseline)
    return {
        system: "less clumped"
        if max(ours) < min(base)
        else "more clumped"
        if min(ours) > max(base)
        else "not told apart"
        for system, ours in clumping.items()
    }


def differs(projection: Projection, system: str) -> bool:
    """Whether the paper's picture of a system shares fewer neighbours with the base's than either does with itself."""
    ours, base = _overlap(projection, system), _overlap(projection, projection.baseline)
    return ours.model_overlap < min(ours.seed_overlap, base.seed_overlap)


def of_seeds(projection: Projection, fit: Fit, system: str, number: str) -> list[float]:
    """A number of a system's pictures under one fit, one value per seed."""
    return [getattr(p, number) for p in projection.panels if (p.fit, p.normalised, p.system) == (*fit, system)]


def spearman(a: Sequence[float], b: Sequence[float]) -> tuple[float, float | None]:
    """Rank correlation in [-1, 1], and its exact two-sided p over all orders, None above 8 values.

    0 and 1 where one of the two does not vary.
    """
    if not (np.ptp(a) and np.ptp(b)):
        return 0.0, 1.0
    rho = float(scipy.stats.spearmanr(a, b).statistic)
    if len(a) > _COUNTED:
        return rho, None
    one, other = (ranks - ranks.mean() for ranks in (scipy.stats.rankdata(a), scipy.stats.rankdata(b)))
    every = np.abs(np.array(list(permutations(other))) @ one)
    return rho, float((every >= abs(other @ one) - 1e-9).mean())


def _overlap(projection: Projection, system: str) -> ProjectionOverlap:
    return next(r for r in projection.overlaps if (r.fit, r.normalised, r.system) == (*PAPER, system))


def _counted(read: Mapping[str, Look]) -> str:
    less, more, same = (list(read.values()).count(k) for k in ("less clumped", "more clumped", "not told apart"))
    return f"{less} of {len(read)} tuned models look less clumped than the base, {more} more and {same} alike"


def _numbers(projection: Projection, row: VectorsAbout) -> tuple[float, ...]:
    """The numbers of one system that may or may not go with its quality, in the order of the columns."""
    system = row.system
    return (
        row.alignment,
        row.uniformity_positives,
        row.effective_rank_positives,
        float(np.mean(of_seeds(projection, PAPER, system, "trustworthiness"))),
        *(float(np.mean(of_seeds(projection, fit, system, "clumping"))) for fit in FITS),
    )


def _row(projection: Projection, row: VectorsAbout, quality: Mapping[str, float]) -> tuple[str, ...]:
    system, kept = row.system, _overlap(projection, row.system)
    align, even, rank, trust, *_ = _numbers(projection, row)
    spans = (of_seeds(projection, fit, system, "clumping") for fit in FITS)
    return (
        system,
        formats.fixed(quality.get(system), 4),
        f"{formats.fixed(row.length[0], 2)} ± {formats.fixed(row.length[1], 2)}",
        formats.fixed(align),
        formats.fixed(even),
        formats.fixed(rank, 1),
        formats.fixed(trust),
        *(f"{formats.fixed(min(span))} to {formats.fixed(max(span))}" for span in spans),
        formats.percent(kept.seed_overlap, 0),
        formats.DASH if system == projection.baseline else formats.percent(kept.model_overlap, 0),
    )


def _correlations(measured: Sequence[tuple[float, tuple[float, ...]]]) -> tuple[str, ...]:
    """Of (quality, numbers) per system, each number's rank correlation with quality."""
    cells = [formats.DASH] * _TRIED
    if len(measured) > 2:
        values, numbers = zip(*measured, strict=True)
        cells = [_correlation(column, values) for column in zip(*numbers, strict=True)]
    return (f"rank correlation, n = {len(measured)}", "", "", *cells, "", "")


def _correlation(numbers: Sequence[float], values: Sequence[float]) -> str:
    rho, p = spearman(numbers, values)
    return formats.signed(rho, 2) + (f" (p {formats.p_value(p)})" if p is not None else "")


def _remark(n: int, measure: str) -> str:
    """What a rank correlation over so few systems could resolve at best: 2 of the n! orders are the most extreme."""
    best = min(1.0, 2 / math.factorial(n))
    if best * _TRIED <= 0.05:
        return f"Over {n} systems a rank correlation with {measure} could be resolved."
    return (
        f"Over {n} systems no rank correlation with {measure} resolves anything: a perfect order has p "
        f"{formats.p_value(best)}, and {_TRIED} numbers were tried."
    )
