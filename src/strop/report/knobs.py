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
from strop.report.tables import Table


@dataclass(frozen=True, slots=True)
class Knob:
    """One change and what it does: `difference` is to the centre, in the primary measure.

    `share` is (knob - centre) / (baseline - centre), of one: what it wins back of the centre's loss. None where the
    centre is not resolved to be below the baseline. Shares overlap, and do not add up.
    """

    point: str
    system: str
    label: str
    mean: float
    difference: Comparison
    share: float | None


@dataclass(frozen=True, slots=True)
class Centre:
    """A system and the knobs around it, in the order of the record. `cell` is its own comparison with the baseline."""

    system: str
    label: str
    panel: Panel
    cell: Cell
    knobs: tuple[Knob, ...]

    @property
    def lost(self) -> float | None:
        """How far the centre is below the baseline; None where that is not resolved."""
        d = self.cell.difference
        return -d.difference if d is not None and d.verdict == WORSE else None


def centres(results: Results[Record], summary: Summary) -> tuple[Centre, ...]:
    """One for each centre that was run with at least one of its knobs."""
    grouped: dict[tuple[str, str], list[Contrast]] = {}
    for contrast in results.record.contrasts:
        grouped.setdefault((contrast.preset, contrast.centre), []).append(contrast)
    out = []
    for (preset, system), contrasts in grouped.items():
        panel = next((p for p in summary.panels if p.preset == preset), None)
        cell = summary.cells.get((panel, system)) if panel else None
        if panel is None or cell is None:
            continue
        measure = summary.primary_measure
        run = [c for c in contrasts if (panel, measure, c.system) in summary.values]
        if run:
            of_centre = summary.values[panel, measure, system]
            differences = compare_together([(summary.values[panel, measure, c.system], of_centre) for c in run])
            bare = Centre(system, results.record.label(system), panel, cell, ())
            knobs = tuple(_knob(c, d, bare.lost) for c, d in zip(run, differences, strict=True))
            out.append(Centre(bare.system, bare.label, panel, cell, knobs))
    return tuple(out)


def _knob(contrast: Contrast, difference: Comparison, lost: float | None) -> Knob:
    return Knob(
        point=contrast.point,
        system=contrast.system,
        label=contrast.label,
        mean=difference.mean_a,
        difference=difference,
        share=difference.difference / lost if lost else None,
    )


def knobs_table(centre: Centre, measure: str) -> Table:
    """One row per knob, the largest difference first."""
    columns = (
        "Knob",
        "Point",
        measure,
        "To the centre",
        "p (Holm)",
        "Won / tied / lost",
        "Minimum detectable difference",
        "Wins back",
    )
    rows = tuple(
        (
            k.label,
            k.point,
            formats.fixed(k.mean),
            f"{formats.signed(k.difference.difference)}\n{span(k.difference)}",
            formats.p_value(k.difference.p_corrected),
            f"{k.difference.won} / {k.difference.tied} / {k.difference.lost}",
            formats.fixed(k.difference.minimum_detectable_difference),
            formats.percent(k.share, 0),
        )
        for k in ordered(centre)
    )
    caption = f"One knob at a time around {centre.label} ({measure} {formats.fixed(centre.cell.mean)})"
    return Table(caption, columns, rows, (False, False, *(True for _ in columns[2:])))


def ordered(centre: Centre) -> tuple[Knob, ...]:
    return tuple(sorted(centre.knobs, key=lambda k: -k.difference.difference))


def said(centre: Centre, baseline: str) -> str:
    """The centre beside the baseline, and how many of its knobs are resolved."""
    d = centre.cell.difference
    if d is None:
        return ""
    resolved = sum(k.difference.resolved for k in centre.knobs)
    where = f"{formats.signed(d.difference)} {span(d)} against {baseline}"
    lost = "" if centre.lost else ": no resolved loss, so no share of one"
    least = [each for k in centre.knobs if (each := k.difference.minimum_detectable_difference)]
    detectable = f" The minimum detectable difference is about {formats.fixed(fmean(least))}." if least else ""
    return f"{where}{lost}. {resolved} of {len(centre.knobs)} knobs differ from it, resolved.{detectable}"
