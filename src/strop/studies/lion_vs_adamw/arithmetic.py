"""Open questions about the printed figures, recomputed from the figures themselves (O1, O3, O4, O10 to O12)."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import torch
from torch import nn

from strop.records import formats
from strop.studies.figures import is_rounded
from strop.studies.lion_vs_adamw.published import MEASURES, QUERIES, Row, find, listed, memory, public, rows
from strop.study.open_questions import Evidence, Grid
from strop.training.optimizers import AdamW, Lion

#: "improving utilization by 2.67% to 10.33% across models", abstract.
ABSTRACT = (2.67, 10.33)
#: Parameters as printed.
SIZES = {"MiniLM": 33e6, "GTE": 305e6, "ModernBERT": 149e6}
#: Memory of an L40S, the published launcher's card, as torch reports it, in GiB.
CARD = 44.4
#: What their evaluation counted as relevant; the judgments of TREC DL 2019's passage task at grades 1 and 2 or more.
COUNTED = 4_102
JUDGED = {1: 4_102, 2: 2_501}
#: nDCG@10 of two public neural systems (TAS-B, SPLADE++) on TREC DL 2019's 43 queries: SD over queries of each (0.220
#: and 0.209), and their correlation over queries. Their difference has SD 0.122.
SD, CORRELATION = 0.21, 0.84
RESAMPLES = 4_000


def memory_not_use(bench: object) -> Evidence:
    """The printed GPU utilisation is the share of memory that was allocated, and most of the difference is not the
    optimiser's state."""
    allocated = memory()
    moment = {name: _moment(size) for name, size in SIZES.items()}
    points = {name: 100 * gib / CARD for name, gib in moment.items()}
    saved = {name: m.adamw - m.lion for name, m in allocated.items()}
    reductions = [m.reduction for m in allocated.values()]
    fit = all(is_rounded(m.printed, m.reduction, 2) for m in allocated.values())
    return Evidence.shown_if(
        fit and all(saved[n] > points[n] for n in allocated),
        f"The printed improvements of utilisation, {ABSTRACT[0]} % to {ABSTRACT[1]} %, are reductions of the share of "
        f"memory that was allocated: {min(reductions):.2f} % to {max(reductions):.2f} % recomputed. Lion keeps one "
        f"float32 moment instead of two, which spares {_each(moment, 2)} GiB ({', '.join(moment)}), {_each(points, 1)} "
        f"points of a card of {CARD} GiB; {_each(saved, 1)} points were observed, so most of it has another cause. How "
        f"busy the GPU was is not in these figures.",
        Grid.of(
            "Memory allocated, percent of the card",
            ("model", "AdamW", "Lion", "reduction", "printed", "points saved", "a moment, GiB", "a moment, points"),
            (
                (name, m.adamw, m.lion, m.reduction, m.printed, saved[name], moment[name], points[name])
                for name, m in allocated.items()
            ),
            decimals=2,
        ),
    )


def grade_one(bench: object) -> Evidence:
    """On TREC DL everything but nDCG counts grade 1 as relevant, where the track starts at grade 2."""
    least = min(row.more["P@1000"] for row in rows()) * 1000 * QUERIES
    rounding = 0.05 * QUERIES  # four decimals of P@1000 are a twentieth of a document a query
    here = _counted(bench)
    counts = {"TREC DL 2019, passages": JUDGED, **here}
    return Evidence.shown_if(
        least - rounding > JUDGED[2] and JUDGED[1] == COUNTED,
        f"The printed P@1000 means {least:,.0f} relevant passages retrieved for {QUERIES} queries; "
        f"at grade 2, which the track takes for relevant, there are {JUDGED[2]:,} in all. The evaluation counted "
        f"{COUNTED:,}, those of grade 1 or more, so MAP, R-Prec, P@10 and recall ({rows()[0].more['R@1000']} at 1,000) "
        f"are of a laxer question than the track's; nDCG is not touched."
        + "".join(
            f" {name} here has {per[1]:,} at grade 1 or more and {per[2]:,} at grade 2 or more."
            for name, per in here.items()
        ),
        Grid.of(
            "Relevant judgments",
            ("collection", "grade 1 or more", "grade 2 or more"),
            ((name, per[1], per[2]) for name, per in counts.items()),
        ),
    )


def main_table_and_evaluation(bench: object) -> Evidence:
    """The main table differs from what its own evaluation wrote."""
    wrong = Counter((r.model, r.optimizer, name) for r in rows() for name in MEASURES if _differs(r, name))
    trainings = dict.fromkeys((row.model, row.optimizer) for row in rows())
    inside = {
        kind: sum(_between(getattr(r, kind)["ndcg10"], r.more["ndcg@5"], r.more["ndcg@20"]) for r in rows())
        for kind in ("printed", "written")
    }
    first, *_, last = find("GTE", "Lion")
    return Evidence.shown_if(
        bool(wrong),
        f"{wrong.total()} of the main table's {len(rows()) * len(MEASURES)} cells are not the evaluation's figures by "
        f"more than rounding. In the evaluation GTE with Lion falls from {first.written['ndcg10']:.4f} to "
        f"{last.written['ndcg10']:.4f}; printed is {first.printed['ndcg10']:.4f} to {last.printed['ndcg10']:.4f}. "
        f"nDCG@10 lies between the appendix's nDCG@5 and nDCG@20 in {inside['written']} of {len(rows())} rows as "
        f"evaluated and in {inside['printed']} as printed. The evaluation's figures serve as the reference.",
        Grid.of(
            "Cells of three epochs that differ",
            ("training", *MEASURES.values()),
            ((" ".join(training), *(wrong[*training, name] for name in MEASURES)) for training in trainings),
        ),
    )


