"""Charts of one training collection and many test collections: forest plots, and in domain against out of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE
from strop.records import formats
from strop.report.charts import INK, Spec, bare_zero, chart, finish, keyed, tip, zero
from strop.report.differences import Difference, marked, span
from strop.report.forests import TONES, lines, rounded
from strop.report.transfer_pairs import Pair

_SHAPES: Mapping[str, str] = {BETTER: "triangle-up", WORSE: "triangle-down", UNRESOLVED: "circle"}
_WIDTH, _HEIGHT = 480, 380  # of the scatter, about, where labels look for room
_BESIDE = ((11, -10), (-11, -10), (11, 10), (-11, 10))
_CORNERS = (
    ("loses in domain,\ngains out of domain", "left", "top"),
    ("gains in both", "right", "top"),
    ("\nloses in both", "left", "bottom"),
    ("gains in domain,\nloses out of domain", "right", "bottom"),
)


def forest(pairs: Sequence[Pair], measure: str) -> Spec:
    """Macro differences, one line each: thick for these collections, thin for collections in general, where known."""
    rows = [
        {
            "pair": p.name,
            "name": p.numbered,
            "text": marked(p.out_of_domain),
            "against": p.against,
            "these": span(p.out_of_domain),
            "general": p.general_span,
            "p": formats.p_value(p.out_of_domain.p),
            **rounded(p.out_of_domain),
        }
        for p in pairs
    ]
    general = [p.general and (round(p.general[0], 5), round(p.general[1], 5)) for p in pairs]
    tooltip = [
        tip("pair"), tip("against"), tip("text", "difference"), tip("these", "these collections"),
        tip("general", "in general"), tip("p", "p (Holm)"), tip("verdict"),
    ]  # fmt: skip
    return lines(rows, f"difference in {measure}, mean of the other collections", tooltip, "text", general)


def in_and_out_of_domain(pairs: Sequence[Pair], own: str) -> Spec:
    """Change in domain across, macro change out of domain up, both from the start; numbers name the systems."""
    across, up = _domains(pairs)
    wide, high = (alt.Scale(domain=list(ends), nice=True) for ends in (across, up))
    rows = [
        {
            "number": str(p.number),
            "system": p.name,
            **{f"in_{key}": value for key, value in rounded(p.in_domain).items()},
            **{f"out_{key}": value for key, value in rounded(p.out_of_domain).items()},
            "in_text": f"{marked(p.in_domain)} {span(p.in_domain)}",
            "out_text": f"{marked(p.out_of_domain)} {span(p.out_of_domain)}",
            "right": right,
            "down": down,
        }
        for p, (right, down) in zip(pairs, _beside(pairs), strict=True)
    ]
    axis = alt.Axis(labelExpr=bare_zero("+.3~f"), tickCount=5, grid=False)
    x = alt.X("in_difference:Q", title=f"change in domain ({own})", scale=wide, axis=axis)
    y = alt.Y("out_difference:Q", title="change out of domain, mean of the others", scale=high, axis=axis)
    colour, shape = keyed(alt.Color, "out_verdict", TONES), keyed(alt.Shape, "out_verdict", _SHAPES)
    tooltip = [
        tip("system"), tip("in_text", "in domain"), tip("out_text", "out of domain"),
        tip("out_verdict", "out of domain it is"),
    ]  # fmt: skip
    points, arms = chart(rows).encode(x=x, y=y), chart(rows).mark_rule(strokeWidth=1.2, opacity=0.35)
    layers = [
        *(_corner(*each) for each in _CORNERS),
        zero(strokeDash=[4, 3]).encode(x=alt.X("zero:Q", scale=wide)),
        zero(strokeDash=[4, 3]).encode(y=alt.Y("zero:Q", scale=high)),
        arms.encode(x=alt.X("in_low:Q", scale=wide), x2="in_high:Q", y=y, color=colour),
        arms.encode(x=x, y=alt.Y("out_low:Q", scale=high), y2="out_high:Q", color=colour),
        points.mark_point(size=95, filled=True, opacity=1).encode(color=colour, shape=shape, tooltip=tooltip),
        points.mark_text(fontSize=12, color=INK, dx=alt.expr("datum.right"), dy=alt.expr("datum.down")).encode(
            text="number:N"
        ),
    ]
    return finish(alt.layer(*layers), _HEIGHT)


def _corner(label: str, side: str, end: str) -> Any:
    left, top = side == "left", end == "top"
    text = chart([{"label": label}]).mark_text(
        lineBreak="\n", fontSize=11, color=INK, opacity=0.6, align=side, baseline="top",
        dx=6 if left else -6, dy=6 if top else -32,
    )  # fmt: skip
    return text.encode(text="label:N", x=alt.value(0 if left else "width"), y=alt.value(0 if top else "height"))


def _domains(pairs: Sequence[Pair]) -> tuple[tuple[float, float], tuple[float, float]]:
    return _domain([p.in_domain for p in pairs]), _domain([p.out_of_domain for p in pairs])


def _domain(changes: Sequence[Difference]) -> tuple[float, float]:
    """All intervals and zero, and a twelfth of that at either end for the words in the corners."""
    ends = [0.0, *(end for c in changes for end in (c.low, c.high, c.difference))]
    room = (max(ends) - min(ends) or 0.01) / 12
    return round(min(ends) - room, 5), round(max(ends) + room, 5)


def _beside(pairs: Sequence[Pair]) -> list[tuple[int, int]]:
    """(right, down) of each number from its point in pixels: the corner with the most room, off both intervals."""
    (left, right), (bottom, top) = _domains(pairs)
    places = [
        (
            (p.in_domain.difference - left) / (right - left) * _WIDTH,
            (top - p.out_of_domain.difference) / (top - bottom) * _HEIGHT,
        )
        for p in pairs
    ]
    offsets = []
    for i, (x, y) in enumerate(tuple(places)):
        others = places[:i] + places[i + 1 :]
        best = max(_BESIDE, key=lambda o: min((math.dist((x + o[0], y + o[1]), t) for t in others), default=0.0))
        places.append((x + best[0], y + best[1]))
        offsets.append(best)
    return offsets
