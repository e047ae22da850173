"""A sample of the campaign's pages: the page of a tuning, and the one that a server shows while a training goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaign.chromium import BROWSER, opened
from campaign.hostile_texts import RUN, TEXTS, Hostile, marked
from campaign.pages import DOORS, verdict

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")


@pytest.mark.parametrize("door", ["tune", "training, live"])
def test_no_text_runs_or_breaks_a_page_and_each_is_read_as_text(door: str, tmp_path: Path) -> None:
    with DOORS[door](Hostile(3), tmp_path) as address:
        assert verdict(address) == ("exact", "")


def test_a_page_that_takes_text_as_it_is_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><p>{marked(0)}</p><script>nothing()</script>")
    came = opened(page.as_uri())
    assert "data-ran" in came.dom
    assert '"RAN"' in came.console[0]
    assert "nothing is not defined" in came.console[1]
    assert verdict(page.as_uri())[0] == "traceback"
    assert RUN in TEXTS[0]
