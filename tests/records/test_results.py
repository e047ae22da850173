from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import strop.records.results
from strop.records.errors import InputError
from strop.records.results import COLUMNS, Results, Row, read_results, read_rows, write_results, write_rows

ROW = Row("study", "as_coded", "base", 0, "nfcorpus", "test", -1, "PLAIN-2", "nDCG@10", 1 / 3)
RESULTS = Results(
    rows=(ROW, replace(ROW, item="", step=40, measure="train/loss", value=1e-300), replace(ROW, item='a "b", ü\n c')),
    claims=({"id": "T1", "word": "holds"},),
    exhibits={"audit": {"counts": [1, 2]}, "projection.base": [[0.1, -0.2]]},
    record={"command": "strop study run", "seconds": 1.5},
)


def test_results_read_back_as_they_were_written(tmp_path: Path) -> None:
    write_results(RESULTS, tmp_path / "new" / "folder")
    assert read_results(tmp_path / "new" / "folder") == RESULTS
    assert not list(tmp_path.rglob("*.partial"))


def test_a_key_that_stands_twice_is_refused_and_any_other_field_tells_rows_apart() -> None:
    with pytest.raises(ValueError, match=r"two rows share the key .*'PLAIN-2', 'nDCG@10'"):
        replace(RESULTS, rows=(ROW, replace(ROW, value=0.5)))
    changed = [
        replace(ROW, **{name: 7 if name in ("seed", "step") else "other"}) for name in COLUMNS if name != "value"
    ]
    assert len(replace(RESULTS, rows=(ROW, *changed)).rows) == len(COLUMNS)


def test_a_header_that_is_not_ours_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("study,system,value\na,b,1\n")
    with pytest.raises(InputError, match=r"rows\.csv:1: columns study,system,value instead of study,preset") as caught:
        read_rows(path)
    assert caught.value.remedy
    path.write_text("")
    with pytest.raises(InputError, match=r"rows\.csv:1"):
        read_rows(path)


@pytest.mark.parametrize(
    "line", ["study,as_coded,base,0,nfcorpus", "s,p,b,zero,c,t,-1,q,m,0.5", "s,p,b,0,c,t,-1,q,m,high"]
)
def test_a_broken_row_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.csv"
    write_rows([ROW], path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=r"rows\.csv:3: not a row"):
        read_rows(path)


def test_a_folder_without_a_record_holds_no_results(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"record.json is missing"):
        read_results(tmp_path)


def test_writing_again_leaves_nothing_of_what_was_there(tmp_path: Path) -> None:
    write_results(RESULTS, tmp_path)
    fewer = replace(RESULTS, rows=(ROW,), exhibits={"other": 1})
    write_results(fewer, tmp_path)
    assert read_results(tmp_path) == fewer


def test_a_write_that_was_interrupted_is_not_read_as_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_results(RESULTS, tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(strop.records.results, "write_rows", killed)
    with pytest.raises(KeyboardInterrupt):
        write_results(RESULTS, tmp_path)
    with pytest.raises(InputError, match="no finished results"):
        read_results(tmp_path)


def test_a_figure_that_is_not_a_number_cannot_be_exhibited(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_results(replace(RESULTS, exhibits={"x": float("nan")}), tmp_path)
