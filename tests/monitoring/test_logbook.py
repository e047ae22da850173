from __future__ import annotations

import json
from pathlib import Path

import pytest

from strop.monitoring.logbook import ABOUT, ROWS, Logbook, read_logbook
from strop.records.errors import InputError
from strop.records.results import read_rows


def book(folder: Path) -> Logbook:
    return Logbook(folder, {"title": "a run", "updates": 9}, seed=3)


def test_what_is_written_is_read_back_at_any_moment(tmp_path: Path) -> None:
    logbook, log = book(tmp_path), [(0, "loss", 2.0)]
    logbook.start([])
    logbook.add(log)
    assert dict(read_logbook(tmp_path).series) == {"train/loss": [(0, 2.0)]}
    log += [(1, "loss", 1.5), (1, "geometry/auc", 0.9)]
    logbook.add(log)
    logbook.project({"step": 1, "explained": 0.5, "points": [[0.0, 1.0]], "queries": 1})
    seen = read_logbook(tmp_path)
    assert dict(seen.series) == {"train/loss": [(0, 2.0), (1, 1.5)], "geometry/auc": [(1, 0.9)]}
    assert seen.projection is not None
    assert (seen.projection["queries"], seen.step, seen.done) == (1, 1, False)
    assert seen.written == (tmp_path / ROWS).stat().st_mtime
    logbook.end(kept=1)
    ended = read_logbook(tmp_path)
    assert ended.done
    assert (ended.about["title"], ended.about["kept"]) == ("a run", 1)
    assert ended.about["started"] <= ended.about["ended"]


def test_another_start_replaces_the_rows_and_says_from_which_update_it_goes_on(tmp_path: Path) -> None:
    first = book(tmp_path)
    first.start([])
    first.add([(step, "loss", 1.0) for step in range(9)])
    first.end()
    again, log = book(tmp_path), [(step, "loss", 2.0) for step in range(4)]
    again.start(log)
    log.append((4, "loss", 2.0))
    again.add(log)
    seen = read_logbook(tmp_path)
    assert dict(seen.series) == {"train/loss": [(step, 2.0) for step in range(5)]}
    assert not seen.done
    assert seen.about["started_at"] == 3


def test_a_line_that_is_being_written_is_left_out_wherever_it_is_torn(tmp_path: Path) -> None:
    logbook = book(tmp_path)
    logbook.start([])
    logbook.add([(0, "loss", 2.0), (1, "loss", 1.2345)])
    whole = (tmp_path / ROWS).read_bytes()
    last = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    for end in range(last, len(whole)):
        (tmp_path / ROWS).write_bytes(whole[:end])
        assert dict(read_logbook(tmp_path).series) == {"train/loss": [(0, 2.0)]}, whole[last:end]
    (tmp_path / ROWS).write_bytes(whole)
    assert len(read_logbook(tmp_path).series["train/loss"]) == 2


def test_a_torn_line_of_a_file_that_does_not_grow_is_still_an_error(tmp_path: Path) -> None:
    logbook = book(tmp_path)
    logbook.start([(0, "loss", 2.0)])
    with (tmp_path / ROWS).open("a") as file:
        file.write("half a row")
    with pytest.raises(InputError, match=r"rows\.csv:3: not a row"):
        read_rows(tmp_path / ROWS)
    assert len(read_logbook(tmp_path).series["train/loss"]) == 1


def test_a_broken_line_before_the_last_is_an_error_with_its_place(tmp_path: Path) -> None:
    logbook = book(tmp_path)
    logbook.start([])
    with (tmp_path / ROWS).open("a") as file:
        file.write("half a row\n")
    logbook.add([(0, "loss", 2.0)])
    with pytest.raises(InputError, match=r"rows\.csv:2: not a row"):
        read_logbook(tmp_path)


def test_a_folder_without_a_logbook_and_one_without_a_row_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        read_logbook(tmp_path / "none")
    with pytest.raises(InputError, match="no run has written here yet"):
        read_logbook(tmp_path, waiting=True)
    book(tmp_path).start([])
    with pytest.raises(InputError, match="the run has logged nothing yet"):
        read_logbook(tmp_path)
    seen = read_logbook(tmp_path, waiting=True)
    assert (dict(seen.series), seen.about["title"], seen.done) == ({}, "a run", False)
    assert json.loads((tmp_path / ABOUT).read_text())["updates"] == 9
