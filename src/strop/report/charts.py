"""Vega-Lite specifications of the report's charts, built with Altair: values in, plain dicts out.

Axes, grid and text take `currentColor`, so that one drawing serves light, dark and print. Fixed colours are those of
Okabe and Ito (jfly.uni-koeln.de/color), told apart under every common colour-vision deficiency; each system keeps
its own throughout the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from strop.report.perquery import QueryChange
from strop.report.training import Series

Spec = dict[str, Any]

#: Okabe–Ito without black and yellow, which one of the two backgrounds would swallow.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, GREY = "currentColor", "#8A8A8A"

#: Given to vega-embed once for all charts.
CONFIG: Spec = {
    "background": "transparent",
    "font": "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "domainColor": INK,
        "tickColor": INK,
        "gridColor": INK,
        "gridOpacity": 0.13,
        "domainOpacity": 0.45,
        "tickOpacity": 0.45,
        "labelOpacity": 0.85,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titleOpacity": 0.85,
        "labelFontWeight": "normal",
        "tickSize": 4,
    },
    "axisX": {"grid": False},
    "axisY": {"domain": False, "ticks": False, "labelPadding": 6},
}


@dataclass(frozen=True, slots=True)
class Figure:
    """The chart `spec` and its place: `description` says in words what it shows, `caption` how to read it."""

    name: str
    title: str
    spec: Spec
    description: str
    caption: str = ""


def colours(systems: Sequence[str], baseline: str) -> dict[str, str]:
    """System -> colour: the baseline takes the ink, BM25 grey, the others the palette in their order."""
    others = [s for s in systems if s not in (baseline, "bm25")]
    fixed = {"bm25": GREY, baseline: INK} | {s: PALETTE[i % len(PALETTE)] for i, s in enumerate(others)}
    return {s: fixed[s] for s in systems}


def chart(rows: Sequence[Mapping[str, Any]]) -> Any:
    return alt.Chart(alt.InlineData(list(rows)))


def keyed(channel: Any, field: str, values: Mapping[str, str], legend: Any = None) -> Any:
    """The encoding that gives each value of `field` its own colour or shape."""
    return channel(f"{field}:N", scale=alt.Scale(domain=list(values), range=list(values.values())), legend=legend)


def tip(field: str, title: str = "", format: str = "") -> alt.Tooltip:
    """A line of a tooltip; with a `format` the field is a number."""
    kind = "Q" if format else "N"
    return alt.Tooltip(f"{field}:{kind}", title=title or field, format=format or alt.Undefined)


def bare_zero(format: str) -> str:
    """The label of a tick: formatted, but for zero."""
    return f"datum.value ? format(datum.value, '{format}') : '0'"


def zero(**style: Any) -> Any:
    """A rule, to be placed where the field `zero` is."""
    return chart([{"zero": 0}]).mark_rule(color=INK, opacity=0.6, **style)


def finish(chart: Any, height: int) -> Spec:
    """The specification, as wide as its place on the page."""
    # Checking against the schema costs more than drawing; a test compiles every chart instead.
    spec: Spec = chart.properties(width="container", height=height).to_dict(validate=False)
    spec.pop("$schema", None)
    spec.pop("config", None)
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    return spec


def in_turns(queries: int, points: int) -> list[int]:
    """The order to draw `queries` first points and the rest in: mixed, so that neither kind hides the other."""
    others = points - queries
    return sorted(range(points), key=lambda i: i / queries if i < queries else (i - queries) / others)


def curves(
    series: Sequence[Series],
    palette: Mapping[str, str],
    title: str,
    dashed: bool = False,
    domain: tuple[float, float] | None = None,
    value_format: str = "",
) -> Spec:
    """One line per label of `palette` over the updates, the nearest point's values on hover; single seeds stay faint.

    `title` enters an expression as it is: one of our own, never a text of the record.
    """
    points = [
        {"system": s.system, "update": step, "value": value, "seed": s.seed} for s in series for step, value in s.points
    ]
    y_scale = alt.Scale(domain=list(domain)) if domain else alt.Scale(zero=False, nice=True)
    y_axis = alt.Axis(tickCount=4, labelExpr=bare_zero(value_format) if value_format else alt.Undefined)
    lines = chart(points).encode(
        x=alt.X(
            "update:Q",
            title="update",
            axis=alt.Axis(tickCount=5, format=",d"),
            scale=alt.Scale(nice=False, domainMin=0),
        ),
        y=alt.Y("value:Q", title=None, axis=y_axis, scale=y_scale),
        color=keyed(alt.Color, "system", palette),
    )
    mean = lines.transform_filter("datum.seed === 'mean'")
    # Over the nearest point's cell the datum is wrapped once more; Vega-Lite forgets that for a nominal field.
    point = "(datum.datum || datum)"
    text = (
        f"{{system: {point}.system, update: format({point}.update, ',d'), '{title}': format({point}.value, ',.4~g')}}"
    )
    near = alt.selection_point(name="near", nearest=True, on="pointerover", clear="pointerout", empty=False)
    layers: list[Any] = [mean.mark_line(strokeWidth=2, strokeDash=[5, 3] if dashed else [1, 0])]
    if any(s.seed != "mean" for s in series):
        single = lines.transform_filter("datum.seed !== 'mean'")
        layers.insert(0, single.mark_line(strokeWidth=1, opacity=0.28).encode(detail="seed:N"))
    if dashed:
        layers.append(lines.mark_point(size=28, filled=True, opacity=1))
    layers.append(
        mean.mark_point(size=60, filled=True, tooltip=alt.expr(text))
        .encode(opacity=alt.when(near).then(alt.value(1)).otherwise(alt.value(0)))
        .add_params(near)
        .properties(name="nearest")
    )
    return finish(alt.layer(*layers), 150)


def changes(values: Sequence[QueryChange], measure: str, baseline: str, label: str, colour: str) -> Spec:
    """Per-query differences, sorted: what was lost hangs left, what was won stands right, ties are the gap."""
    bars = [
        {
            "place": place,
            "next": place + 1,
            "difference": round(c.difference, 5),
            "query": c.short_text,
            "before": c.rank_before,
            "after": c.rank_after,
        }
        for place, c in enumerate(sorted(values, key=lambda c: (c.difference, c.query)))
        if c.difference
    ]
    x = alt.X(
        "place:Q",
        title="queries, from the largest loss to the largest win",
        scale=alt.Scale(domain=[0, len(values)], nice=False),
        axis=alt.Axis(tickCount=5, format=",d"),
    )
    y_axis = alt.Axis(values=[-1, -0.5, 0, 0.5, 1], labelExpr=bare_zero("+.1f"))
    y = alt.Y("difference:Q", title=None, scale=alt.Scale(domain=[-1, 1]), axis=y_axis)
    tooltip = [
        tip("query"),
        tip("before", f"rank, {baseline}"),
        tip("after", f"rank, {label}"),
        tip("difference", f"difference in {measure}", "+.3f"),
    ]
    rectangles = chart(bars).mark_rect(color=colour).encode(x=x, x2="next:Q", y=y, y2=alt.datum(0), tooltip=tooltip)
    return finish(rectangles, 150)


def histogram(bins: Sequence[tuple[float, float, float]], title: str, unit: str) -> Spec:
    """Counted bins, [low, high, count] each: on a true axis where they are equally wide, else as named bars."""
    names = [f"{low:,.0f}–{high:,.0f}" for low, high, _ in bins]
    start = bins[0][0]
    gap = bins[1][0] - bins[0][1] if len(bins) > 1 else 0.0  # 1 where both ends count, as of ranks
    widths = [high + gap - low for low, high, _ in bins]
    rows = [{"bin": name, "low": low, "count": n} for name, (low, _, n) in zip(names, bins, strict=True)]
    counts = alt.Y("count:Q", title=None, axis=alt.Axis(tickCount=4, format=",d"))
    tooltip = [tip("bin", title), tip("count", unit, ",d")]
    if max(widths) - min(widths) <= 0.02 * max(widths):
        rows = [row | {"high": low + widths[0]} for row, (low, _, _) in zip(rows, bins, strict=True)]
        scale = alt.Scale(domain=[start, bins[-1][0] + widths[0]], nice=False)
        x = alt.X("low:Q", title=title, scale=scale, axis=alt.Axis(tickCount=6, format=",d"))
        bars = chart(rows).mark_rect(color=GREY, stroke="none").encode(x=x, x2="high:Q", y2=alt.datum(0))
    else:
        x = alt.X("bin:N", sort=names, title=title, axis=alt.Axis(labelAngle=0))
        bars = chart(rows).mark_bar(color=GREY).encode(x=x)
    return finish(bars.encode(y=counts, tooltip=tooltip), 150)
