from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

import strop.records.results
from strop.records.errors import InputError
from strop.records.exhibits.parameters import Ledger
from strop.records.exhibits.queries import QueryRanks
from strop.records.plain import from_plain, to_plain
from strop.records.record import ExplainRecord, Record, SystemAbout
from strop.records.results import COLUMNS, Exhibits, Results, Row, read_results, read_rows, write_results, write_rows

ROW = Row("study", "as_coded", "base", 0, "nfcorpus", "test", -1, "PLAIN-2", "nDCG@10", 1 / 3)
EXHIBITS = Exhibits(
    published_loss={"base": ((10, 0.5),)},
    queries={"q": QueryRanks("a query", {"bm25": 1, "base": None, "full": (2, None)})},
    parameters=(Ledger("full", 10, 5, {"lora": 5}, 0.5, None, ""),),
)
RESULTS = Results(
    rows=(ROW, replace(ROW, item="", step=40, measure="train/loss", value=1e-300), replace(ROW, item='a "b", ü\n c')),
    claims=({"id": "T1", "word": "holds"},),
    exhibits=EXHIBITS,
    record=Record(
        "study", command="strop study run", seeds=(1, 2), systems={"bm25": SystemAbout("BM25", values={"k1": 1.2})}
    ),
)


def test_results_read_back_as_they_were_written(tmp_path: Path) -> None:
    write_results(RESULTS, tmp_path / "new" / "folder")
    assert read_results(tmp_path / "new" / "folder") == RESULTS
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["folder"]


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
    with pytest.raises(
        InputError, match=r"rows\.csv:1: columns .study,system,value. instead of study,preset"
    ) as caught:
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
    fewer = replace(RESULTS, rows=(ROW,), exhibits=Exhibits())
    write_results(fewer, tmp_path)
    assert read_results(tmp_path) == fewer


def test_a_write_that_was_interrupted_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_results(RESULTS, tmp_path / "results")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(strop.records.results, "write_rows", killed)
    with pytest.raises(KeyboardInterrupt):
        write_results(replace(RESULTS, rows=()), tmp_path / "results")
    assert read_results(tmp_path / "results") == RESULTS
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_a_figure_that_is_not_a_number_cannot_be_exhibited(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_results(replace(RESULTS, exhibits=Exhibits(published_loss={"base": ((1, float("nan")),)})), tmp_path)


def test_a_study_s_folder_has_a_file_of_every_exhibit_and_others_only_what_they_show(tmp_path: Path) -> None:
    write_results(RESULTS, tmp_path / "study")
    files = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "study" / "exhibits").iterdir()}
    assert files.keys() == {field.name for field in fields(Exhibits)}
    assert (files["transfer"], files["points"]) == ({}, [])
    assert files["queries"] == {"q": {"text": "a query", "systems": {"bm25": 1, "base": None, "full": [2, None]}}}
    record = ExplainRecord("a model", "strop explain model", {"Queries": 8})
    write_results(Results((), (), Exhibits(), record), tmp_path / "explain")
    assert not list((tmp_path / "explain" / "exhibits").iterdir())
    assert read_results(tmp_path / "explain", ExplainRecord).record == record


def test_what_an_older_folder_lacks_is_empty_and_what_is_not_known_is_ignored(tmp_path: Path) -> None:
    write_results(RESULTS, tmp_path)
    (tmp_path / "record.json").write_text('{"study": "old", "a_later_field": 1}')
    for path in (tmp_path / "exhibits").iterdir():
        path.unlink()
    old = read_results(tmp_path)
    assert (old.record, old.exhibits) == (Record("old"), Exhibits())
    assert old.record.label("bm25") == "bm25"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "record.json",
            '{"study": "s", "seeds": ["first"]}',
            r"record\.json: seeds\.0 is 'first': Input should be a valid",
        ),
        ("record.json", '{"title": "t"}', r"record\.json: study is missing"),
        ("record.json", '{"study"', r"record\.json:1: not a JSON file that can be read"),
        ("claims.json", "", r"claims\.json:1: not a JSON file that can be read"),
        (
            "exhibits/queries.json",
            '{"q": {"text": "t", "systems": {"bm25": "one"}}}',
            r"queries\.json: q\.systems\.bm25",
        ),
        ("exhibits/geometry.json", "[1]", r"geometry\.json: the file is '\[1\]'"),
    ],
)
def test_a_damaged_file_is_named_with_its_key_and_value(tmp_path: Path, name: str, text: str, problem: str) -> None:
    write_results(RESULTS, tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=problem) as caught:
        read_results(tmp_path)
    assert caught.value.remedy


KEPT = sorted(path.parent for path in (Path(__file__).parents[2] / "benchmarks" / "results").glob("*/*/record.json"))


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_the_kept_folders_hold_what_their_types_say_and_nothing_else(folder: Path) -> None:
    """To plain values and back: nothing is lost, and nothing is added."""
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    record.pop("files", None)  # the seal, which is of the folder and not of the study
    assert to_plain(from_plain(Record, record, folder)) == record
    for path in (folder / "exhibits").iterdir():
        exhibit = json.loads(path.read_text(encoding="utf-8"))
        read = getattr(from_plain(Exhibits, {path.stem: exhibit or None} if exhibit != [] else {}, path), path.stem)
        assert (to_plain(read) or {}) == (exhibit or {})


@pytest.mark.parametrize("value", [True, "7", 7.0])
def test_a_value_of_another_type_is_refused_even_where_python_would_take_it(value: object) -> None:
    with pytest.raises(InputError, match=rf"here: seeds\.0 is '{value}': Input should be a valid integer"):
        from_plain(Record, {"study": "study", "seeds": [value]}, "here")
