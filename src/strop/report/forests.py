"""Forest plots: differences with their intervals, one line per system or knob."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE
from strop.records import formats
from strop.report.charts import GREY, INK, PALETTE, Spec, finish
from strop.report.knobs import Knob
from strop.report.summary import Cell

#: verdict -> colour of a knob's line.
TONES = {BETTER: PALETTE[2], WORSE: PALETTE[1], UNRESOLVED: GREY}


def forest(cells: Sequence[Cell], palette: Mapping[str, str], description: str) -> Spec:
    """Relative change of each system against the baseline: ours with its interval, the paper's as a diamond."""
    ours = [
        {
            "system": c.label,
            "change": c.difference.relative,
            "low": (c.difference.relative_interval or (None, None))[0],
            "high": (c.difference.relative_interval or (None, None))[1],
            "verdict": c.difference.verdict,
        }
        for c in cells
        if c.difference is not None and c.difference.relative is not None
    ]
    theirs = [{"system": c.label, "change": c.published_relative} for c in cells if c.published_relative is not None]
    order = [c.label for c in cells if c.difference is not None and c.difference.relative is not None]
    used = {c.label: palette[c.system] for c in cells}
    colour = alt.Color("system:N", scale=alt.Scale(domain=order, range=[used[s] for s in order]), legend=None)
    y = alt.Y("system:N", sort=order, title=None, axis=alt.Axis(labelLimit=240, grid=True))
    x_axis = alt.Axis(labelExpr="datum.value ? format(datum.value, '+.0%') : '0'", tickCount=5, labelOverlap=True)
    own = alt.Chart(alt.InlineData(ours))
    tip = [
        alt.Tooltip("system:N", title="system"),
        alt.Tooltip("change:Q", title="ours", format="+.1%"),
        alt.Tooltip("low:Q", title="from", format="+.1%"),
        alt.Tooltip("high:Q", title="to", format="+.1%"),
        alt.Tooltip("verdict:N", title="verdict"),
    ]
    measure = cells[0].measure if cells else ""
    title = f"change in {measure}"
    layers: list[Any] = [
        alt.Chart(alt.InlineData([{"zero": 0}])).mark_rule(color=INK, opacity=0.6).encode(x="zero:Q"),
        own.mark_rule(strokeWidth=2.5, strokeCap="round").encode(
            x=alt.X("low:Q", title=title, axis=x_axis), x2="high:Q", y=y, color=colour, tooltip=tip
        ),
        own.mark_circle(size=110, opacity=1).encode(x="change:Q", y=y, color=colour, tooltip=tip),
    ]
    if theirs:
        layers.append(
            alt.Chart(alt.InlineData(theirs))
            .mark_point(shape="diamond", size=90, strokeWidth=1.6, color=INK, opacity=0.9)
            .encode(
                x="change:Q",
                y=y,
                tooltip=[
                    alt.Tooltip("system:N", title="system"),
                    alt.Tooltip("change:Q", title="the paper", format="+.1%"),
                ],
            )
        )
    return finish(alt.layer(*layers), 44 * max(1, len(ours)) + 10, description)


def knob_forest(knobs: Sequence[Knob], measure: str, centre: str, description: str) -> Spec:
    """Each knob's difference to its centre with its interval; above each line its name, and what it wins back."""
    rows = [
        {
            "place": place,
            "knob": k.label,
            "name": f"{k.point}  {k.label}",
            "share": f"wins back {formats.percent(k.share, 0)}" if k.share is not None else formats.DASH,
            "difference": round(k.difference.difference, 5),
            "low": round(k.difference.low, 5),
            "high": round(k.difference.high, 5),
            "verdict": k.difference.verdict,
        }
        for place, k in enumerate(knobs)
    ]
    tip = [
        alt.Tooltip("knob:N", title="knob"),
        alt.Tooltip("difference:Q", format="+.3f"),
        alt.Tooltip("low:Q", title="from", format="+.3f"),
        alt.Tooltip("high:Q", title="to", format="+.3f"),
        alt.Tooltip("verdict:N", title="verdict"),
        alt.Tooltip("share:N", title="of the centre's loss"),
    ]
    return _lines(rows, f"difference in {measure} to {centre}", tip, "share", description)


def pair_forest(pairs: Sequence[Mapping[str, Any]], description: str) -> Spec:
    """The difference of each pair with its interval; above each line the pair's `name` and its difference as `text`.

    A pair has `name`, `text`, `span`, `p`, `verdict`, and the numbers `difference`, `low` and `high`.
    """
    rows = [
        {"place": place, **pair, **{key: round(pair[key], 5) for key in ("difference", "low", "high")}}
        for place, pair in enumerate(pairs)
    ]
    titles = {"name": "pair", "text": "difference", "span": "95 %", "p": "p (Holm)", "verdict": "verdict"}
    tip = [alt.Tooltip(f"{key}:N", title=title) for key, title in titles.items()]
    return _lines(rows, "difference, first minus second", tip, "text", description)


def _lines(
    rows: Sequence[Mapping[str, Any]], title: str, tip: Sequence[alt.Tooltip], right: str, description: str
) -> Spec:
    """A line for each difference, in colour where it is resolved; above it its name, and `right` at the other end."""
    own = alt.Chart(alt.InlineData(list(rows)))
    y = alt.Y("place:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))
    x_axis = alt.Axis(labelExpr="datum.value ? format(datum.value, '+.3~f') : '0'", tickCount=5, labelOverlap=True)
    colour = alt.Color("verdict:N", scale=alt.Scale(domain=list(TONES), range=list(TONES.values())), legend=None)
    words: dict[str, Any] = {"fontSize": 12, "color": INK, "opacity": 0.9, "baseline": "middle", "dy": -9}
    layers: list[Any] = [
        alt.Chart(alt.InlineData([{"zero": 0}])).mark_rule(color=INK, opacity=0.6).encode(x="zero:Q"),
        own.mark_rule(strokeWidth=2.5, strokeCap="round", yOffset=9).encode(
            x=alt.X("low:Q", title=title, axis=x_axis), x2="high:Q", y=y, color=colour, tooltip=tip
        ),
        own.mark_circle(size=100, opacity=1, yOffset=9).encode(x="difference:Q", y=y, color=colour, tooltip=tip),
        own.mark_text(align="left", limit=alt.expr("width - 110"), **words).encode(x=alt.value(0), y=y, text="name:N"),
        own.mark_text(align="right", **words).encode(x=alt.value("width"), y=y, text=f"{right}:N"),
    ]
    return finish(alt.layer(*layers), 40 * max(1, len(rows)), description)
