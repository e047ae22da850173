"""A damaged Results folder is one line that names the file; one of which a part is lost is not read as the whole."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strop.records.errors import InputError
from strop.records.exhibits.queries import QueryRanks
from strop.records.record import Record, SystemAbout
from strop.records.results import Exhibits, Results, Row, read_results, write_results

ROWS = tuple(
    Row("study", "as_coded", system, 0, "nfcorpus", "test", -1, f"q{i}", "nDCG@10", i / 7)
    for system in ("base", "tuned")
    for i in range(7)
)
RESULTS = Results(
    rows=(*ROWS, replace(ROWS[0], item="", step=4, measure="train/loss", value=float("nan"))),
    claims=({"id": "T1", "word": "holds"}, {"id": "T2", "word": "ü"}),
    exhibits=Exhibits(queries={f"q{i}": QueryRanks("a query", {"base": i, "tuned": (2, None)}) for i in range(7)}),
    record=Record("study", command="strop study run", systems={"base": SystemAbout("Base", values={"k1": 1.2})}),
)
FILES = ("rows.csv", "claims.json", "record.json", "exhibits/queries.json", "exhibits/projection.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_results(RESULTS, tmp_path)
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_results(folder)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 1000
    assert caught.value.remedy
    return said


def outcome(folder: Path) -> str:
    """What the folder holds, or why it cannot be read."""
    try:
        return str(read_results(folder))
    except InputError as error:
        return str(error)


def unsealed(folder: Path) -> None:
    """As an older strop left it."""
    record = json.loads((folder / "record.json").read_text())
    del record["files"]
    (folder / "record.json").write_text(json.dumps(record))


#: What may happen to the bytes of any file.
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "garbage": lambda content: random.Random(len(content)).randbytes(200),
    "not UTF-8": lambda content: content[:40] + b"\xff" + content[40:],
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "another file": lambda content: b'{"a": [1, 2, "x"]}\n',
    "a list": lambda content: b"[1, 2]\n",
    "a number": lambda content: b"7\n",
    "deep": lambda content: b"[" * 100_000 + b"]" * 100_000,
    "deeper than ours": lambda content: b"[" * 100 + b"]" * 100,
    "endless number": lambda content: b'{"study": ' + b"9" * 5000 + b"}",
    "large number": lambda content: b'{"study": "s", "seeds": [' + b"9" * 400 + b"]}",
    "infinite": lambda content: b'{"study": "s", "published": {"a": {"b": 1e999}}}',
    "NaN": lambda content: b'{"study": "s", "published": {"a": {"b": NaN}}}',
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_bytes_name_the_file(damage: str, name: str, folder: Path) -> None:
    before = (folder / name).read_bytes()
    (folder / name).write_bytes(DAMAGES[damage](before))
    assert Path(name).name in refused(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_gone_or_a_folder_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    assert Path(name).name in refused(folder)
    (folder / name).mkdir()
    assert Path(name).name in refused(folder)


@pytest.mark.parametrize("name", FILES)
def test_one_byte_fewer_or_another_anywhere_is_no_whole_folder(name: str, folder: Path) -> None:
    """Where it is still of the right form, only the seal can tell: a row less, 0.7 for 0.1."""
    whole = (folder / name).read_bytes()
    draw = random.Random(name)
    for at in draw.sample(range(len(whole) - 1), min(60, len(whole) - 1)):
        for content in (whole[:at] + whole[at + 1 :], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            (folder / name).write_bytes(content)
            said = outcome(folder)
            # what changes nothing is white space in the record, and the seal's own name
            assert Path(name).name in said or (name == "record.json" and said == str(RESULTS)), said
    (folder / name).write_bytes(whole)
    assert str(read_results(folder)) == str(RESULTS)


def test_lost_lines_are_told_from_a_shorter_run(folder: Path) -> None:
    lines = (folder / "rows.csv").read_text().splitlines(keepends=True)
    (folder / "rows.csv").write_text("".join(lines[:-3]))
    assert refused(folder) == (
        f"{folder / 'rows.csv'}: this is not what was written. Restore it, or remove the folder and run what wrote it "
        "again"
    )
    unsealed(folder)
    assert len(read_results(folder).rows) == len(RESULTS.rows) - 3, "an older folder cannot tell"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("s,p,b,0,c,t,-1,q,nDCG@10,nan", r"rows\.csv:17: not a row \(nDCG@10 is nan\)"),
        ("s,p,b,0,c,t,-1,q,nDCG@10,-inf", r"rows\.csv:17: not a row \(nDCG@10 is -inf\)"),
        ("s,p,b,0,c,t,-1,q,nDCG@10,1e999", r"rows\.csv:17: not a row \(nDCG@10 is 1e999\)"),
        ("s,p,b,0,c,t," + "9" * 5000 + ",q,m,0.5", r"rows\.csv:17: not a row \(Exceeds the limit"),
        ("s,p,b," + "9" * 30 + ",c,t,-1,q,m,0.5", r"rows\.csv:17: not a row \(9{20} is too large\)"),
        ("s,p,b,0,c,t,-1,q,0.5", r"rows\.csv:17: not a row \(not enough values"),
        ("s,p,b,0,c,t,-1,q,m,0.5,x", r"rows\.csv:17: not a row \(too many values"),
        ('s,p,"b,0,c,t,-1,q,m,0.5\n' + "x,y\n" * 50, r"rows\.csv:17: not a row"),
        ('s,p,"' + "x" * 200_000 + '",0,c,t,-1,q,m,0.5', r"rows\.csv:17: not a row \(field larger than field limit"),
        ("study,as_coded,base,0,nfcorpus,test,-1,q0,nDCG@10,0.5", r"rows\.csv: two rows share the key .*'q0'"),
    ],
    ids=range(10),
)
def test_a_row_that_cannot_be_is_named_by_its_line(line: str, problem: str, folder: Path) -> None:
    with (folder / "rows.csv").open("a") as file:
        file.write(line + "\n")
    assert re.search(problem, refused(folder))


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("claims.json", '{"id": "T1"}', r"claims\.json: the file is .*Input should be a valid array"),
        ("claims.json", "[1]", r"claims\.json: 0 is '1': Input should be an object"),
        ("claims.json", "null", r"claims\.json: the file is 'None'"),
        ("record.json", "[]", r"record\.json: the file is '\[\]'"),
        ("record.json", '{\n"study": "s",\n"seeds": [1,, 2]}', r"record\.json:3: .*column 13"),
        ("record.json", '{"study": "s", "seeds": [NaN]}', r"record\.json: .*NaN is no number"),
        ("exhibits/queries.json", '{"q": {"text": 1, "systems": {}}}', r"queries\.json: q\.text is '1'"),
        (
            "exhibits/queries.json",
            '{"q": {"text": "\\ud800", "systems": {}}}',
            r"queries\.json: .*surrogate pair, '.ud800'",
        ),
    ],
    ids=range(8),
)
def test_a_wrong_value_is_named_by_its_place(name: str, text: str, problem: str, folder: Path) -> None:
    (folder / name).write_text(text)
    assert re.search(problem, refused(folder))


def test_no_change_of_a_value_s_type_is_more_than_one_line(folder: Path) -> None:
    """Every value of every file by every other type, in a folder without a seal."""
    unsealed(folder)
    others: list[Any] = [None, True, 7, -1, 0.5, 10**400, "x", "\ud800", [], [1], {}, {"a": 1}]
    for name in FILES[1:]:
        whole = json.loads((folder / name).read_text())

        def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
            inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            return [at, *(place for key, each in inside for place in places(each, (*at, key)))]

        for place in places(whole):
            for other in others:
                changed = json.loads(json.dumps(whole))
                if place:
                    inside = changed
                    for key in place[:-1]:
                        inside = inside[key]
                    inside[place[-1]] = other
                (folder / name).write_text(json.dumps(changed if place else other))
                assert "\n" not in outcome(folder)
        (folder / name).write_text(json.dumps(whole))
