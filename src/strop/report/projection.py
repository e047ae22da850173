"""The section of UMAP pictures: a small chart per system and fit, and the numbers that say how far to trust them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt

from strop.records import formats
from strop.records.exhibits.projection import Fit, Points, Projection, ProjectionOverlap, VectorsAbout
from strop.records.record import Record
from strop.report import charts
from strop.report.charts import Figure, Spec
from strop.report.tables import Columns, Table, table

QUERY, POSITIVE = charts.PALETTE[0], charts.PALETTE[4]
_NAMES: Mapping[tuple[Fit, bool], str] = {
    ("separate", False): "Each model fitted alone, vectors as the model gives them (the paper's way)",
    ("separate", True): "Each model fitted alone, unit vectors",
    ("joint", True): "All models in one fit, unit vectors",
}


@dataclass(frozen=True, slots=True)
class Section:
    """What the template `projection.html` shows; a row is one fit under one seed, with a figure per system."""

    overlaps: str
    rows: tuple[tuple[str, list[Figure]], ...]
    tables: tuple[Table, ...]
    colours: tuple[tuple[str, str], ...] = (("queries", QUERY), ("their positives", POSITIVE))


def section(exhibit: Projection, record: Record) -> Section:
    rows: dict[str, list[Figure]] = {}
    for panel in exhibit.panels:
        if panel.points is None:
            continue
        label, queries = record.label(panel.system), len(panel.points) // 2
        text = (
            f"{label}, {'one fit with the others' if panel.fit == 'joint' else 'its own fit'}, seed {panel.seed}: "
            f"{queries} queries and their positives; trustworthiness "
            f"{formats.fixed(panel.trustworthiness)}, clumping {formats.fixed(panel.clumping)}."
        )
        together = [p for p in exhibit.panels if p.fit == "joint" and p.seed == panel.seed]
        framed = together if panel.fit == "joint" else [panel]
        frame = [point for p in framed for point in p.points or ()]
        name = f"umap-{panel.fit}-{'unit' if panel.normalised else 'raw'}-{panel.seed}-{panel.system}"
        title = f"{_NAMES[panel.fit, panel.normalised]}, seed {panel.seed}"
        spec = scatter(panel.points, queries, panel.trustworthiness, frame)
        rows.setdefault(title, []).append(Figure(name, label, spec, text))
    return Section(_overlaps(exhibit), tuple(rows.items()), (_pictures(exhibit, record), _vectors(exhibit, record)))


def scatter(points: Points, queries: int, trustworthiness: float, frame: Sequence[tuple[float, float]]) -> Spec:
    """One picture: blue queries first, orange documents, its trustworthiness above it. No axes: places have no unit.

    The picture just holds the points of `frame`: its own, or in a joint fit those of all models.
    """
    marks = [
        {"x": round(points[i][0], 2), "y": round(points[i][1], 2), "is": "query" if i < queries else "positive"}
        for i in charts.in_turns(queries, len(points))
    ]
    ends = [[round(end(axis), 2) for end in (min, max)] for axis in zip(*frame, strict=True)]
    wide, high = (alt.Scale(domain=domain, zero=False, nice=False, padding=6) for domain in ends)
    title = alt.Title(
        f"trustworthiness {formats.fixed(trustworthiness)}",
        color=charts.INK, fontSize=11, fontWeight="normal", anchor="start", offset=4,
    )  # fmt: skip
    chart = alt.Chart(alt.InlineData(marks), title=title).mark_circle(size=11, opacity=0.75)
    colour = charts.keyed(alt.Color, "is", {"query": QUERY, "positive": POSITIVE})
    x, y = alt.X("x:Q", axis=None, scale=wide), alt.Y("y:Q", axis=None, scale=high)
    spec = charts.finish(chart.encode(x=x, y=y, color=colour), 170)
    spec["view"] = {"stroke": charts.INK, "strokeOpacity": 0.25}
    return spec


def _overlaps(exhibit: Projection) -> str:
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


def _pictures(exhibit: Projection, record: Record) -> Table:
    def over_seeds(overlap: ProjectionOverlap, figure: str) -> str:
        key = (overlap.fit, overlap.normalised, overlap.system)
        values = [getattr(p, figure) for p in exhibit.panels if (p.fit, p.normalised, p.system) == key]
        return f"{formats.fixed(min(values))} to {formats.fixed(max(values))}"

    columns: Columns[ProjectionOverlap] = {
        "System": lambda o: record.label(o.system),
        "Fit": lambda o: f"{'joint' if o.fit == 'joint' else 'alone'}, {'unit' if o.normalised else 'as given'}",
        "Trustworthiness": lambda o: over_seeds(o, "trustworthiness"),
        "Clumping": lambda o: over_seeds(o, "clumping"),
        "Kept under another seed": lambda o: formats.percent(o.seed_overlap, 0),
        "Shared with the base's": lambda o: formats.percent(
            None if o.system == exhibit.baseline else o.model_overlap, 0
        ),
    }
    seeds = ", ".join(map(str, exhibit.seeds))
    caption = f"The pictures over seeds {seeds}, all {formats.count(exhibit.pairs)} pairs"
    return table(caption, exhibit.overlaps, columns, text=("Fit",), system=lambda o: o.system)


def _vectors(exhibit: Projection, record: Record) -> Table:
    columns: Columns[VectorsAbout] = {
        "System": lambda of: record.label(of.system),
        "Length": lambda of: f"{formats.fixed(of.length[0], 2)} ± {formats.fixed(of.length[1], 2)}",
        "Alignment": lambda of: formats.fixed(of.alignment),
        "Uniformity, queries": lambda of: formats.fixed(of.uniformity_queries),
        "Uniformity, positives": lambda of: formats.fixed(of.uniformity_positives),
        "Effective rank, queries": lambda of: formats.fixed(of.effective_rank_queries, 1),
        "Effective rank, positives": lambda of: formats.fixed(of.effective_rank_positives, 1),
    }
    return table("The same vectors without a picture", exhibit.table, columns, system=lambda of: of.system)
