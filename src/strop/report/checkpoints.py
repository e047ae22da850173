"""The section on checkpoints: what each rule of choice gains, and what predicts a gain."""

from __future__ import annotations

from strop.records import formats
from strop.records.exhibits.checkpoints import Checkpoints, Estimate, PredictorAbout, RuleAbout
from strop.report.tables import Columns, Table, table


def section(exhibit: Checkpoints) -> tuple[str, tuple[Table, ...]]:
    """(what was compared, the tables)."""
    compared = (
        f"{exhibit.runs} runs on {', '.join(exhibit.collections)}, kept at five updates each, in RR@10. The "
        "oracle chooses on one half of the test queries, and everything is scored on the other. A diagnostic must "
        "predict recipe families and collections that it was not fitted on, beat what is known without looking, and "
        "stay resolved after Holm's correction."
    )
    rules: Columns[RuleAbout] = {
        "Rule": lambda r: r.rule,
        "Gain over the base": lambda r: _estimate(r.gain),
        "Short of the oracle": lambda r: _estimate(r.regret),
        "Against the last": lambda r: _estimate(r.over_baseline),
        "Verdict": lambda r: r.verdict,
    }
    predictors: Columns[PredictorAbout] = {
        "Diagnostic": lambda p: f"{p.name.removeprefix('geometry/')}{', known without looking' if p.trivial else ''}",
        "Spearman": lambda p: formats.fixed(p.spearman),
        "R², new family": lambda p: formats.fixed(p.r2_family),
        "R², new collection": lambda p: formats.fixed(p.r2_collection),
        "AUC worse, new family": lambda p: formats.fixed(p.auc_family),
        "AUC worse, new collection": lambda p: formats.fixed(p.auc_collection),
        "p (Holm)": lambda p: formats.p_value(p.p_holm),
        "Verdict": lambda p: p.verdict.split(" (")[0],
    }
    best_first = sorted(exhibit.predictors, key=lambda p: -p.r2_family)
    return compared, (
        table("Which checkpoint to keep", exhibit.rules, rules, text=("Verdict",)),
        table("What predicts a gain over the base", best_first, predictors, text=("Verdict",)),
    )


def _estimate(of: Estimate) -> str:
    return f"{formats.signed(of.mean)}\n{formats.interval(of.low, of.high, signs=True)}"
