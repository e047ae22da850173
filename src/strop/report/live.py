"""The live page of a training: what runs, the alarms, and one chart per measure, all from one plain value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import Any, TypeGuard

from strop.geometry.catalogue import ABSOLUTE, RELATIVE
from strop.monitoring.logbook import Course
from strop.records import formats
from strop.report import live_charts
from strop.report.characters import all_shown
from strop.report.charts import Figure
from strop.report.document import document
from strop.report.tables import title
from strop.report.training import ACCURACY, CURVES, Points

#: An alarm: the update it speaks of, its name, and what it says.
Alarm = tuple[int, str, str]

MOST_POINTS = 500
GROUPS = {"training": "Training", "quality": "Quality", "geometry": "Geometry", "picture": "Picture"}
#: What the facts say already.
_NO_CHART = ("train/padding_share", "train/tokens_per_second")
#: Names that their letters alone do not give.
_NAMES = {**CURVES, "dev/RR@10": "RR@10 of the probe", "geometry/auc": "AUC", "geometry/cka": "CKA"}
_KNOWN = {one.name: one for one in (*ABSOLUTE, *RELATIVE)}
_GOOD = {"higher": "; more is better", "lower": "; less is better", "neither": ""}


def live_page(course: Course, alarms: Sequence[Alarm], polls: bool) -> str:
    """One HTML page of a training so far. With `polls` it asks its own server for `state.json` every two seconds.

    Without, it fetches nothing and may be opened from a file.
    """
    now = state(course, alarms)
    groups = [
        (id, name, [Figure(c["name"], c["title"], {}, "", c["text"]) for c in now["charts"] if c["group"] == id])
        for id, name in GROUPS.items()
    ]
    context = {"state": now, "groups": groups, "polls": polls, "blank": Figure("", "", {}, "")}
    return document("live.html", "live.js", context, connects=polls)


def state(course: Course, alarms: Sequence[Alarm]) -> dict[str, Any]:
    """All that the page shows, as plain JSON without NaN, its texts as `shown`: what it holds at first, and asks later.

    A chart's `spec` has no data; `data` are its data sets by name, at most 500 points per line.
    """
    values = {
        "title": str(course.about.get("title") or "Training"),
        "status": _status(course),
        "done": course.done,
        "at_work": course.at_work,
        "updates": [*_updates(course)],
        "written": course.written,
        "facts": [list(fact) for fact in _facts(course)],
        "alarms": [{"step": step, "name": name, "sentence": sentence} for step, name, sentence in alarms],
        "charts": [*_charts(course)],
    }
    read: dict[str, Any] = all_shown(values)
    return read


def _updates(course: Course) -> tuple[int, int]:
    """Those done and those planned: the loss at step s is that of update s + 1."""
    done = max((points[-1][0] + (m == "train/loss") for m, points in course.series.items()), default=0)
    return done, max(int(course.about.get("updates") or 0), done)


def _status(course: Course) -> str:
    done, planned = map(formats.count, _updates(course))
    if course.done:
        stopped, kept = course.about.get("stopped"), course.about.get("kept")
        end = f"Stopped after {done} of {planned} updates: {stopped}" if stopped else f"Finished after {done} updates."
        return f"{end} The weights of update {formats.count(kept)} were kept." if kept is not None else end
    if course.at_work is False:
        after = f"Stopped after {done} of {planned} updates" if course.series else "Stopped before the first update"
        return f"{after}: no process is training any more, and it did not finish. The same command continues it."
    return f"Running: {done} of {planned} updates done." if course.series else "Waiting for the first update."


def _facts(course: Course) -> Iterator[tuple[str, str]]:
    """Name and value of what is known, in the order shown."""
    about = course.about
    for key in ("loss", "base", "out"):
        if about.get(key):
            yield {"out": "Output"}.get(key, title(key)), str(about[key])
    if about.get("started"):
        yield "Started", _clock(about["started"])
    if course.done and about.get("ended"):
        yield "Ended", _clock(about["ended"])
    if _finite(about.get("train_seconds")):
        yield "Took", formats.duration(about["train_seconds"])
    if (left := seconds_left(course)) is not None:
        yield "Time left", f"about {formats.duration(left)}"
    if speeds := _kept(course.series.get("train/tokens_per_second", ())[-live_charts.SMOOTHED :]):
        yield "Speed", f"{formats.count(fmean(v for _, v in speeds))} tokens/s"
    if looks := _kept(course.series.get("clock/monitor/s", ())):
        share = about.get("monitor_share")
        of_time = f", {formats.percent(share)} of the time" if _finite(share) else ""
        yield "Monitor", f"{len(looks)} looks, {formats.duration(sum(v for _, v in looks))}{of_time}"


def seconds_left(course: Course) -> float | None:
    """What the updates still planned will take at the pace so far; None where that is unknown or none are left."""
    started, (done, planned) = course.about.get("started"), _updates(course)
    updates = done - int(course.about.get("started_at") or 0)
    if course.done or course.at_work is False or not started or not course.written or updates < 2:
        return None
    elapsed = course.written - datetime.fromisoformat(started).timestamp()
    return max(0.0, elapsed / updates * (planned - done))


def _clock(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _charts(course: Course) -> Iterator[dict[str, Any]]:
    for measure in sorted(course.series, key=_place):
        points = _kept(course.series[measure])
        group = _group(measure)
        if points and group and measure not in _NO_CHART:
            yield _chart(course, measure, group, points)
    if course.projection:
        plane = course.projection
        queries, all_points = int(plane["queries"]), len(plane["points"])
        text = (
            f"{queries} queries and {all_points - queries} documents at update {formats.count(plane['step'])}, in the "
            f"two directions in which the base varies most ({formats.percent(plane['explained'])} of the variance). "
            "They stay those of the base; the frame is the first of ±0.25, 0.5, 1 and 2 that holds all."
        )
        data = live_charts.picture_data(plane)
        yield _entry("projection", "picture", "Queries and documents", text, live_charts.picture(), data)


def _chart(course: Course, measure: str, group: str, points: Points) -> dict[str, Any]:
    sparse = group != "training"
    smooth = not sparse and measure != "train/learning_rate"
    if not sparse:
        points = tuple((step + 1, value) for step, value in points)  # the status counts updates done
    chance = course.about.get("chance") if measure == "train/loss" else None
    base = points[0][1] if sparse and points[0][0] == 0 else None
    level = next((value for value in (chance, base) if _finite(value)), None)
    curve = _thinned(points, live_charts.SMOOTHED if smooth else 1)
    step, value = points[-1]
    text = f"{formats.plain(value)} at update {formats.count(step)}"
    if smooth:
        text += f"; in full, the mean over {live_charts.SMOOTHED} updates, now {formats.plain(curve[-1][1])}"
    if level is not None:
        text += f"; dashed, {'the base' if chance is None else 'chance'}: {formats.plain(level)}"
    if known := _KNOWN.get(measure.removeprefix("geometry/")):
        text = f"{title(known.meaning)}{_GOOD[known.good]}. Now {text}"
    rows = live_charts.curve_rows(_thinned(points), "0") if smooth else []
    data = {
        "points": rows + live_charts.curve_rows(curve),
        "rule": [] if level is None else [{"value": level}],
    }
    spec = live_charts.curve(sparse, smooth, rate=measure == "train/learning_rate")
    return _entry(measure, group, _title(measure), f"{text}.", spec, data)


def _entry(name: str, group: str, heading: str, text: str, spec: Any, data: Any) -> dict[str, Any]:
    spec = {**spec, "description": f"{heading}: {text}"}
    return {"name": name, "group": group, "title": heading, "text": text, "spec": spec, "data": data}


def _group(measure: str) -> str | None:
    if measure.startswith(("dev/", f"{ACCURACY}/")):
        return "quality"
    return {"train": "training", "geometry": "geometry"}.get(measure.split("/")[0])


def _place(measure: str) -> tuple[int, int, str]:
    known = (*CURVES, *(f"geometry/{name}" for name in _KNOWN))
    groups = (*GROUPS, None)
    return groups.index(_group(measure)), known.index(measure) if measure in known else len(known), measure


def _title(measure: str) -> str:
    if measure.startswith(f"{ACCURACY}/"):
        return f"Held-out accuracy, {measure.removeprefix(f'{ACCURACY}/')}"
    name = _NAMES.get(measure) or (measure.partition("/")[2] or measure).replace("/", ", ").replace("_", " ")
    return title(name)


def _finite(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _kept(points: Sequence[tuple[int, float]]) -> Points:
    """What can be drawn."""
    return tuple((step, value) for step, value in points if math.isfinite(value))


def _thinned(points: Points, over: int = 1) -> Points:
    """Evenly spaced ones and the last, at most `MOST_POINTS`; each the mean `over` so many updates up to it."""
    stride = max(1, -(-(len(points) - 1) // (MOST_POINTS - 1)))
    at = (*range(0, len(points) - 1, stride), len(points) - 1)
    windows = ((points[i][0], points[max(0, i + 1 - over) : i + 1]) for i in at)
    return tuple((step, float(f"{fmean(value for _, value in window):.5g}")) for step, window in windows)
