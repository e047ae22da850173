"""Knobs: systems that differ from a centre by one thing, each compared with that centre, and what they win back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from strop.records import formats
from strop.records.results import Results
from strop.report.summary import WORSE, Cell, Difference, Panel, Summary, compared, label
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
    difference: Difference
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
        return -d.seen.difference if d is not None and d.verdict == WORSE else None


def centres(results: Results, summary: Summary) -> tuple[Centre, ...]:
    """One for each centre that was run with at least one of its knobs."""
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for contrast in results.record.get("contrasts") or ():
        grouped.setdefault((contrast["preset"], contrast["centre"]), []).append(contrast)
    found = []
    for (preset, system), contrasts in grouped.items():
        panel = next((p for p in summary.panels if p.preset == preset), None)
        cell = summary.cells.get((panel, system)) if panel else None
        if panel is None or cell is None:
            continue
        measure = summary.primary_measure
        run = [c for c in contrasts if (panel, measure, c["system"]) in summary.values]
        if run:
            of_centre = summary.values[panel, measure, system]
            differences = compared([summary.values[panel, measure, c["system"]] for c in run], of_centre)
            bare = Centre(system, label(results.record, system), panel, cell, ())
            knobs = tuple(_knob(c, d, bare.lost) for c, d in zip(run, differences, strict=True))
            found.append(Centre(bare.system, bare.label, panel, cell, knobs))
    return tuple(found)


def _knob(contrast: Mapping[str, Any], difference: Difference, lost: float | None) -> Knob:
    return Knob(
        point=str(contrast["point"]),
        system=str(contrast["system"]),
        label=str(contrast["label"]),
        mean=difference.seen.mean_a,
        difference=difference,
        share=difference.seen.difference / lost if lost else None,
    )


def knobs_table(centre: Centre, measure: str) -> Table:
    """One row a knob, the largest difference first."""
    columns = ("Knob", "Point", measure, "To the centre", "p (Holm)", "Won / tied / lost", "Can see", "Wins back")
    rows = tuple(
        (
            k.label,
            k.point,
            formats.fixed(k.mean),
            f"{formats.signed(k.difference.seen.difference)}\n"
            f"{formats.interval(k.difference.seen.low, k.difference.seen.high, signs=True)}",
            formats.p_value(k.difference.p_holm),
            f"{k.difference.seen.won} / {k.difference.seen.tied} / {k.difference.seen.lost}",
            f"±{formats.fixed(k.difference.smallest_visible)}" if k.difference.smallest_visible else formats.DASH,
            formats.percent(k.share, 0),
        )
        for k in ordered(centre)
    )
    caption = f"One knob at a time around {centre.label} ({measure} {formats.fixed(centre.cell.mean)})"
    return Table(caption, columns, rows, (False, False, *(True for _ in columns[2:])))


def ordered(centre: Centre) -> tuple[Knob, ...]:
    return tuple(sorted(centre.knobs, key=lambda k: -k.difference.seen.difference))


def said(centre: Centre, baseline: str) -> str:
    """The centre beside the baseline, and how many of its knobs are resolved."""
    d = centre.cell.difference
    if d is None:
        return ""
    resolved = [k for k in centre.knobs if k.difference.verdict != "not resolved"]
    span = formats.interval(d.seen.low, d.seen.high, signs=True)
    where = f"{formats.signed(d.seen.difference)} {span} against {baseline}"
    lost = "" if centre.lost else ": no resolved loss, so no share of one"
    visible = [k.difference.smallest_visible for k in centre.knobs if k.difference.smallest_visible]
    seen = f" The design can see about {formats.fixed(fmean(visible))}." if visible else ""
    return f"{where}{lost}. {len(resolved)} of {len(centre.knobs)} knobs differ from it, resolved.{seen}"
