"""Vega-Lite specifications of the report's charts, built with Altair: values in, plain dicts out.

Axes, grid and text take `currentColor`, so that one drawing serves light, dark and print. Fixed colours are those of
Okabe and Ito (jfly.uni-koeln.de/color), told apart under every common colour-vision deficiency; each system keeps
its own throughout the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from strop.report.perquery import Change
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


def colours(systems: Sequence[str], baseline: str) -> dict[str, str]:
    """System -> colour: the baseline takes the ink, BM25 grey, the others the palette in their order."""
    others = [s for s in systems if s not in (baseline, "bm25")]
    named = {s: PALETTE[i % len(PALETTE)] for i, s in enumerate(others)}
    return {s: INK if s == baseline else GREY if s == "bm25" else named[s] for s in systems}


def _scale(labels: Mapping[str, str], used: Mapping[str, str]) -> alt.Scale:
    return alt.Scale(domain=[labels[s] for s in used], range=list(used.values()))


def finish(chart: Any, height: int, description: str) -> Spec:
    """The specification, as wide as its place on the page."""
    # Checking against the schema costs more than drawing; a test compiles every chart instead.
    spec: Spec = chart.properties(width="container", height=height, description=description).to_dict(validate=False)
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
    labels: Mapping[str, str],
    title: str,
    description: str,
    height: int = 150,
    dashed: bool = False,
    domain: tuple[float, float] | None = None,
    value_format: str = "",
) -> Spec:
    """One line per system over the updates, the nearest point's values on hover; single seeds stay faint behind.

    `title` enters an expression as it is: one of our own, never a text of the record.
    """
    points = [
        {"system": labels[s.system], "update": step, "value": value, "seed": s.seed}
        for s in series
        for step, value in s.points
    ]
    used = {s.system: palette[s.system] for s in series}
    y_scale = alt.Scale(domain=list(domain)) if domain else alt.Scale(zero=False, nice=True)
    y_axis = alt.Axis(tickCount=4)
    if value_format:
        y_axis = alt.Axis(tickCount=4, labelExpr=f"datum.value ? format(datum.value, '{value_format}') : '0'")
    chart = alt.Chart(alt.InlineData(points)).encode(
        x=alt.X(
            "update:Q",
            title="update",
            axis=alt.Axis(tickCount=5, format=",d"),
            scale=alt.Scale(nice=False, domainMin=0),
        ),
        y=alt.Y("value:Q", title=None, axis=y_axis, scale=y_scale),
        color=alt.Color("system:N", scale=_scale(labels, used), legend=None),
    )
    mean, single = "datum.seed === 'mean'", "datum.seed !== 'mean'"
    # Over the nearest point's cell the datum is wrapped once more; Vega-Lite forgets that for a nominal field.
    point = "(datum.datum || datum)"
    tip = f"{{system: {point}.system, update: format({point}.update, ',d'), '{title}': format({point}.value, ',.4~g')}}"
    near = alt.selection_point(name="near", nearest=True, on="pointerover", clear="pointerout", empty=False)
    line = chart.transform_filter(mean).mark_line(strokeWidth=2, strokeDash=[5, 3] if dashed else [1, 0])
    layers: list[Any] = [line]
    if any(s.seed != "mean" for s in series):
        layers.insert(0, chart.transform_filter(single).mark_line(strokeWidth=1, opacity=0.28).encode(detail="seed:N"))
    if dashed:
        layers.append(chart.mark_point(size=28, filled=True, opacity=1))
    layers.append(
        chart.transform_filter(mean)
        .mark_point(size=60, filled=True, tooltip=alt.expr(tip))
        .encode(
            opacity=alt.when(near).then(alt.value(1)).otherwise(alt.value(0)),
        )
        .add_params(near)
        .properties(name="nearest")
    )
    return finish(alt.layer(*layers), height, description)


def changes(values: Sequence[Change], measure: str, baseline: str, label: str, colour: str, description: str) -> Spec:
    """Per-query differences, sorted: what was lost hangs left, what was won stands right, ties are the gap."""
    ordered = sorted(values, key=lambda c: (c.difference, c.query))
    bars = [
        {
            "place": place,
            "next": place + 1,
            "difference": round(c.difference, 5),
            "query": c.short_text,
            "before": c.rank_before,
            "after": c.rank_after,
        }
        for place, c in enumerate(ordered)
        if c.difference
    ]
    chart = (
        alt.Chart(alt.InlineData(bars))
        .mark_rect(color=colour)
        .encode(
            x=alt.X(
                "place:Q",
                title="queries, from the largest loss to the largest win",
                scale=alt.Scale(domain=[0, len(ordered)], nice=False),
                axis=alt.Axis(tickCount=5, format=",d"),
            ),
            x2="next:Q",
            y=alt.Y(
                "difference:Q",
                title=None,
                scale=alt.Scale(domain=[-1, 1]),
                axis=alt.Axis(
                    values=[-1, -0.5, 0, 0.5, 1], labelExpr="datum.value ? format(datum.value, '+.1f') : '0'"
                ),
            ),
            y2=alt.datum(0),
            tooltip=[
                alt.Tooltip("query:N", title="query"),
                alt.Tooltip("before:N", title=f"rank, {baseline}"),
                alt.Tooltip("after:N", title=f"rank, {label}"),
                alt.Tooltip("difference:Q", title=f"difference in {measure}", format="+.3f"),
            ],
        )
    )
    return finish(chart, 150, description)


def histogram(bins: Sequence[tuple[float, float, float]], title: str, unit: str, description: str) -> Spec:
    """Counted bins, [low, high, count] each: on a true axis where they are equally wide, else as named bars."""
    names = [f"{low:,.0f}–{high:,.0f}" for low, high, _ in bins]
    lows = [low for low, _, _ in bins]
    gap = lows[1] - bins[0][1] if len(bins) > 1 else 0.0  # 1 where both ends count, as of ranks
    widths = [high + gap - low for low, high, _ in bins]
    rows = [{"bin": name, "low": low, "count": n} for name, (low, _, n) in zip(names, bins, strict=True)]
    chart = alt.Chart(alt.InlineData(rows)).encode(
        y=alt.Y("count:Q", title=None, axis=alt.Axis(tickCount=4, format=",d")),
        tooltip=[alt.Tooltip("bin:N", title=title), alt.Tooltip("count:Q", title=unit, format=",d")],
    )
    if max(widths) - min(widths) <= 0.02 * max(widths):
        for row, low in zip(rows, lows, strict=True):
            row["high"] = low + widths[0]
        scale = alt.Scale(domain=[lows[0], lows[-1] + widths[0]], nice=False)
        x = alt.X("low:Q", title=title, scale=scale, axis=alt.Axis(tickCount=6, format=",d"))
        chart = chart.mark_rect(color=GREY, stroke="none").encode(x=x, x2="high:Q", y2=alt.datum(0))
    else:
        chart = chart.mark_bar(color=GREY).encode(
            x=alt.X("bin:N", sort=names, title=title, axis=alt.Axis(labelAngle=0))
        )
    return finish(chart, 150, description)
