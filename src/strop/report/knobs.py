"""Knobs: systems that differ from a centre by one thing, each compared with that centre, and what they win back."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from strop.evaluation.comparison import WORSE, Comparison, compare_together
from strop.records import formats
from strop.records.record import Contrast, Record
from strop.records.results import Results
from strop.report.differences import span
from strop.report.summary import Cell, Panel, Summary
from strop.report.tables import Columns, Table, table


@dataclass(frozen=True, slots=True)
class Knob:
    """One change and what it does: `difference` is to the centre, in the primary measure.

    `share` is (knob - centre) / (baseline - centre), of one: what it wins back of the centre's loss. None where the
    centre is not resolved to be below the baseline. Shares overlap, and do not add up.
    """

    point: str
    system: str
    label: str
    difference: Comparison
    share: float | None


@dataclass(frozen=True, slots=True)
class Centre:
    """A system and the knobs around it, the largest difference first. `cell` is its comparison with the baseline."""

    system: str
    label: str
    panel: Panel
    cell: Cell
    knobs: tuple[Knob, ...]


def centres(results: Results[Record], summary: Summary) -> tuple[Centre, ...]:
    """One for each centre that was run with at least one of its knobs."""
    grouped: dict[tuple[str, str], list[Contrast]] = {}
    for contrast in results.record.contrasts:
        grouped.setdefault((contrast.preset, contrast.centre), []).append(contrast)
    out = []
    for (preset, system), contrasts in grouped.items():
        panel = next((p for p in summary.panels if p.preset == preset), None)
        cell = summary.cells.get((panel, system)) if panel else None
        measure = summary.primary_measure
        run = [c for c in contrasts if panel and (panel, measure, c.system) in summary.values]
        if panel and cell and run:
            of_centre = summary.values[panel, measure, system]
            differences = compare_together([(summary.values[panel, measure, c.system], of_centre) for c in run])
            knobs = [
                Knob(c.point, c.system, c.label, d, _share(d, cell)) for c, d in zip(run, differences, strict=True)
            ]
            knobs.sort(key=lambda k: -k.difference.difference)
            out.append(Centre(system, results.record.label(system), panel, cell, tuple(knobs)))
    return tuple(out)


def _share(difference: Comparison, centre: Cell) -> float | None:
    of_centre = centre.difference
    if of_centre is None or of_centre.verdict != WORSE:
        return None
    return -difference.difference / of_centre.difference


def knobs_table(centre: Centre, measure: str) -> Table:
    columns: Columns[Knob] = {
        "Knob": lambda k: k.label,
        "Point": lambda k: k.point,
        measure: lambda k: formats.fixed(k.difference.mean_a),
        "To the centre": lambda k: f"{formats.signed(k.difference.difference)}\n{span(k.difference)}",
        "p (Holm)": lambda k: formats.p_value(k.difference.p_corrected),
        "Won / tied / lost": lambda k: f"{k.difference.won} / {k.difference.tied} / {k.difference.lost}",
        "Minimum detectable difference": lambda k: formats.fixed(k.difference.minimum_detectable_difference),
        "Wins back": lambda k: formats.percent(k.share, 0),
    }
    caption = f"One knob at a time around {centre.label} ({measure} {formats.fixed(centre.cell.mean)})"
    return table(caption, centre.knobs, columns, text=("Point",))


def about(centre: Centre, baseline: str) -> str:
    """The centre beside the baseline, and how many of its knobs are resolved."""
    d = centre.cell.difference
    if d is None:
        return ""
    resolved = sum(k.difference.resolved for k in centre.knobs)
    where = f"{formats.signed(d.difference)} {span(d)} against {baseline}"
    lost = "" if d.verdict == WORSE else ": no resolved loss, so no share of one"
    least = [each for k in centre.knobs if (each := k.difference.minimum_detectable_difference)]
    detectable = f" The minimum detectable difference is about {formats.fixed(fmean(least))}." if least else ""
    return f"{where}{lost}. {resolved} of {len(centre.knobs)} knobs differ from it, resolved.{detectable}"
