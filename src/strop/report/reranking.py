"""The section on rerankers: what each system makes of the same candidates, beside the most that any order reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strop.evaluation.comparison import UNRESOLVED
from strop.records import formats
from strop.records.exhibits.reranking import Reranking
from strop.report import forests
from strop.report.charts import Figure, tip
from strop.report.differences import marked, span
from strop.report.reranking_tables import Panel, change, panels, seeds
from strop.report.tables import spaced
from strop.report.transfer import ONE_SEED


@dataclass(frozen=True, slots=True)
class Section:
    """What the template `reranking.html` shows: by preset, each collection and its pairs drawn."""

    lead: str
    presets: tuple[tuple[str, tuple[tuple[Panel, Figure | None], ...]], ...]


def section(exhibit: Reranking) -> Section:
    presets: dict[str, list[tuple[Panel, Figure | None]]] = {}
    for i, panel in enumerate(panels(exhibit)):
        presets.setdefault(panel.about.preset, []).append((panel, _forest(panel, i)))
    return Section(lead(panels(exhibit)), tuple((spaced(preset), tuple(of)) for preset, of in presets.items()))


def lead(on: Sequence[Panel]) -> str:
    """One sentence: the first pair with its minimum detectable difference, and how many of all pairs are resolved."""
    compared = [(panel, row) for panel in on for row in panel.comparisons]
    if not compared:
        return _first_stage(on[0])
    panel, row = compared[0]
    first = change(row)
    least = "" if row.detectable is None else f"; minimum detectable difference {formats.fixed(row.detectable)}"
    sentence = (
        f"{panel.pair(row)}: {first.verdict} on {formats.count(row.queries)} queries of "
        f"{row.collection} and {seeds(row)} ({row.measure} {formats.signed(first.difference)} {span(first)}{least})."
    )
    if len(compared) == 1:
        return sentence
    resolved = sum(change(row).verdict != UNRESOLVED for _, row in compared)
    verb = "are" if resolved > 1 else "is"
    return f"{sentence} Of all {len(compared)} comparisons {resolved or 'none'} {verb} resolved."


def _first_stage(panel: Panel) -> str:
    """What the first stage reaches, and what the best order of it would."""
    about = panel.about
    if about.value is None:
        return "Random weights show machinery and cost, and get no quality number."
    return (
        f"{about.first_label} reaches {panel.measure} {formats.fixed(about.value)} on {about.collection}; the "
        f"best order of its first {formats.count(about.depth)} would reach {formats.fixed(about.ceiling)}."
    )


def _forest(panel: Panel, number: int) -> Figure | None:
    if not panel.comparisons:
        return None
    rows = []
    for row in panel.comparisons:
        of = change(row)
        words = {"name": panel.measured(row), "text": marked(of), "span": span(of), "p": formats.p_value(of.p)}
        rows.append(words | forests.rounded(of))
    tooltip = [
        tip("name", "pair"),
        tip("text", "difference"),
        tip("span", "95 %"),
        tip("p", "p (Holm)"),
        tip("verdict"),
    ]
    text = "; ".join(f"{row['name']} {row['text']} {row['span']}, {row['verdict']}" for row in rows) + "."
    caption = "Lines are 95 % intervals, queries and seeds drawn. ▲ and ▼, in colour: resolved."
    if all(row.seeds == 1 for row in panel.comparisons):
        caption += ONE_SEED
    spec = forests.lines(rows, "difference, first minus second", tooltip, "text")
    return Figure(f"reranking-{number}", f"Pairs on {panel.about.collection}", spec, text, caption)
