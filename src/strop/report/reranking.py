"""The section on rerankers: what each system makes of the same candidates, beside the most that any order reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from strop.evaluation.comparison import UNRESOLVED
from strop.records import formats
from strop.records.exhibits.reranking import Reranking
from strop.report import charts, forests, reranking_tables
from strop.report.gallery import Figure
from strop.report.reranking_tables import Panel, change, seeds
from strop.report.tables import Table


@dataclass(frozen=True, slots=True)
class Shown:
    """One collection: systems by measure, and `brief`, for a terminal; the pairs, drawn and as a table; sets of
    candidates side by side; cost."""

    name: str
    about: str
    systems: Table
    brief: Sequence[Sequence[str]]
    forest: Figure | None
    pairs: Table | None
    candidates: Table | None
    costs: Table | None


@dataclass(frozen=True, slots=True)
class Reading:
    preset: str
    collections: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Everything the template `reranking.html` shows; `specs` are the charts by their figures' names."""

    lead: str
    readings: tuple[Reading, ...]
    specs: Mapping[str, charts.Spec]


def section(exhibit: Reranking) -> Section:
    specs: dict[str, charts.Spec] = {}
    panels = reranking_tables.panels(exhibit)
    readings = tuple(
        Reading(
            preset.replace("_", " "),
            tuple(_shown(p, i, specs) for i, p in enumerate(panels) if p.about.preset == preset),
        )
        for preset in dict.fromkeys(p.about.preset for p in panels)
    )
    return Section(lead(panels), readings, specs)


def lead(panels: Sequence[Panel]) -> str:
    """One sentence: the first pair with its minimum detectable difference, and how many of all pairs are resolved."""
    compared = [(panel, row) for panel in panels for row in panel.comparisons]
    if not compared:
        return _first(panels[0])
    panel, row = compared[0]
    first = change(row)
    least = "" if row.detectable is None else f"; minimum detectable difference {formats.fixed(row.detectable)}"
    sentence = (
        f"{panel.pair(row)}: {first.verdict} on {formats.count(row.queries)} queries of "
        f"{row.collection} and {seeds(row)} ({row.measure} {formats.signed(first.difference)} {first.span}{least})."
    )
    if len(compared) == 1:
        return sentence
    resolved = sum(change(row).verdict != UNRESOLVED for _, row in compared)
    verb = "are" if resolved > 1 else "is"
    return f"{sentence} Of all {len(compared)} comparisons {resolved or 'none'} {verb} resolved."


def _first(panel: Panel) -> str:
    """Of the first panel: what the first stage reaches, and what the best order of it would."""
    about = panel.about
    if about.value is None:
        return "Random weights show machinery and cost, and get no quality number."
    return (
        f"{about.first_label} reaches {panel.measure} {formats.fixed(about.value)} on {about.collection}; the "
        f"best order of its first {formats.count(about.depth)} would reach {formats.fixed(about.ceiling)}."
    )


def _shown(panel: Panel, number: int, specs: dict[str, charts.Spec]) -> Shown:
    return Shown(
        name=panel.about.collection,
        about=reranking_tables.about(panel),
        systems=reranking_tables.systems(panel),
        brief=reranking_tables.terminal_rows(panel),
        forest=_forest(panel, number, specs),
        pairs=reranking_tables.pairs(panel),
        candidates=reranking_tables.candidates(panel),
        costs=reranking_tables.costs(panel),
    )


def _forest(panel: Panel, number: int, specs: dict[str, charts.Spec]) -> Figure | None:
    if not panel.comparisons:
        return None
    rows = [
        {
            "name": panel.measured(row),
            "text": of.text,
            "span": of.span,
            "p": formats.p_value(of.p),
            "verdict": of.verdict,
            "difference": of.difference,
            "low": of.low,
            "high": of.high,
        }
        for row in panel.comparisons
        for of in (change(row),)
    ]
    text = "; ".join(f"{row['name']} {row['text']} {row['span']}, {row['verdict']}" for row in rows) + "."
    caption = "Lines are 95 % intervals, queries and seeds drawn. ▲ and ▼, in colour: resolved."
    if all(row.seeds == 1 for row in panel.comparisons):
        caption += " One seed each: no interval knows how much another training would differ."
    name = f"reranking-{number}"
    specs[name] = forests.pair_forest(rows, text)
    return Figure(name, f"Pairs on {panel.about.collection}", text, caption)
