"""The section on checkpoints: what each rule of choice gains, and what predicts a gain.

Reads the exhibit that `checkpoints.compare` makes: {rules, predictors, runs, collections}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strop.records import formats
from strop.report import tables


def section(exhibit: Mapping[str, Any]) -> tuple[str, tuple[tables.Table, ...]] | None:
    """(what was compared, the tables); None where nothing was."""
    if not exhibit:
        return None
    said = (
        f"{exhibit['runs']} runs on {', '.join(exhibit['collections'])}, kept at five updates each, in RR@10. The "
        "oracle chooses on one half of the test queries, and everything is scored on the other. A diagnostic must "
        "predict recipe families and collections that it was not fitted on, beat what is known without looking, and "
        "stay resolved after Holm's correction."
    )
    return said, (_rules(exhibit), _predictors(exhibit))


def _rules(exhibit: Mapping[str, Any]) -> tables.Table:
    rows = tuple(
        (r["rule"], *(_estimate(r[key]) for key in ("gain", "regret", "over_baseline")), r["verdict"])
        for r in exhibit["rules"]
    )
    columns = ("Rule", "Gain over the base", "Short of the oracle", "Against the last", "Verdict")
    return tables.Table("Which checkpoint to keep", columns, rows, (False, True, True, True, False))


def _estimate(value: Mapping[str, float]) -> str:
    return f"{formats.signed(value['mean'])}\n{formats.interval(value['low'], value['high'], signs=True)}"


def _predictors(exhibit: Mapping[str, Any]) -> tables.Table:
    keys = ("spearman", "r2_family", "r2_collection", "auc_family", "auc_collection")
    rows = tuple(
        (
            f"{p['name'].removeprefix('geometry/')}{', known without looking' if p['trivial'] else ''}",
            *(formats.fixed(p[key]) for key in keys),
            formats.p_value(p["p_holm"]) if p["p_holm"] is not None else formats.DASH,
            p["verdict"].split(" (")[0],
        )
        for p in sorted(exhibit["predictors"], key=lambda p: -p["r2_family"])
    )
    columns = (
        "Diagnostic", "Spearman", "R², new family", "R², new collection", "AUC worse, new family",
        "AUC worse, new collection", "p (Holm)", "Verdict",
    )  # fmt: skip
    return tables.Table("What predicts a gain over the base", columns, rows, (False, *(True,) * 6, False))
