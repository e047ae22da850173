"""Characters that no page can hold, and those that turn the text around them, are shown as what they are."""

from __future__ import annotations

import math

import pytest

from strop.report.characters import all_shown, shown, titles_plain
from strop.report.charts import Figure, curves
from strop.report.document import document
from strop.report.live import live_page
from strop.report.training import Series

from .html_reader import Reader
from .test_live import course


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, ü, 中文, שלום, \U0001f600\n\ttabs and lines", "plain, ü, 中文, שלום, \U0001f600\n\ttabs and lines"),
        ("\0\a\x1b[31m\r\x7f", "␀␇␛[31m␍␡"),
        ("a\x85b", "a⟨U+0085⟩b"),
        ("a\u202eb\u2066c", "a⟨U+202E⟩b⟨U+2066⟩c"),
        ("\ud83d and \udc00\uffff", "\ufffd and \ufffd\ufffd"),
    ],
)
def test_a_text_is_shown_with_all_that_is_in_it(text: str, expected: str) -> None:
    assert shown(text) == expected
    assert shown(expected) == expected


def test_plain_values_are_json_that_a_page_can_read() -> None:
    value = {"a\0": [1, 2.5, math.nan, math.inf, None, True, "b\x1b"]}
    assert all_shown(value) == {"a␀": [1, 2.5, None, None, None, True, "b␛"]}


def test_titles_of_charts_hold_nothing_that_ends_a_text_of_an_expression() -> None:
    spec = {"title": "a\\", "x": {"title": ["b\u2028c", 'd"'], "field": "e\\"}, "data": [{"is": "f\\"}]}
    plain = titles_plain(spec)
    assert plain == {"title": "a⧵", "x": {"title": ["b c", 'd"'], "field": "e\\"}, "data": [{"is": "f\\"}]}


def test_a_page_finds_each_chart_by_its_name_whatever_is_in_it() -> None:
    """An HTML parser turns a NUL into another character and a carriage return into a line feed."""
    spec = curves([Series("a\0", 0, ((1, 1.0), (2, math.nan)))], {"a\0": "red"}, "loss")
    figures = [Figure("train-a\0\r", "a\ud800", spec, "b\x1b"), Figure("train-a␀␍", "c", spec, "d")]
    html = document("live.html", "page.js", {
        "state": {"title": "t", "status": "s", "updates": [1, 1], "facts": [], "alarms": [], "done": True},
        "groups": [("training", "Training", figures)], "polls": False, "blank": Figure("", "", {}, ""),
    })  # fmt: skip
    html.encode()
    assert [a["data-chart"] for _, a in Reader(html).tags if a.get("data-chart")] == ["train-a␀␍", "train-a␀␍′"]


def test_the_live_page_s_state_and_its_places_have_equal_names() -> None:
    series = {**course().series, "geometry/a\0\r\ud800": [(0, 1.0)]}
    html = live_page(type(course())(series, {"title": "\ud800\x1b"}), (), polls=True)
    html.encode()
    read = Reader(html)
    named = {chart["name"] for chart in read.json("state")["charts"]}
    assert "geometry/a␀␍\ufffd" in named
    assert named == {a["data-chart"] for _, a in read.tags if a.get("data-chart")}


def test_a_line_separator_is_shown_for_vega_ends_a_line_of_its_expressions_there() -> None:
    assert shown("line\u2028and\u2029paragraph") == "line\N{SYMBOL FOR NEWLINE}and\N{SYMBOL FOR NEWLINE}paragraph"