def best_of_eighteen(bench: object) -> Evidence:
    """The best of 18 rows on 43 queries, with one training each, is called the best system."""
    best, second, *_, last = sorted((row.written["ndcg10"] for row in rows()), reverse=True)
    systems, lead = len(rows()), best - second
    equal = {r: _equal_systems(SD, r, systems) for r in (0.0, 0.5, CORRELATION, 0.95)}
    luck, gap, spread, _ = equal[CORRELATION]
    half = 1.96 * SD * math.sqrt(2 * (1 - CORRELATION) / QUERIES)
    return Evidence.shown_if(
        lead < half,
        f"The best of {systems} rows leads the second by {lead:.4f} nDCG@10 on {QUERIES} queries. With an SD over "
        f"queries of {SD} and a correlation of {CORRELATION} between systems, the best of {systems} equal systems "
        f"is {luck:.3f} above their mean by luck alone and leads by {gap:.4f} on average; a difference of two is known "
        f"to ±{half:.3f}. All {systems} span {best - last:.3f}, where equal ones would span {spread:.3f}: some rows "
        f"do differ, but the first place is not one of the differences.",
        Grid.of(
            f"{systems} equal systems, {QUERIES} queries, SD {SD}",
            ("correlation", "best above the mean", "best above the second", "range", f"lead of {lead:.4f} or less"),
            ((formats.fixed(r, 2), *sizes, formats.percent(share)) for r, (*sizes, share) in equal.items()),
            decimals=4,
        ),
    )


def cut_not_rounded(bench: object) -> Evidence:
    """A tie in MRR@10 is one figure cut and the other rounded."""
    printed, whole = ({row: getattr(row, kind)["mrr10"] for row in rows()} for kind in ("printed", "written"))
    cut = [row for row in rows() if abs(printed[row] - round(whole[row], 4)) > 1e-9]
    top = max(printed.values())
    tied = [row for row in rows() if printed[row] == top]
    low, high = (end(whole[row] for row in tied) for end in (min, max))
    models = sorted({row.model for row in cut})
    are_cut = f"{len(cut)}, all of {' and '.join(models)}, are cut after four decimals" if cut else "none is cut"
    return Evidence.shown_if(
        bool(cut) and round(low, 4) != round(high, 4),
        f"The tie at {top:.4f} is {low:.6f} and {high:.6f}, which round to {low:.4f} and {high:.4f}. "
        f"{len(rows()) - len(cut)} of {len(rows())} printed MRR@10 are rounded; {are_cut}. Neither a tie nor a lead of "
        f"{high - low:.6f} is shown by one training each.",
        Grid.of(
            "MRR@10, own passages",
            ("row", "printed", "as evaluated", "rounded"),
            (
                (row.label, printed[row], formats.fixed(whole[row], 6), whole[row])
                for row in rows()
                if row in cut or row in tied
            ),
            decimals=4,
        ),
    )


def missing_references(bench: object) -> Evidence:
    """Public cross-encoders of the same size that are better than all 18 rows are left out."""
    best = max(row.written["ndcg10"] for row in rows())
    beaten = {name: sum(row.written["ndcg10"] < dl19 for row in rows()) for name, (dl19, _) in public().items()}
    over = {name: public()[name][0] for name, count in beaten.items() if count == len(rows())}
    listed_too = listed().keys() & over
    which = (
        f" ({', '.join(over)}) are printed at {min(over.values()):.4f} to {max(over.values()):.4f}" if over else " are"
    )
    return Evidence.shown_if(
        bool(over) and not listed_too,
        f"{len(over)} public cross-encoders{which} nDCG@10 on TREC DL 2019, above all {len(rows())} rows, whose best "
        f"is {best:.4f}; the table of references has {len(listed_too) or 'none'} of them. Candidate "
        f"lists may differ: only the same candidates for all would settle it.",
        Grid.of(
            "Public models",
            ("model", "nDCG@10", "rows below it", "MRR@10, MS MARCO dev"),
            ((name, dl19, beaten[name], dev) for name, (dl19, dev) in public().items()),
            decimals=4,
        ),
    )


def _moment(parameters: float) -> float:
    """GiB by which AdamW's state is larger than Lion's for one float32 tensor of so many numbers, its count aside."""
    with torch.device("meta"):
        weight = nn.Parameter(torch.empty(int(parameters)))
    return (AdamW().state_bytes([weight]) - 4 - Lion().state_bytes([weight])) / 2**30


def _counted(bench: Any) -> dict[str, dict[int, int]]:
    """Relevant judgments by least grade in the workbench's collection, if there is a workbench."""
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


def _equal_systems(sd: float, correlation: float, systems: int) -> tuple[float, ...]:
    """Of equal systems' means over the queries: best above mean, best above second, range, share of leads as printed.

    What a query does to all systems alike moves no difference between them and is left out.
    """
    rng = np.random.default_rng(0)
    noise = rng.normal(0.0, sd * math.sqrt(1 - correlation), (RESAMPLES, systems, QUERIES)).mean(axis=2)
    lowest, *_, second, best = np.sort(noise, axis=1).T
    figures = (best - noise.mean(axis=1), best - second, best - lowest, best - second <= 1.0001e-4)
    return tuple(float(figure.mean()) for figure in figures)


def _each(values: dict[str, float], decimals: int) -> str:
    return ", ".join(f"{value:.{decimals}f}" for value in values.values())
