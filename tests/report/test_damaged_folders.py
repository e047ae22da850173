"""A page of a damaged folder: refused in one line, or as it would be without the damage. Never a traceback."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from strop.monitoring.logbook import ABOUT, PROJECTION, Logbook, read_logbook
from strop.records.errors import InputError
from strop.records.results import read_results, write_results
from strop.report.live import state
from strop.report.live_server import write_page
from strop.report.page import render

from . import synthetic


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As an older strop left it: its parts are of their types, and nothing else vouches for them."""
    made = tmp_path_factory.mktemp("damaged") / "results"
    write_results(synthetic.read_as("corrected", 4), made)
    record = json.loads((made / "record.json").read_text())
    del record["files"]
    (made / "record.json").write_text(json.dumps(record))
    return made


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, each in inside for place in places(each, (*at, key)))]


def without(value: Any, place: tuple[Any, ...]) -> Any:
    changed = inside = json.loads(json.dumps(value))
    for key in place[:-1]:
        inside = inside[key]
    del inside[place[-1]]
    return changed


@pytest.mark.parametrize("name", ["record", "claims", "exhibits/audit"])
def test_a_part_that_is_lacking_is_one_line_or_no_part_of_the_page(name: str, folder: Path, tmp_path: Path) -> None:
    path = folder / f"{name}.json"
    whole = path.read_text()
    content = json.loads(whole)
    said = []
    try:
        path.write_text(json.dumps(without(content, random.Random(name).choice(places(content)[1:]))))
        assert render(folder, tmp_path / "page.html").is_file()
    except InputError as error:
        said.append(str(error))
    finally:
        path.write_text(whole)
    assert all("\n" not in each and str(folder) in each for each in said)


def test_parts_that_contradict_each_other_are_named_by_their_folder(folder: Path, tmp_path: Path) -> None:
    claims = (folder / "claims.json").read_text()
    (folder / "claims.json").write_text('[{"claim": {"id": "T1"}}]')
    try:
        read_results(folder)
        with pytest.raises(InputError, match=r"results: its record, .* \(KeyError: 'kind'\)\. Restore"):
            render(folder, tmp_path / "page.html")
    finally:
        (folder / "claims.json").write_text(claims)
    assert not (tmp_path / "page.html").exists()


def test_a_fault_of_strop_s_own_is_not_laid_on_a_folder_that_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_results(synthetic.read_as("corrected", 4), tmp_path / "results")
    monkeypatch.setattr("strop.report.page.page", {}.__getitem__)
    with pytest.raises(TypeError, match="unhashable"):
        render(tmp_path / "results", tmp_path / "page.html")


ABOUTS = [
    ("", r"run\.json:1: not a JSON"),
    ("[]", r"run\.json: the file is"),
    ('{"title": {"a": 1}}', r"run\.json: title is"),
    ('{"updates": "many"}', r"run\.json: updates is 'many'"),
    ('{"updates": ' + "9" * 5000 + "}", r"run\.json: .* is too large"),
    ('{"chance": NaN}', r"run\.json: .*NaN is no number"),
    ('{"started": "yesterday"}', r"run\.json: started is 'yesterday'"),
    ('{"ended": "0001-01-01T00:00:00+14:00"}', r"run\.json: ended is"),
    ("[" * 100_000, r"run\.json: .*inside one another"),
    ('{"title": "\\ud800"}', r"run\.json: .*surrogate"),
]
PLANES = [
    ("[1]", r"projection\.json: the file is"),
    ('{"step": 1, "explained": 0.5, "points": [[1]], "queries": 1}', r"projection\.json: points\.0\.1 is missing"),
    (
        '{"step": 1, "explained": 0.5, "points": [[1, 2]], "queries": 2}',
        r"projection\.json: queries is 2, and there are 1",
    ),
]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [*((ABOUT, *each) for each in ABOUTS), *((PROJECTION, *each) for each in PLANES)],
    ids=range(len(ABOUTS) + len(PLANES)),
)
def test_a_damaged_logbook_is_named(name: str, text: str, problem: str, tmp_path: Path) -> None:
    logbook = Logbook(tmp_path, {"title": "a run", "updates": 9}, seed=0)
    logbook.start([])
    logbook.add([(0, "loss", 2.0)])
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=problem):
        write_page(tmp_path, tmp_path / "page.html", lambda course: ())
    assert not (tmp_path / "page.html").exists()


def test_a_measure_without_a_name_has_a_chart_of_what_there_is(tmp_path: Path) -> None:
    logbook = Logbook(tmp_path, {"title": "a run", "updates": 9}, seed=0)
    logbook.start([])
    with (tmp_path / "rows.csv").open("a") as file:
        file.write(",,a run,0,,train,0,,train,1.0\n,,a run,0,,train,0,,geometry,1.0\n,,a run,0,,train,0,,,1.0\n")
    assert [chart["title"] for chart in state(read_logbook(tmp_path), ())["charts"]] == ["Train", "Geometry"]
