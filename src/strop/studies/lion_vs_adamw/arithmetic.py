"""Open questions about the printed figures, recomputed from the figures themselves (O1, O3, O4, O10 to O12)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from strop.records import formats
from strop.studies.figures import is_rounded
from strop.studies.lion_vs_adamw.published import MEASURES, QUERIES, Row, listed, memory, public, rows
from strop.study.open_questions import Evidence, Grid
from strop.training.optimizers import AdamW, Lion

#: "improving utilization by 2.67% to 10.33% across models", abstract.
ABSTRACT = (2.67, 10.33)
#: Parameters as printed.
SIZES = {"MiniLM": 33e6, "GTE": 305e6, "ModernBERT": 149e6}
#: Memory of an L40S, the published launcher's card, as torch reports it, in GiB.
CARD = 44.4
_GIB = 2**30
#: What their evaluation counted as relevant; the judgments of TREC DL 2019's passage task at grades 1 and 2 or more.
COUNTED = 4_102
JUDGED = {1: 4_102, 2: 2_501}
#: nDCG@10 of two public neural systems (TAS-B, SPLADE++) on TREC DL 2019's 43 queries: SD over queries of each (0.220
#: and 0.209), and their correlation over queries. Their difference has SD 0.122.
SD, CORRELATION = 0.21, 0.84
RESAMPLES = 4_000


def memory_not_use(bench: object) -> Evidence:
    """O1. The "utilisation" is memory that was allocated; what one moment less is of it."""
    allocated = memory()
    moment = {name: _moment(size) / _GIB for name, size in SIZES.items()}
    points = {name: 100 * gib / CARD for name, gib in moment.items()}
    saved = {name: m.adamw - m.lion for name, m in allocated.items()}
    lowest, highest = (end(m.reduction for m in allocated.values()) for end in (min, max))
    fit = all(is_rounded(m.printed, m.reduction, 2) for m in allocated.values())
    table = Grid(
        "Memory allocated, percent of the card",
        (
            "model", "AdamW", "Lion", "reduction", "printed", "points saved", "a moment, GiB",
            "a moment, points",
        ),
        tuple(
            (
                name, formats.fixed(m.adamw, 2), formats.fixed(m.lion, 2), formats.fixed(m.reduction, 2),
                formats.fixed(m.printed, 2), formats.fixed(saved[name], 2), formats.fixed(moment[name], 2),
                formats.fixed(points[name], 2),
            )
            for name, m in allocated.items()
        ),
    )  # fmt: skip
    return Evidence(
        "shown" if fit and all(saved[n] > points[n] for n in allocated) else "not shown",
        f"The printed improvements of utilisation, {ABSTRACT[0]} % to {ABSTRACT[1]} %, are reductions of the share of "
        f"memory that was allocated: {lowest:.2f} % to {highest:.2f} % recomputed. Lion keeps one float32 moment "
        f"instead of two, which spares {_each(moment, 2)} GiB ({', '.join(moment)}), {_each(points, 1)} points of a "
        f"card of {CARD} GiB; {_each(saved, 1)} points were observed, so most of it has another cause. How busy the "
        f"GPU was is not in these figures.",
        (table,),
    )


def grade_one(bench: object) -> Evidence:
    """O3. What was retrieved and relevant is more than there is at grade 2; counted in the collection here as well."""
    retrieved = {row.label: 1000 * row.more["P@1000"] * QUERIES for row in rows()}
    least = min(retrieved.values()) - 0.05 * QUERIES  # four decimals of P@1000 are a twentieth of a document a query
    recall = next(iter(rows())).more["R@1000"]
    counts = {"TREC DL 2019, passages": JUDGED, **_counted(bench)}
    here = "".join(
        f" {name} here has {per[1]:,} at grade 1 or more and {per[2]:,} at grade 2 or more."
        for name, per in list(counts.items())[1:]
    )
    table = Grid(
        "Relevant judgments",
        ("collection", "grade 1 or more", "grade 2 or more"),
        tuple((name, f"{per[1]:,}", f"{per[2]:,}") for name, per in counts.items()),
    )
    return Evidence(
        "shown" if least > JUDGED[2] and JUDGED[1] == COUNTED else "not shown",
        f"The printed P@1000 means {min(retrieved.values()):,.0f} relevant passages retrieved for {QUERIES} queries; "
        f"at grade 2, which the track takes for relevant, there are {JUDGED[2]:,} in all. The evaluation counted "
        f"{COUNTED:,}, those of grade 1 or more, so MAP, R-Prec, P@10 and recall ({recall} at 1,000) are of a laxer "
        f"question than the track's; nDCG is not touched.{here}",
        (table,),
    )


def main_table_and_evaluation(bench: object) -> Evidence:
    """O4. The main table against the evaluation's own figures, and both against the appendix."""
    wrong = [(row, name) for row in rows() for name in MEASURES if _differs(row, name)]
    groups = {
        f"{model} {optimizer}": [r for r in rows() if (r.model, r.optimizer) == (model, optimizer)]
        for model, optimizer in dict.fromkeys((r.model, r.optimizer) for r in rows())
    }
    inside = {
        kind: sum(_between(getattr(r, kind)["ndcg10"], r.more["ndcg@5"], r.more["ndcg@20"]) for r in rows())
        for kind in ("printed", "written")
    }
    falling = [r.written["ndcg10"] for r in groups["GTE Lion"]]
    printed = [r.printed["ndcg10"] for r in groups["GTE Lion"]]
    total = len(rows()) * len(MEASURES)
    table = Grid(
        "Cells of three epochs that differ",
        ("training", *MEASURES.values()),
        tuple(
            (name, *(str(sum(_differs(row, m) for row in group)) for m in MEASURES)) for name, group in groups.items()
        ),
    )
    return Evidence(
        "shown" if wrong else "not shown",
        f"{len(wrong)} of the main table's {total} cells are not the evaluation's figures by more than rounding. In "
        f"the evaluation GTE with Lion falls from {falling[0]:.4f} to {falling[-1]:.4f}; printed is {printed[0]:.4f} "
        f"to {printed[-1]:.4f}. nDCG@10 lies between the appendix's nDCG@5 and nDCG@20 in {inside['written']} of "
        f"{len(rows())} rows as evaluated and in {inside['printed']} as printed. The evaluation's figures serve as the "
        f"reference.",
        (table,),
    )


