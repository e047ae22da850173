"""The section on checkpoints: what each rule of choice gains, and what predicts a gain."""

from __future__ import annotations

from strop.records import formats
from strop.records.exhibits.checkpoints import Checkpoints, Estimate
from strop.report import tables


def section(exhibit: Checkpoints) -> tuple[str, tuple[tables.Table, ...]]:
    """(what was compared, the tables)."""
    compared = (
        f"{exhibit.runs} runs on {', '.join(exhibit.collections)}, kept at five updates each, in RR@10. The "
        "oracle chooses on one half of the test queries, and everything is scored on the other. A diagnostic must "
        "predict recipe families and collections that it was not fitted on, beat what is known without looking, and "
        "stay resolved after Holm's correction."
    )
    return compared, (_rules(exhibit), _predictors(exhibit))


def _rules(exhibit: Checkpoints) -> tables.Table:
    rows = tuple(
        (r.rule, _estimate(r.gain), _estimate(r.regret), _estimate(r.over_baseline), r.verdict) for r in exhibit.rules
    )
    columns = ("Rule", "Gain over the base", "Short of the oracle", "Against the last", "Verdict")
    return tables.Table("Which checkpoint to keep", columns, rows, (False, True, True, True, False))


def _estimate(of: Estimate) -> str:
    return f"{formats.signed(of.mean)}\n{formats.interval(of.low, of.high, signs=True)}"


def _predictors(exhibit: Checkpoints) -> tables.Table:
    rows = tuple(
        (
            f"{p.name.removeprefix('geometry/')}{', known without looking' if p.trivial else ''}",
            *map(formats.fixed, (p.spearman, p.r2_family, p.r2_collection, p.auc_family, p.auc_collection)),
            formats.p_value(p.p_holm),
            p.verdict.split(" (")[0],
        )
        for p in sorted(exhibit.predictors, key=lambda p: -p.r2_family)
    )
    columns = (
        "Diagnostic", "Spearman", "R², new family", "R², new collection", "AUC worse, new family",
        "AUC worse, new collection", "p (Holm)", "Verdict",
    )  # fmt: skip
    return tables.Table("What predicts a gain over the base", columns, rows, (False, *(True,) * 6, False))
