"""The section of UMAP pictures: one small chart a system and fit, and the numbers that say how far to trust them.

Reads the exhibit that `geometry.panels.exhibit` makes; systems keep its order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt

from strop.records import formats
from strop.report import charts, tables
from strop.report.gallery import Figure
from strop.report.summary import label

QUERY, POSITIVE = charts.PALETTE[0], charts.PALETTE[4]
_NAMES = {
    ("separate", False): "Each model fitted alone, vectors as the model gives them (the paper's way)",
    ("separate", True): "Each model fitted alone, unit vectors",
    ("joint", True): "All models in one fit, unit vectors",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Pictures to be looked at together: one fit under one seed, a figure a system."""

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


def section(exhibit: Mapping[str, Any], record: Mapping[str, Any]) -> Section | None:
    """The section of one exhibit; None where there is none."""
    if not exhibit:
        return None
    specs: dict[str, charts.Spec] = {}
    rows: dict[str, list[Figure]] = {}
    joint: dict[int, list[list[float]]] = {}
    for panel in exhibit["panels"]:
        if panel["fit"] == "joint":
            joint.setdefault(panel["seed"], []).extend(panel.get("points", ()))
    for panel in exhibit["panels"]:
        if "points" not in panel:
            continue
        fit, normalised, seed, system = (panel[key] for key in ("fit", "normalised", "seed", "system"))
        name = f"umap-{fit}-{'unit' if normalised else 'raw'}-{seed}-{system}"
        shown = label(record, system)
        text = (
            f"{shown}, {'one fit with the others' if fit == 'joint' else 'its own fit'}, seed {seed}: "
            f"{len(panel['points']) // 2} queries and their positives; trustworthiness "
            f"{formats.fixed(panel['trustworthiness'])}, clumping {formats.fixed(panel['clumping'])}."
        )
        frame = joint[seed] if fit == "joint" else panel["points"]
        specs[name] = scatter(panel["points"], panel["trustworthiness"], text, frame)
        rows.setdefault(f"{_NAMES[fit, normalised]}, seed {seed}", []).append(Figure(name, shown, text))
    return Section(
        reading=_reading(exhibit),
        rows=tuple(Row(title, tuple(figures)) for title, figures in rows.items()),
        tables=(_pictures(exhibit, record), _vectors(exhibit, record)),
        specs=specs,
    )


def scatter(
    points: list[list[float]], trustworthiness: float, description: str, frame: list[list[float]]
) -> charts.Spec:
    """One picture of queries and as many positives."""
    return scatter_of(points, len(points) // 2, trustworthiness, description, frame)


def scatter_of(
    points: list[list[float]], queries: int, trustworthiness: float, description: str, frame: list[list[float]]
) -> charts.Spec:
    """One picture: blue queries first, orange documents, its trustworthiness above it. No axes: places have no unit.

    The picture just holds the points of `frame`: its own, or in a joint fit those of all models.
    """
    others = len(points) - queries
    places = [i / queries if i < queries else (i - queries) / others for i in range(len(points))]
    shown = [  # a query, then its share of the others, so that neither kind hides the other
        {"x": round(points[i][0], 2), "y": round(points[i][1], 2), "is": "query" if i < queries else "positive"}
        for i in sorted(range(len(points)), key=places.__getitem__)
    ]
    ends = [[round(end(axis), 2) for end in (min, max)] for axis in zip(*frame, strict=True)]
    wide, high = (alt.Scale(domain=domain, zero=False, nice=False, padding=6) for domain in ends)
    chart = (
        alt.Chart(
            alt.InlineData(shown),
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
    spec: charts.Spec = chart.properties(width="container", height=170, description=description).to_dict(validate=False)
    for key in ("$schema", "config"):
        spec.pop(key, None)
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["view"] = {"stroke": charts.INK, "strokeOpacity": 0.25}
    return spec


def _reading(exhibit: Mapping[str, Any]) -> str:
    kept = [r for r in exhibit["overlaps"] if (r["fit"], r["normalised"]) == ("separate", False)]
    own = [r["seed_overlap"] for r in kept]
    others = [r["model_overlap"] for r in kept if r["system"] != exhibit["baseline"]]
    said = (
        f"Fitted alone, as in the paper, a picture keeps {_span(own)} of its neighbourhoods "
        f"({exhibit['neighbours']} points each) when nothing but the seed changes"
    )
    return f"{said}; another model's picture keeps {_span(others)} of the base's." if others else f"{said}."


def _span(shares: list[float]) -> str:
    low, high = (formats.percent(end(shares), 0) for end in (min, max))
    return low if low == high else f"{low} to {high}"


def _pictures(exhibit: Mapping[str, Any], record: Mapping[str, Any]) -> tables.Table:
    rows, systems = [], []
    for kept in exhibit["overlaps"]:
        key = (kept["fit"], kept["normalised"], kept["system"])
        of_seeds = [p for p in exhibit["panels"] if (p["fit"], p["normalised"], p["system"]) == key]
        ends = ((f([p[number] for p in of_seeds]) for f in (min, max)) for number in ("trustworthiness", "clumping"))
        spans = (f"{formats.fixed(low)} to {formats.fixed(high)}" for low, high in ends)
        base = kept["system"] == exhibit["baseline"]
        shared = formats.DASH if base else formats.percent(kept["model_overlap"], 0)
        rows.append(
            (
                label(record, kept["system"]),
                f"{'joint' if key[0] == 'joint' else 'alone'}, {'unit' if key[1] else 'as given'}",
                *spans,
                formats.percent(kept["seed_overlap"], 0),
                shared,
            )
        )
        systems.append(kept["system"])
    columns = ("System", "Fit", "Trustworthiness", "Clumping", "Kept under another seed", "Shared with the base's")
    seeds = ", ".join(map(str, exhibit["seeds"]))
    caption = f"The pictures over seeds {seeds}, all {formats.count(exhibit['pairs'])} pairs"
    return tables.Table(caption, columns, tuple(rows), (False, False, True, True, True, True), tuple(systems))


def _vectors(exhibit: Mapping[str, Any], record: Mapping[str, Any]) -> tables.Table:
    rows = tuple(
        (
            label(record, r["system"]),
            f"{formats.fixed(r['length'][0], 2)} ± {formats.fixed(r['length'][1], 2)}",
            formats.fixed(r["alignment"]),
            formats.fixed(r["uniformity_queries"]),
            formats.fixed(r["uniformity_positives"]),
            formats.fixed(r["effective_rank_queries"], 1),
            formats.fixed(r["effective_rank_positives"], 1),
        )
        for r in exhibit["table"]
    )
    columns = (
        "System", "Length", "Alignment", "Uniformity, queries", "Uniformity, positives",
        "Effective rank, queries", "Effective rank, positives",
    )  # fmt: skip
    systems = tuple(r["system"] for r in exhibit["table"])
    return tables.Table("The same vectors without a picture", columns, rows, (False, *(True,) * 6), systems)
