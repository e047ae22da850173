"""Charts of one training collection and many test collections: forest plots, and in domain against out of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE
from strop.records import formats
from strop.report.charts import INK, Spec, finish
from strop.report.forests import TONES
from strop.report.transfer_pairs import Pair

_SHAPES = {BETTER: "triangle-up", WORSE: "triangle-down", UNRESOLVED: "circle"}
_SIGNED = "datum.value ? format(datum.value, '+.2~f') : '0'"
_WIDTH, _HEIGHT = 480, 380  # of the scatter, about, where labels look for room
_BESIDE = ((11, -10), (-11, -10), (11, 10), (-11, 10))
_CORNERS = (
    ("loses in domain,\ngains out of domain", "left", "top"),
    ("gains in both", "right", "top"),
    ("\nloses in both", "left", "bottom"),
    ("gains in domain,\nloses out of domain", "right", "bottom"),
)


def forest(pairs: Sequence[Pair], measure: str, description: str) -> Spec:
    """Macro differences, one line each: thick for these collections, thin for collections in general, where known."""
    rows = [
        {
            "place": place,
            "pair": p.name,
            "name": p.numbered,
            "text": p.elsewhere.text,
            "against": p.against,
            "difference": round(p.elsewhere.difference, 5),
            "low": round(p.elsewhere.low, 5),
            "high": round(p.elsewhere.high, 5),
            "these": p.elsewhere.span,
            "general": p.general_span,
            "p": formats.p_value(p.elsewhere.p),
            "verdict": p.elsewhere.verdict,
        }
        for place, p in enumerate(pairs)
    ]
    wide = [
        row | {"low": round(p.general[0], 5), "high": round(p.general[1], 5)}
        for row, p in zip(rows, pairs, strict=True)
        if p.general
    ]
    y = alt.Y("place:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0, domain=list(range(len(rows)))))
    x_axis = alt.Axis(labelExpr=_SIGNED, tickCount=5, labelOverlap=True)
    title = f"difference in {measure}, mean of the other collections"
    colour = alt.Color("verdict:N", scale=alt.Scale(domain=list(TONES), range=list(TONES.values())), legend=None)
    named = ("pair", "against", "text", "these", "general", "p", "verdict")
    titles = {"text": "difference", "these": "these collections", "general": "in general", "p": "p (Holm)"}
    tip = [alt.Tooltip(f"{key}:N", title=titles.get(key, key)) for key in named]
    words: dict[str, Any] = {"fontSize": 12, "color": INK, "opacity": 0.9, "baseline": "middle", "dy": -9}
    place: dict[str, Any] = {"x": alt.X("low:Q", title=title, axis=x_axis), "x2": "high:Q", "y": y, "color": colour}
    own, general = alt.Chart(alt.InlineData(rows)), alt.Chart(alt.InlineData(wide))
    layers: list[Any] = [
        alt.Chart(alt.InlineData([{"zero": 0}])).mark_rule(color=INK, opacity=0.6).encode(x="zero:Q"),
        general.mark_rule(strokeWidth=1.2, yOffset=9).encode(**place, tooltip=tip),
        own.mark_rule(strokeWidth=4.5, strokeCap="round", yOffset=9).encode(**place, tooltip=tip),
        own.mark_circle(size=110, opacity=1, yOffset=9).encode(x="difference:Q", y=y, color=colour, tooltip=tip),
        own.mark_text(align="left", limit=alt.expr("width - 76"), **words).encode(x=alt.value(0), y=y, text="name:N"),
        own.mark_text(align="right", **words).encode(x=alt.value("width"), y=y, text="text:N"),
    ]
    return finish(alt.layer(*layers if wide else (layers[0], *layers[2:])), 40 * max(1, len(rows)), description)


def in_and_out_of_domain(pairs: Sequence[Pair], own: str, description: str) -> Spec:
    """Change in domain across, macro change out of domain up, both from the start; numbers name the systems."""
    sides = [alt.Scale(domain=list(_domain(pairs, place)), nice=True) for place in ("own", "elsewhere")]
    rows = [
        {
            "number": str(p.number),
            "system": p.name,
            "own": round(p.own.difference, 5),
            "own_low": round(p.own.low, 5),
            "own_high": round(p.own.high, 5),
            "away": round(p.elsewhere.difference, 5),
            "away_low": round(p.elsewhere.low, 5),
            "away_high": round(p.elsewhere.high, 5),
            "home": f"{p.own.text} {p.own.span}",
            "others": f"{p.elsewhere.text} {p.elsewhere.span}",
            "verdict": p.elsewhere.verdict,
            "right": right,
            "down": down,
        }
        for p, (right, down) in zip(pairs, _beside(pairs), strict=True)
    ]
    chart, zero = alt.Chart(alt.InlineData(rows)), alt.Chart(alt.InlineData([{"zero": 0}]))
    axis = alt.Axis(labelExpr=_SIGNED, tickCount=5, grid=False)
    x = alt.X("own:Q", title=f"change in domain ({own})", scale=sides[0], axis=axis)
    y = alt.Y("away:Q", title="change out of domain, mean of the others", scale=sides[1], axis=axis)
    colour = alt.Color("verdict:N", scale=alt.Scale(domain=list(TONES), range=list(TONES.values())), legend=None)
    shape = alt.Shape("verdict:N", scale=alt.Scale(domain=list(_SHAPES), range=list(_SHAPES.values())), legend=None)
    keys = {"system": "system", "home": "in domain", "others": "out of domain", "verdict": "out of domain it is"}
    tip = [alt.Tooltip(f"{key}:N", title=title) for key, title in keys.items()]
    corners = []
    for label, side, end in _CORNERS:
        left, top = side == "left", end == "top"
        words: dict[str, Any] = {"align": side, "baseline": "top", "dx": 6 if left else -6, "dy": 6 if top else -32}
        text = alt.Chart(alt.InlineData([{"said": label}])).mark_text(
            lineBreak="\n", fontSize=11, color=INK, opacity=0.6, **words
        )
        place = {"x": alt.value(0 if left else "width"), "y": alt.value(0 if top else "height")}
        corners.append(text.encode(text="said:N", **place))
    spread: dict[str, Any] = {"strokeWidth": 1.2, "opacity": 0.35}
    layers: list[Any] = [
        *corners,
        zero.mark_rule(color=INK, opacity=0.6, strokeDash=[4, 3]).encode(x=alt.X("zero:Q", scale=sides[0])),
        zero.mark_rule(color=INK, opacity=0.6, strokeDash=[4, 3]).encode(y=alt.Y("zero:Q", scale=sides[1])),
        chart.mark_rule(**spread).encode(x=alt.X("own_low:Q", scale=sides[0]), x2="own_high:Q", y=y, color=colour),
        chart.mark_rule(**spread).encode(x=x, y=alt.Y("away_low:Q", scale=sides[1]), y2="away_high:Q", color=colour),
        chart.mark_point(size=95, filled=True, opacity=1).encode(x=x, y=y, color=colour, shape=shape, tooltip=tip),
        chart.mark_text(fontSize=12, color=INK, dx=alt.expr("datum.right"), dy=alt.expr("datum.down")).encode(
            x=x, y=y, text="number:N"
        ),
    ]
    return finish(alt.layer(*layers), _HEIGHT, description)


def _domain(pairs: Sequence[Pair], place: str) -> tuple[float, float]:
    """All intervals and zero, and a twelfth of that at either end for the words in the corners."""
    ends = [end for p in pairs for c in (getattr(p, place),) for end in (c.low, c.high, c.difference)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = (high - low or 0.01) / 12
    return round(low - room, 5), round(high + room, 5)


def _beside(pairs: Sequence[Pair]) -> list[tuple[int, int]]:
    """(right, down) of each number from its point in pixels: the corner with the most room, off both intervals."""
    (left, right), (bottom, top) = (_domain(pairs, place) for place in ("own", "elsewhere"))
    at = [
        (
            (p.own.difference - left) / (right - left) * _WIDTH,
            (top - p.elsewhere.difference) / (top - bottom) * _HEIGHT,
        )
        for p in pairs
    ]
    places, offsets = list(at), []
    for i, (x, y) in enumerate(at):
        others = [place for j, place in enumerate(places) if j != i]
        best = max(_BESIDE, key=lambda o: min((math.dist((x + o[0], y + o[1]), t) for t in others), default=0.0))
        places.append((x + best[0], y + best[1]))
        offsets.append(best)
    return offsets
