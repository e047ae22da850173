"""Forest plots: differences with their intervals, one line per system, knob or pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE, Comparison
from strop.records import formats
from strop.report.charts import GREY, INK, PALETTE, Spec, bare_zero, chart, finish, keyed, tip, zero
from strop.report.differences import Difference
from strop.report.knobs import Knob
from strop.report.summary import Cell

#: verdict -> colour of a line.
TONES: Mapping[str, str] = {BETTER: PALETTE[2], WORSE: PALETTE[1], UNRESOLVED: GREY}


def forest(rivals: Sequence[tuple[Cell, Comparison]], measure: str, palette: Mapping[str, str]) -> Spec:
    """Relative change of each system against the baseline: ours with its interval, the paper's as a diamond."""
    ours = []
    for cell, d in rivals:
        low, high = d.relative_interval or (None, None)
        ours.append({"system": cell.label, "change": d.relative, "low": low, "high": high, "verdict": d.verdict})
    theirs = [
        {"system": c.label, "change": c.published_relative} for c, _ in rivals if c.published_relative is not None
    ]
    colours = {cell.label: palette[cell.system] for cell, _ in rivals}
    colour = keyed(alt.Color, "system", colours)
    y = alt.Y("system:N", sort=list(colours), title=None, axis=alt.Axis(labelLimit=240, grid=True))
    x_axis = alt.Axis(labelExpr=bare_zero("+.0%"), tickCount=5, labelOverlap=True)
    x = alt.X("low:Q", title=f"change in {measure}", axis=x_axis)
    tooltip = [
        tip("system"), tip("change", "ours", "+.1%"), tip("low", "from", "+.1%"), tip("high", "to", "+.1%"),
        tip("verdict"),
    ]  # fmt: skip
    own = chart(ours).encode(y=y, color=colour, tooltip=tooltip)
    layers = [
        zero().encode(x="zero:Q"),
        own.mark_rule(strokeWidth=2.5, strokeCap="round").encode(x=x, x2="high:Q"),
        own.mark_circle(size=110, opacity=1).encode(x="change:Q"),
    ]
    if theirs:
        diamonds = chart(theirs).mark_point(shape="diamond", size=90, strokeWidth=1.6, color=INK, opacity=0.9)
        layers.append(diamonds.encode(x="change:Q", y=y, tooltip=[tip("system"), tip("change", "the paper", "+.1%")]))
    return finish(alt.layer(*layers), 44 * len(ours) + 10)


def rounded(of: Difference) -> dict[str, Any]:
    """What `lines` draws of a difference."""
    ends = {"difference": round(of.difference, 5), "low": round(of.low, 5), "high": round(of.high, 5)}
    return ends | {"verdict": of.verdict}


def knob_forest(knobs: Sequence[Knob], measure: str, centre: str) -> Spec:
    """Each knob's difference to its centre with its interval; above each line its name, and what it wins back."""
    rows = [
        {
            "knob": k.label,
            "name": f"{k.point}  {k.label}",
            "share": f"wins back {formats.percent(k.share, 0)}" if k.share is not None else formats.DASH,
            **rounded(k.difference),
        }
        for k in knobs
    ]
    tooltip = [
        tip("knob"), tip("difference", format="+.3f"), tip("low", "from", "+.3f"), tip("high", "to", "+.3f"),
        tip("verdict"), tip("share", "of the centre's loss"),
    ]  # fmt: skip
    return lines(rows, f"difference in {measure} to {centre}", tooltip, "share")


def lines(
    rows: Sequence[Mapping[str, Any]],
    title: str,
    tooltip: Sequence[alt.Tooltip],
    right: str,
    general: Sequence[tuple[float, float] | None] | None = None,
) -> Spec:
    """A line for each difference, in colour where it is resolved; above it its name, and the field `right`.

    `general` are second, wider intervals of the rows: thin lines below thick ones.
    """
    placed = [{"place": place, **row} for place, row in enumerate(rows)]
    wide = [row | {"low": of[0], "high": of[1]} for row, of in zip(placed, general or (), strict=False) if of]
    scale = alt.Scale(paddingInner=0, paddingOuter=0, domain=list(range(len(rows))))
    y = alt.Y("place:O", axis=None, scale=scale)
    x_axis = alt.Axis(labelExpr=bare_zero("+.3~f"), tickCount=5, labelOverlap=True)
    place = {"x": alt.X("low:Q", title=title, axis=x_axis), "x2": "high:Q"}
    style = {"y": y, "color": keyed(alt.Color, "verdict", TONES), "tooltip": tooltip}
    words: dict[str, Any] = {"fontSize": 12, "color": INK, "opacity": 0.9, "baseline": "middle", "dy": -9}
    thickness, size, room = (2.5, 100, 110) if general is None else (4.5, 110, 76)
    own, named = chart(placed).encode(**style), chart(placed).encode(y=y)
    layers = [
        zero().encode(x="zero:Q"),
        *([chart(wide).mark_rule(strokeWidth=1.2, yOffset=9).encode(**place, **style)] if wide else ()),
        own.mark_rule(strokeWidth=thickness, strokeCap="round", yOffset=9).encode(**place),
        own.mark_circle(size=size, opacity=1, yOffset=9).encode(x="difference:Q"),
        named.mark_text(align="left", limit=alt.expr(f"width - {room}"), **words).encode(x=alt.value(0), text="name:N"),
        named.mark_text(align="right", **words).encode(x=alt.value("width"), text=f"{right}:N"),
    ]
    return finish(alt.layer(*layers), 40 * max(1, len(rows)))
