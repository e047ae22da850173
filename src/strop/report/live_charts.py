"""The live page's charts: specifications without data, which the page's script fills at every poll."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt

from strop.report import charts
from strop.report.training import Points, Series

#: A line that scatters from update to update is drawn faint, and its mean over so many updates in full.
SMOOTHED = 20
#: Drawn queries and documents, told apart by colour and by shape.
ROLES = {"query": (charts.PALETTE[0], "circle"), "document": (charts.PALETTE[1], "triangle-up")}
#: Half the width of the picture's frame: the first that holds every point, so that a cloud that shrinks looks smaller.
FRAMES = (0.25, 0.5, 1.0, 2.0)


@cache  # a page asks for the same few again at every poll; nobody writes into them
def curve(dots: bool, smooth: bool, rate: bool) -> charts.Spec:
    """One measure over the updates from the data set `points`, and a dashed line at the values of `rule`.

    With `dots` every point is marked, with `smooth` the single values stay faint behind their mean; `rate` is for
    values that are powers of ten.
    """
    lines = [Series("", seed, ()) for seed in (("0", "mean") if smooth else ("mean",))]
    spec = charts.curves(lines, {"": charts.PALETTE[0]}, "value", value_format="~e" if rate else "")
    spec.pop("datasets", None)
    spec["data"] = {"name": "points"}
    line = next(layer for layer in spec["layer"] if layer["mark"].get("strokeWidth") == 2)
    if dots:
        spec["layer"].insert(-1, {**line, "mark": {"type": "point", "filled": True, "size": 28, "opacity": 1}})
    rule = {"type": "rule", "strokeDash": [5, 4], "color": charts.INK, "opacity": 0.7}
    level = {"data": {"name": "rule"}, "mark": rule, "encoding": {"y": line["encoding"]["y"]}}
    spec["layer"].insert(0, level)
    return spec


def curve_rows(points: Points, seed: str = "mean") -> list[dict[str, Any]]:
    """What `curve` draws: as `mean` in full, as any other seed faint."""
    return [{"system": "", "update": step, "value": value, "seed": seed} for step, value in points]


@cache
def picture() -> charts.Spec:
    """Queries and documents in a plane from the data set `points`; the invisible `frame` holds its scale still."""
    scale, grid, bare = alt.Scale(nice=False), alt.Axis(tickCount=5, grid=True), alt.Axis(tickCount=5)
    place = {
        "x": alt.X("x:Q", title=None, scale=scale, axis=grid),
        "y": alt.Y("y:Q", title=None, scale=scale, axis=bare),
    }
    legend = alt.Legend(orient="top", title=None, labelColor=charts.INK, labelFontSize=12, symbolOpacity=1)
    colours, shapes = ({role: of[i] for role, of in ROLES.items()} for i in (0, 1))
    dots = (
        alt.Chart(alt.NamedData("points"))
        .mark_point(filled=True, size=34, opacity=0.7)
        .encode(
            **place,
            color=charts.keyed(alt.Color, "is", colours, legend),
            shape=charts.keyed(alt.Shape, "is", shapes, legend),
        )
    )
    frame = alt.Chart(alt.NamedData("frame")).mark_point(opacity=0, size=1).encode(**place)
    return charts.finish(alt.layer(frame, dots), 380)


def picture_data(projection: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The data sets of `picture`: queries and documents in turn, so that neither kind hides the other."""
    points: Sequence[Sequence[float]] = projection["points"]
    queries = int(projection["queries"])
    rows = [
        {"x": round(x, 4), "y": round(y, 4), "is": "query" if i < queries else "document"}
        for i, (x, y) in enumerate(points)
    ]
    reach = max((abs(c) for point in points for c in point), default=0.0)
    half = next((f for f in FRAMES if f >= reach), reach)
    return {
        "points": [rows[i] for i in charts.in_turns(queries, len(rows))],
        "frame": [{"x": -half, "y": -half}, {"x": half, "y": half}],
    }
