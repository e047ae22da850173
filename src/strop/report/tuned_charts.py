"""Charts of a tuning run: gain and guards with what each had to reach, and the path from the base to tuned weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import altair as alt

from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE
from strop.records import formats
from strop.records.tuned import Evidence, Point
from strop.report.charts import GREY, INK, Spec, bare_zero, chart, finish, keyed, tip, zero
from strop.report.forests import TONES

CERTIFIED, OPEN, LOSS = "certified", "not certified", "proven loss"
_COLOURS = {CERTIFIED: TONES[BETTER], OPEN: TONES[UNRESOLVED], LOSS: TONES[WORSE]}
CHOSEN, ALLOWED, REFUSED = "chosen", "allowed", "not allowed"
#: What the line of the gain is called among those of the guards.
GAIN = "gain"
_PAPER = "var(--paper)"  # so that a hollow point covers the line below it, in light and dark
_HEADING, _ROW, _NAME, _LINE = 24, 42, 10, 27  # pixels: of a heading and a row, and where in a row its parts are


def outcome(of: Evidence) -> str:
    """A proven loss is one whose whole interval lies below 0, or below the margin of a guard."""
    return CERTIFIED if of.passed else LOSS if of.high < min(of.threshold, 0) else OPEN


def gain_and_guards(groups: Sequence[tuple[str, Sequence[tuple[str, Evidence]]]], measure: str) -> Spec:
    """Named evidence under headings: point, 95 % interval, bound as a tick, and shaded the loss that is permitted."""
    headings, rows, top = [], [], 0
    for heading, evidence in groups:
        if evidence:
            headings.append({"heading": heading, "y": top + _HEADING / 2})
            starts = accumulate([_ROW] * len(evidence), initial=top + _HEADING)
            rows += [_drawn(name, of, start) for (name, of), start in zip(evidence, starts, strict=False)]
            top += _HEADING + _ROW * len(evidence)
    scale = alt.Scale(domain=[0, top], reverse=True, nice=False, zero=False)
    x_axis = alt.Axis(labelExpr=bare_zero("+.3~f"), tickCount=5, labelOverlap=True)
    title = f"difference in {measure}, tuned \N{MINUS SIGN} base"
    ends = [end for row in rows for end in (row["low"], row["high"], row["bound"], row["threshold"])]
    wide = alt.Scale(domain=[min(0.0, *ends), max(0.0, *ends)], nice=True)
    tooltip = [
        tip("name", "queries"), tip("difference", format="+.3f"), tip("low", "from", "+.3f"), tip("high", "to", "+.3f"),
        tip("bound", "at least", "+.4f"), tip("threshold", "needs more than", "+.4f"), tip("outcome"),
    ]  # fmt: skip

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", title=title, axis=x_axis, scale=wide)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", axis=None, scale=scale)

    colour = keyed(alt.Color, "outcome", _COLOURS)
    own = chart(rows).encode(y=y("line"), tooltip=tooltip)
    beside = chart(rows).encode(y=y("under"), y2="end:Q")  # lines of the background leave the names out
    permitted = beside.transform_filter("datum.threshold < 0").encode(x=x("threshold"))
    words: dict[str, Any] = {"fontSize": 12, "color": INK, "opacity": 0.9, "baseline": "middle"}
    named = chart(rows).encode(y=y("named"))
    shaded = [
        permitted.mark_rect(color=GREY, opacity=0.18).encode(x2=alt.datum(0)),
        permitted.mark_rule(color=INK, opacity=0.75, strokeDash=[5, 3]),
    ]
    layers = [
        *(shaded if any(row["threshold"] < 0 for row in rows) else ()),  # of nothing, Vega draws nothing at all
        beside.mark_rule(color=INK, opacity=0.6).encode(x=alt.datum(0)),
        own.mark_rule(strokeWidth=3, strokeCap="round").encode(x=x("low"), x2="high:Q", color=colour),
        own.mark_tick(orient="vertical", size=15, thickness=2.5, color=INK).encode(x=x("bound")),
        own.mark_point(shape="circle", filled=False, size=90, strokeWidth=2.5, opacity=1).encode(
            x=x("difference"), color=colour, fill=keyed(alt.Fill, "outcome", {**_COLOURS, OPEN: _PAPER, LOSS: _PAPER})
        ),
        named.mark_text(align="left", limit=alt.expr("width - 128"), **words).encode(x=alt.value(0), text="name:N"),
        named.mark_text(align="right", **words).encode(x=alt.value("width"), text="says:N"),
        chart(headings).mark_text(align="left", fontWeight="bold", limit=alt.expr("width"), **words).encode(
            x=alt.value(0), y=y("y"), text="heading:N"
        ),
    ]  # fmt: skip
    return finish(alt.layer(*layers), top)


def _drawn(name: str, of: Evidence, start: int) -> dict[str, Any]:
    values = {key: round(getattr(of, key), 5) for key in ("difference", "low", "high", "bound", "threshold")}
    places = {"named": start + _NAME, "under": start + 2 * _NAME - 2, "line": start + _LINE, "end": start + _ROW - 4}
    says = f"{formats.signed(of.difference)} {outcome(of)}"
    return {"name": name, "outcome": outcome(of), "says": says, **values, **places}


def path(points: Sequence[Point], palette: Mapping[str, str], margin: float, domain: tuple[float, float]) -> Spec:
    """Gain and guards over the share of tuned weights, of one end; `palette` is that of the lines, the gain's first.

    A dashed line is where guards may not fall below. All differences on dev.
    """
    rows = [
        {"share": point.share, "line": line, "value": round(value, 5), "state": _state(point), "why": point.reason}
        for point in points
        for line, value in {GAIN: point.gain, **point.guards}.items()
    ]
    # The base differs from itself by nothing: every line starts there, measured or not.
    measured = {row["line"] for row in rows if row["share"] == 0}
    start = [{"share": 0, "line": line, "value": 0} for line in palette if line not in measured]
    wide = alt.Scale(domain=[0, 1], nice=False)
    ends = "datum.value === 0 ? 'base' : datum.value === 1 ? 'tuned' : format(datum.value, '.2~f')"
    x_axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], labelExpr=ends, labelFlush=True)
    high = alt.Scale(domain=list(domain), nice=True)

    def place(field: str) -> dict[str, Any]:
        y_axis = alt.Axis(labelExpr=bare_zero("+.3~f"), tickCount=5)
        return {
            "x": alt.X("share:Q", title="share of the tuned weights", axis=x_axis, scale=wide),
            "y": alt.Y(f"{field}:Q", title=None, axis=y_axis, scale=high),
        }

    colour = keyed(alt.Color, "line", palette)
    filled = keyed(alt.Fill, "line", palette)
    tooltip = [tip("line"), tip("share", format=".2f"), tip("value", "on dev", "+.4f"), tip("state"), tip("why")]
    layers = [zero().encode(y=alt.Y("zero:Q", scale=high))]
    if len(palette) > 1:
        layers += _level(-margin, "the margin of guards", "left", [5, 3], high)
    if chosen := [{"share": p.share, "word": CHOSEN, "right": p.share > 0.8} for p in points if p.chosen]:
        mark = chart(chosen).encode(x=alt.X("share:Q", scale=wide))
        layers.append(mark.mark_rule(color=INK, opacity=0.5, strokeWidth=1.2))
        beside = alt.expr("datum.right ? 'right' : 'left'")
        text = mark.mark_text(align=beside, dx=alt.expr("datum.right ? -6 : 6"), dy=8, fontSize=12, color=INK)
        layers.append(text.encode(y=alt.value(0), text="word:N"))
    own = chart(start + rows).encode(**place("value"), color=colour)
    layers.append(own.mark_line(strokeWidth=2))
    for state, size, style in ((REFUSED, 50, {"fill": _PAPER}), (ALLOWED, 50, {}), (CHOSEN, 150, {})):
        if these := [row for row in rows if row["state"] == state]:
            dots = chart(these).mark_point(shape="circle", size=size, strokeWidth=1.8, opacity=1, **style)
            dots = dots.encode(**place("value"), color=colour, tooltip=tooltip)
            layers.append(dots if style else dots.encode(fill=filled))
    return finish(alt.layer(*layers), 240)


def _state(of: Point) -> str:
    return CHOSEN if of.chosen else ALLOWED if of.allowed else REFUSED


def _level(value: float, name: str, side: str, dash: list[float], scale: alt.Scale) -> list[Any]:
    at = chart([{"level": value, "name": name}]).encode(y=alt.Y("level:Q", scale=scale))
    text = at.mark_text(align=side, dy=-7, dx=4 if side == "left" else -4, fontSize=11, color=INK, opacity=0.8)
    place = alt.value(0 if side == "left" else "width")
    return [at.mark_rule(color=INK, opacity=0.7, strokeDash=dash), text.encode(x=place, text="name:N")]
