"""The section of UMAP pictures: a small chart per system and fit, and the numbers that say how far to trust them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt

from strop.records import formats
from strop.records.exhibits.projection import Fit, Projection
from strop.records.record import Record
from strop.report import charts, tables
from strop.report.gallery import Figure

Point = tuple[float, float]
QUERY, POSITIVE = charts.PALETTE[0], charts.PALETTE[4]
_NAMES: Mapping[tuple[Fit, bool], str] = {
    ("separate", False): "Each model fitted alone, vectors as the model gives them (the paper's way)",
    ("separate", True): "Each model fitted alone, unit vectors",
    ("joint", True): "All models in one fit, unit vectors",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Pictures to be looked at together: one fit under one seed, one figure per system."""

    title: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Everything the template `projection.html` shows; `specs` are the charts by their figures' names."""

    reading: str
    rows: tuple[Row, ...]
    tables: tuple[tables.Table, ...]
    specs: Mapping[str, charts.Spec]
    colours: tuple[tuple[str, str], ...] = (("queries", QUERY), ("their positives", POSITIVE))


def section(exhibit: Projection, record: Record) -> Section:
    specs: dict[str, charts.Spec] = {}
    rows: dict[str, list[Figure]] = {}
    joint: dict[int, list[Point]] = {}
    for panel in exhibit.panels:
        if panel.fit == "joint":
            joint.setdefault(panel.seed, []).extend(panel.points or ())
    for panel in exhibit.panels:
        if panel.points is None:
            continue
        name = f"umap-{panel.fit}-{'unit' if panel.normalised else 'raw'}-{panel.seed}-{panel.system}"
        label, queries = record.label(panel.system), len(panel.points) // 2
        text = (
            f"{label}, {'one fit with the others' if panel.fit == 'joint' else 'its own fit'}, seed {panel.seed}: "
            f"{queries} queries and their positives; trustworthiness "
            f"{formats.fixed(panel.trustworthiness)}, clumping {formats.fixed(panel.clumping)}."
        )
        frame = joint[panel.seed] if panel.fit == "joint" else panel.points
        specs[name] = scatter(panel.points, queries, panel.trustworthiness, text, frame)
        title = f"{_NAMES[panel.fit, panel.normalised]}, seed {panel.seed}"
        rows.setdefault(title, []).append(Figure(name, label, text))
    return Section(
        reading=_reading(exhibit),
        rows=tuple(Row(title, tuple(figures)) for title, figures in rows.items()),
        tables=(_pictures(exhibit, record), _vectors(exhibit, record)),
        specs=specs,
    )


def scatter(
    points: Sequence[Point], queries: int, trustworthiness: float, description: str, frame: Sequence[Point]
) -> charts.Spec:
    """One picture: blue queries first, orange documents, its trustworthiness above it. No axes: places have no unit.

    The picture just holds the points of `frame`: its own, or in a joint fit those of all models.
    """
    marks = [
        {"x": round(points[i][0], 2), "y": round(points[i][1], 2), "is": "query" if i < queries else "positive"}
        for i in charts.in_turns(queries, len(points))
    ]
    ends = [[round(end(axis), 2) for end in (min, max)] for axis in zip(*frame, strict=True)]
    wide, high = (alt.Scale(domain=domain, zero=False, nice=False, padding=6) for domain in ends)
    chart = (
        alt.Chart(
            alt.InlineData(marks),
            title=alt.Title(
                f"trustworthiness {formats.fixed(trustworthiness)}",
                color=charts.INK,
                fontSize=11,
                fontWeight="normal",
                anchor="start",
                offset=4,
            ),
        )
        .mark_circle(size=11, opacity=0.75)
        .encode(
            x=alt.X("x:Q", axis=None, scale=wide),
            y=alt.Y("y:Q", axis=None, scale=high),
            color=alt.Color(
                "is:N", scale=alt.Scale(domain=["query", "positive"], range=[QUERY, POSITIVE]), legend=None
            ),
        )
    )
    spec = charts.finish(chart, 170, description)
    spec["view"] = {"stroke": charts.INK, "strokeOpacity": 0.25}
    return spec


def _reading(exhibit: Projection) -> str:
    alone = [overlap for overlap in exhibit.overlaps if (overlap.fit, overlap.normalised) == ("separate", False)]
    others = [overlap.model_overlap for overlap in alone if overlap.system != exhibit.baseline]
    own = (
        f"Fitted alone, as in the paper, a picture keeps {_span([overlap.seed_overlap for overlap in alone])} of its "
        f"neighbourhoods ({exhibit.neighbours} points each) when nothing but the seed changes"
    )
    return f"{own}; another model's picture keeps {_span(others)} of the base's." if others else f"{own}."


def _span(shares: list[float]) -> str:
    low, high = (formats.percent(end(shares), 0) for end in (min, max))
    return low if low == high else f"{low} to {high}"


def _pictures(exhibit: Projection, record: Record) -> tables.Table:
    rows = []
    for overlap in exhibit.overlaps:
        key = (overlap.fit, overlap.normalised, overlap.system)
        panels = [p for p in exhibit.panels if (p.fit, p.normalised, p.system) == key]
        figures = ([p.trustworthiness for p in panels], [p.clumping for p in panels])
        base = overlap.system == exhibit.baseline
        rows.append(
            (
                record.label(overlap.system),
                f"{'joint' if overlap.fit == 'joint' else 'alone'}, {'unit' if overlap.normalised else 'as given'}",
                *(f"{formats.fixed(min(of_seeds))} to {formats.fixed(max(of_seeds))}" for of_seeds in figures),
                formats.percent(overlap.seed_overlap, 0),
                formats.DASH if base else formats.percent(overlap.model_overlap, 0),
            )
        )
    columns = ("System", "Fit", "Trustworthiness", "Clumping", "Kept under another seed", "Shared with the base's")
    seeds = ", ".join(map(str, exhibit.seeds))
    caption = f"The pictures over seeds {seeds}, all {formats.count(exhibit.pairs)} pairs"
    systems = tuple(overlap.system for overlap in exhibit.overlaps)
    return tables.Table(caption, columns, tuple(rows), (False, False, True, True, True, True), systems)


def _vectors(exhibit: Projection, record: Record) -> tables.Table:
    rows = tuple(
        (
            record.label(of.system),
            f"{formats.fixed(of.length[0], 2)} ± {formats.fixed(of.length[1], 2)}",
            formats.fixed(of.alignment),
            formats.fixed(of.uniformity_queries),
            formats.fixed(of.uniformity_positives),
            formats.fixed(of.effective_rank_queries, 1),
            formats.fixed(of.effective_rank_positives, 1),
        )
        for of in exhibit.table
    )
    columns = (
        "System", "Length", "Alignment", "Uniformity, queries", "Uniformity, positives",
        "Effective rank, queries", "Effective rank, positives",
    )  # fmt: skip
    systems = tuple(of.system for of in exhibit.table)
    return tables.Table("The same vectors without a picture", columns, rows, (False, *(True,) * 6), systems)
