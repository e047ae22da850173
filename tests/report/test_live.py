"""The live page: what it says of a training, what it never says, and that its script's words match its page's."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from importlib import resources
from itertools import pairwise
from typing import Any

import pytest
import vl_convert

from strop.monitoring.logbook import Course
from strop.report import charts
from strop.report.document import VEGA_LITE
from strop.report.live import MOST_POINTS, live_page, seconds_left, state
from strop.report.live_charts import SMOOTHED, picture_data

from .html_reader import HOSTILE, SHOWN, Reader

ABOUT = {"title": "A run", "updates": 40, "loss": "InfoNCE(temperature=0.05)", "chance": 4.159, "done": False}
PICTURE = {"step": 20, "explained": 0.14, "points": [[0.1, 0.2], [0.3, -0.1], [0.0, 0.26]], "queries": 1}
ALARM = (20, "Collapse", "vectors gather in one direction.")


def course(updates: int = 21, **about: Any) -> Course:
    series = {
        "train/loss": [(s, 4.0 - 0.1 * s) for s in range(updates)],
        "train/learning_rate": [(s, 2e-5) for s in range(updates)],
        "train/tokens_per_second": [(s, 5000.0) for s in range(updates)],
        "train/cosine_accuracy/hard": [(0, 0.7), (20, 0.8)],
        "dev/RR@10": [(0, 0.5), (20, 0.55)],
        "geometry/mean_cosine/document": [(0, 0.1), (20, 0.4)],
        "geometry/auc": [(0, 0.9), (20, math.nan)],
        "clock/monitor/s": [(0, 0.5), (20, 0.7)],
    }
    return Course(series, {**ABOUT, **about}, PICTURE, written=1000.0)


def chart(name: str, of: Course | None = None) -> dict[str, Any]:
    return next(c for c in state(of or course(), ())["charts"] if c["name"] == name)


@pytest.fixture(scope="module")
def html() -> str:
    return live_page(course(), [ALARM], polls=True)


def policy(page: str) -> str:
    return next(a["content"] or "" for _, a in Reader(page).tags if a.get("http-equiv") == "Content-Security-Policy")


def test_the_page_runs_its_own_scripts_only_and_may_ask_its_own_origin_only_when_it_polls(html: str) -> None:
    runs = [text for attrs, text in Reader(html).scripts if attrs.get("type") != "application/json"]
    hashes = ["sha256-" + base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in runs]
    assert re.findall(r"'(sha256-[^']+)'", policy(html)) == hashes
    assert "connect-src 'self'" in policy(html)
    assert "data-polls" in html
    alone = live_page(course(), [ALARM], polls=False)
    assert policy(alone).startswith("default-src 'none'")
    assert "connect-src" not in policy(alone)
    assert "<body>" in alone
    assert "was not finished when this page was written" in alone


def test_nothing_in_the_page_points_elsewhere(html: str) -> None:
    assert not [a for _, a in Reader(html).tags if "src" in a or "href" in a]
    assert all("http" not in json.dumps(c["spec"]) for c in Reader(html).json("state")["charts"])


def test_the_page_holds_the_state_that_a_poll_would_give(html: str) -> None:
    assert Reader(html).json("state") == json.loads(json.dumps(state(course(), [ALARM]), allow_nan=False))


def test_every_chart_has_its_place_and_its_words_before_any_script_runs(html: str) -> None:
    places = [a["data-chart"] for _, a in Reader(html).tags if a.get("data-chart")]
    charts_of = state(course(), ())["charts"]
    assert places == [c["name"] for c in charts_of]
    assert places == [
        "train/loss", "train/learning_rate", "dev/RR@10", "train/cosine_accuracy/hard",
        "geometry/mean_cosine/document", "geometry/auc", "projection",
    ]  # fmt: skip
    for one in charts_of:
        assert one["text"] in html.replace("&#39;", "'")
        assert one["spec"]["description"].startswith(one["title"])


def test_vega_draws_every_chart_from_data_sets_the_specification_names() -> None:
    for one in state(course(), ())["charts"]:
        spec = json.loads(json.dumps(one["spec"]))
        named = set(re.findall(r'"data": \{"name": "(\w+)"\}', json.dumps(spec)))
        assert named == set(one["data"]), one["name"]
        drawn = vl_convert.vegalite_to_svg(
            spec | {"width": 400, "config": charts.CONFIG, "datasets": one["data"]}, VEGA_LITE
        )
        assert drawn.count("<path") > 4, one["name"]
        assert "NaN" not in drawn


def test_the_dashed_line_is_chance_for_the_loss_and_the_base_for_what_is_looked_at() -> None:
    assert chart("train/loss")["data"]["rule"] == [{"value": 4.159}]
    assert chart("train/loss", course(chance=None))["data"]["rule"] == []
    assert chart("geometry/mean_cosine/document")["data"]["rule"] == [{"value": 0.1}]
    assert chart("dev/RR@10")["data"]["rule"] == [{"value": 0.5}]
    assert chart("train/learning_rate")["data"]["rule"] == []


def test_a_caption_says_the_last_value_what_it_means_and_what_the_line_is() -> None:
    said = chart("geometry/mean_cosine/document")["text"]
    assert said.startswith("Mean cosine of two different vectors")
    assert "less is better. Now 0.4 at update 20; dashed, the base: 0.1." in said
    assert chart("train/loss")["text"].startswith("2 at update 21; in full, the mean over 20 updates, now 2.95;")


def test_the_full_line_is_the_running_mean_of_the_faint_one() -> None:
    rows = chart("train/loss", course(30))["data"]["points"]
    single = [r["value"] for r in rows if r["seed"] != "mean"]
    means = [r["value"] for r in rows if r["seed"] == "mean"]
    assert [r["update"] for r in rows if r["seed"] == "mean"] == list(range(1, 31))
    for i, mean in enumerate(means):
        near = single[max(0, i + 1 - SMOOTHED) : i + 1]
        assert mean == pytest.approx(sum(near) / len(near), rel=1e-4)


@pytest.mark.parametrize("length", [1, 2, 499, 500, 501, 999, 1000, 12_345])
def test_long_series_keep_evenly_spaced_points_and_the_last(length: int) -> None:
    long = Course({"train/learning_rate": [(s, float(s)) for s in range(length)]}, ABOUT)
    steps = [row["update"] for row in chart("train/learning_rate", long)["data"]["points"]]
    assert len(steps) <= MOST_POINTS
    assert (steps[0], steps[-1]) == (1, length)
    assert len({b - a for a, b in pairwise(steps[:-1])}) <= 1
    assert len(steps) == length or len(steps) > MOST_POINTS / 2 - 2


def test_what_is_no_number_is_never_written() -> None:
    broken = course(chance=math.nan, monitor_share=math.inf)
    text = json.dumps(state(broken, ()), allow_nan=False)
    assert "NaN" not in text
    assert [r["update"] for r in chart("geometry/auc", broken)["data"]["points"]] == [0]
    gone = Course({"geometry/auc": [(0, math.nan)], "train/loss": [(0, 1.0)]}, ABOUT)
    assert [c["name"] for c in state(gone, ())["charts"]] == ["train/loss"]


def test_the_status_tells_waiting_running_finished_and_stopped_apart() -> None:
    assert state(Course({}, ABOUT), ())["status"] == "Waiting for the first update."
    assert "Waiting for the first update" in live_page(Course({}, ABOUT), (), polls=True)
    running = state(course(), ())
    assert (running["status"], running["updates"]) == ("Running: 21 of 40 updates done.", [21, 40])
    assert state(course(40, done=True, kept=20), ())["status"] == (
        "Finished after 40 updates. The weights of update 20 were kept."
    )
    stopped = state(course(done=True, stopped="the geometry left its bounds."), ())["status"]
    assert stopped == "Stopped after 21 of 40 updates: the geometry left its bounds."


def test_the_time_left_is_that_of_the_updates_left_at_the_pace_since_the_start() -> None:
    # written at 1,000 s: 21 updates in 42 s leave 19, 38 s; going on from update 11, 10 in 42 s leave 79.8 s
    started = "1970-01-01T00:15:58+00:00"
    assert seconds_left(course(started=started)) == pytest.approx(38.0)
    assert seconds_left(course(started=started, started_at=11)) == pytest.approx(79.8)
    assert seconds_left(course(started=started, done=True)) is None
    assert seconds_left(course()) is None
    assert ["Time left", "about 38.0 s"] in state(course(started=started), ())["facts"]


def test_alarms_stand_above_the_charts_in_plain_words(html: str) -> None:
    top = html[html.index('id="alarms"') : html.index('id="training"')]
    assert "<strong>Collapse</strong> at update 20: vectors gather in one direction." in top
    assert "No alarm." in live_page(course(), (), polls=False)


def test_hostile_text_stays_text() -> None:
    about = {**ABOUT, "title": HOSTILE, "loss": HOSTILE, "base": HOSTILE, "stopped": HOSTILE, "done": True}
    series = {
        "train/loss": [(0, 1.0)],
        f"geometry/{HOSTILE}": [(0, 1.0)],
        f"train/cosine_accuracy/{HOSTILE}": [(0, 1.0)],
    }
    html = live_page(Course(series, about), [(0, HOSTILE, HOSTILE)], polls=True)
    read = Reader(html)
    assert "<script>alert" not in html
    assert not [t for t, _ in read.tags if t == "img"]
    assert len(read.scripts) == 4
    assert read.json("state")["title"] == SHOWN


def test_the_picture_s_frame_holds_its_points_and_still_while_they_move_inside() -> None:
    assert picture_data(PICTURE)["frame"] == [{"x": -0.5, "y": -0.5}, {"x": 0.5, "y": 0.5}]
    closer = {**PICTURE, "points": [[x * 0.9, y * 0.9] for x, y in PICTURE["points"]]}
    assert picture_data(closer)["frame"] == picture_data(PICTURE)["frame"]
    shown = picture_data(PICTURE)["points"]
    assert sorted((p["x"], p["is"]) for p in shown) == [(0.0, "document"), (0.1, "query"), (0.3, "document")]


def test_the_script_reads_what_the_state_has_and_writes_where_the_page_has_a_place(html: str) -> None:
    script = resources.files("strop.report").joinpath("live.js").read_text(encoding="utf-8")
    ids = {a["id"] for _, a in Reader(html).tags if a.get("id")}
    assert set(re.findall(r'place\("([\w-]+)"\)', script)) <= ids
    assert {c["group"] for c in state(course(), ())["charts"]} <= ids
    assert set(re.findall(r"\bstate\.(\w+)", script)) - {"error", "json"} <= set(state(course(), ()))
    assert set(re.findall(r"\bchart\.(\w+)", script)) <= set(chart("train/loss"))
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", script)