def best_of_eighteen(bench: object) -> Evidence:
    """O10. The best of 18 equal systems on 43 queries, by simulation."""
    values = sorted((row.written["ndcg10"] for row in rows()), reverse=True)
    lead, width = values[0] - values[1], values[0] - values[-1]
    equal = {r: _equal_systems(SD, r, len(values)) for r in (0.0, 0.5, CORRELATION, 0.95)}
    luck, gap, spread, _ = equal[CORRELATION]
    half = 1.96 * SD * math.sqrt(2 * (1 - CORRELATION) / QUERIES)
    table = Grid(
        f"{len(values)} equal systems, {QUERIES} queries, SD {SD}",
        ("correlation", "best above the mean", "best above the second", "range", f"lead of {lead:.4f} or less"),
        tuple(
            (
                formats.fixed(r, 2), formats.fixed(a, 4), formats.fixed(b, 4), formats.fixed(c, 4),
                formats.percent(d),
            )
            for r, (a, b, c, d) in equal.items()
        ),
    )  # fmt: skip
    return Evidence(
        "shown" if lead < half else "not shown",
        f"The best of {len(values)} rows leads the second by {lead:.4f} nDCG@10 on {QUERIES} queries. With an SD over "
        f"queries of {SD} and a correlation of {CORRELATION} between systems, the best of {len(values)} equal systems "
        f"is {luck:.3f} above their mean by luck alone and leads by {gap:.4f} on average; a difference of two is known "
        f"to ±{half:.3f}. All {len(values)} span {width:.3f}, where equal ones would span {spread:.3f}: some rows "
        f"do differ, but the first place is not one of the differences.",
        (table,),
    )


def cut_not_rounded(bench: object) -> Evidence:
    """O11. MRR@10 as printed against six decimals: the tie comes from cutting one figure and rounding the other."""
    whole = {row: row.written["mrr10"] for row in rows()}
    cut = [row for row, value in whole.items() if abs(row.printed["mrr10"] - round(value, 4)) > 1e-9]
    tied = [row for row in rows() if row.printed["mrr10"] == max(r.printed["mrr10"] for r in rows())]
    low, high = (end(whole[row] for row in tied) for end in (min, max))
    models = sorted({row.model for row in cut})
    are_cut = f"{len(cut)}, all of {' and '.join(models)}, are cut after four decimals" if cut else "none is cut"
    table = Grid(
        "MRR@10, own passages",
        ("row", "printed", "as evaluated", "rounded"),
        tuple(
            (r.label, f"{r.printed['mrr10']:.4f}", f"{v:.6f}", f"{v:.4f}")
            for r, v in whole.items()
            if r in cut or r in tied
        ),
    )
    return Evidence(
        "shown" if cut and round(low, 4) != round(high, 4) else "not shown",
        f"The tie at {tied[0].printed['mrr10']:.4f} is {low:.6f} and {high:.6f}, which round to {low:.4f} and "
        f"{high:.4f}. {len(rows()) - len(cut)} of {len(rows())} printed MRR@10 are rounded; {are_cut}. "
        f"Neither a tie nor a lead of {high - low:.6f} is shown by one training each.",
        (table,),
    )


def missing_references(bench: object) -> Evidence:
    """O12. Public cross-encoders of MiniLM's own size beside all 18 rows."""
    best = max(row.written["ndcg10"] for row in rows())
    beaten = {name: sum(row.written["ndcg10"] < dl19 for row in rows()) for name, (dl19, _) in public().items()}
    over = [name for name, count in beaten.items() if count == len(rows())]
    listed_too = listed().keys() & over
    values = sorted(public()[name][0] for name in over)
    which = f" ({', '.join(over)}) are printed at {values[0]:.4f} to {values[-1]:.4f}" if over else " are"
    table = Grid(
        "Public models",
        ("model", "nDCG@10", "rows below it", "MRR@10, MS MARCO dev"),
        tuple((n, f"{dl19:.4f}", str(beaten[n]), f"{dev:.4f}") for n, (dl19, dev) in public().items()),
    )
    return Evidence(
        "shown" if over and not listed_too else "not shown",
        f"{len(over)} public cross-encoders{which} nDCG@10 on TREC DL 2019, above all {len(rows())} rows, whose best "
        f"is {best:.4f}; the table of references has {len(listed_too) or 'none'} of them. Candidate "
        f"lists may differ: only the same candidates for all would settle it.",
        (table,),
    )


def _moment(parameters: float) -> float:
    """Bytes by which AdamW's state is larger than Lion's for one float32 tensor of so many numbers, its count aside."""
    with torch.device("meta"):
        weight = nn.Parameter(torch.empty(int(parameters)))
    return AdamW().state_bytes([weight]) - 4 - Lion().state_bytes([weight])


def _counted(bench: Any) -> dict[str, dict[int, int]]:
    """Relevant judgments by least grade in the workbench's collection, where there is one with graded judgments."""
    if bench is None:
        return {}
    whole = bench.own.whole
    grades = [grade for judged in whole.qrels.values() for grade in judged.values()]
    return {f"{whole.name}/{whole.split}": {least: sum(g >= least for g in grades) for least in JUDGED}}


def _differs(row: Row, name: str) -> bool:
    """By more than rounding or cutting to four decimals explains."""
    return abs(row.printed[name] - row.written[name]) > 1.01e-4


def _between(value: float, a: float, b: float) -> bool:
    return min(a, b) <= value <= max(a, b)


def _equal_systems(sd: float, correlation: float, systems: int) -> tuple[float, float, float, float]:
    """Of equal systems' means over the queries: best above mean, best above second, range, share of leads as printed.

    What a query does to all systems alike moves no difference between them and is left out.
    """
    rng = np.random.default_rng(0)
    noise = rng.normal(0.0, sd * math.sqrt(1 - correlation), (RESAMPLES, systems, QUERIES)).mean(axis=2)
    ordered = np.sort(noise, axis=1)
    best = ordered[:, -1]
    gap = best - ordered[:, -2]
    figures = (best - ordered.mean(axis=1)).mean(), gap.mean(), (best - ordered[:, 0]).mean(), (gap <= 1.0001e-4).mean()
    return tuple(map(float, figures))  # type: ignore[return-value]


def _each(values: dict[str, float], decimals: int) -> str:
    return ", ".join(f"{value:.{decimals}f}" for value in values.values())
