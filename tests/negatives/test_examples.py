from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from strop.artifacts.keys import content_key
from strop.negatives.examples import Examples, read_examples, write_examples
from strop.records.documents import Collection, Document, Group, Query
from strop.records.errors import InputError
from strop.training.stage import asdict_examples

GROUPS = (
    Group("q1", ("d1",), ("d3", "d4"), ("rank 7", "uniform"), frozenset({"d1", "d2", "gone"})),
    Group("q1", ("d2",), ("d4",), ("rank 9",), frozenset({"d1", "d2", "gone"})),
    Group("q2", ("d3",), (), (), frozenset({"d3"})),
)
#: Every character some reader takes for the end of a line, beside quotes and a backslash.
AWKWARD = 'é 漢字 "quoted" back\\slash \n\r\n\t\x0b\x0c\x1c\x85\u2028\u2029 end'


def examples() -> Examples:
    return Examples(
        GROUPS,
        {"q1": "first query " + AWKWARD, "q2": "second"},
        {"d1": "one", "d2": "two", "d3": AWKWARD, "d4": "four"},
    )


def good(**changes: object) -> str:
    return json.dumps({"query": "a", "positive": "b", "negatives": ["c"]} | changes)


def test_examples_of_a_collection_hold_the_texts_of_all_ids_used_and_no_other() -> None:
    collection = Collection(
        "c",
        "train",
        {f"d{i}": Document(f"d{i}", f"body {i}", title=f"Title {i}") for i in range(6)},
        {"q1": Query("q1", "one"), "q2": Query("q2", "two"), "q3": Query("q3", "three")},
        {"q1": {"d1": 1}, "q2": {"d3": 1}},
        "",
    )
    held = Examples.of(GROUPS, collection)
    assert held.queries == {"q1": "one", "q2": "two"}
    assert held.documents == {f"d{i}": f"Title {i} body {i}" for i in (1, 2, 3, 4)}


def test_what_is_written_reads_back_equal_whatever_characters_a_text_holds(tmp_path: Path) -> None:
    write_examples(examples(), tmp_path / "groups.jsonl")
    again = read_examples(tmp_path / "groups.jsonl")
    assert again == examples()
    assert [path.name for path in tmp_path.iterdir()] == ["groups.jsonl"]


def test_a_group_of_several_positives_becomes_a_line_for_each(tmp_path: Path) -> None:
    group = Group("q", ("a", "b"), ("c",), ("s",), frozenset({"a", "b"}))
    write_examples(Examples((group,), {"q": "?"}, {"a": "A", "b": "B", "c": "C"}), tmp_path / "g.jsonl")
    assert [g.positives for g in read_examples(tmp_path / "g.jsonl").groups] == [("a",), ("b",)]


def test_other_tools_files_without_ids_make_equal_texts_one_document_and_know_sibling_positives(
    tmp_path: Path,
) -> None:
    path = tmp_path / "foreign.jsonl"
    path.write_text(
        good(query="q", positive="p1", negatives=["n", "p3"])
        + "\n\n   \r\n"
        + good(query="q", positive="p2", negatives=["n"])
        + "\r\n"
        + json.dumps({"query": "other", "positive": "p1"}),
        encoding="utf-8",
        newline="",
    )
    first, second, third = (held := read_examples(path)).groups
    assert first.query_id == second.query_id != third.query_id
    assert first.positives == third.positives != second.positives
    assert first.negatives[0] == second.negatives[0]
    assert third.negatives == ()
    assert first.relevant == second.relevant == {*first.positives, *second.positives}
    assert third.relevant == {*third.positives}
    assert sorted(held.documents.values()) == ["n", "p1", "p2", "p3"]
    assert [held.documents[d] for d in first.negatives] == ["n", "p3"]


def test_a_teacher_s_scores_are_kept_for_the_positive_and_each_negative_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "taught.jsonl"
    lines = [good(scores=[7, -2.5]), good(query="q", positive="p"), good(query="r", scores=[None, 0.25])]
    path.write_text("\n".join(lines), encoding="utf-8")
    held = read_examples(path)
    first, second, third = held.groups
    assert first.teacher == {first.positives[0]: 7.0, first.negatives[0]: -2.5}
    assert second.teacher == {}
    assert third.teacher == {third.negatives[0]: 0.25}
    write_examples(held, tmp_path / "again.jsonl")
    assert read_examples(tmp_path / "again.jsonl") == held
    written = [json.loads(line) for line in (tmp_path / "again.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line.get("scores") for line in written] == [[7.0, -2.5], None, [None, 0.25]]
    assert "scores" not in written[1]


def test_each_positive_s_line_has_its_own_score_and_none_of_documents_it_does_not_hold(tmp_path: Path) -> None:
    group = Group("q", ("a", "b"), ("c",), teacher={"a": 3.0, "b": 2.0, "c": 1.0, "elsewhere": 0.0})
    write_examples(Examples((group,), {"q": "?"}, {"a": "A", "b": "B", "c": "C"}), tmp_path / "g.jsonl")
    taught = [g.teacher for g in read_examples(tmp_path / "g.jsonl").groups]
    assert taught == [{"a": 3.0, "c": 1.0}, {"b": 2.0, "c": 1.0}]


def test_examples_without_a_teacher_keep_the_key_they_had_before_groups_could_have_one() -> None:
    old = "e53598b34ef79086c79d21e61ba9c7fa8fe2ef777715984abf946601d645e7e1"
    assert content_key(asdict_examples(examples())) == old
    taught = tuple(replace(group, teacher={group.positives[0]: 1.0}) for group in GROUPS)
    assert content_key(asdict_examples(replace(examples(), groups=taught))) != old


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query": "a", ', "broken JSON"),
        ('["a", "b"]', "not a JSON object"),
        ('{"query": "a"}', "'positive' is missing"),
        (good(query="  "), "'query' is missing, empty or not a text"),
        (good(query=7), "'query' is missing, empty or not a text"),
        (good(negatives=3), "'negatives' is not a text or a list of texts: 3"),
        (good(negatives=[1]), "'negatives' is not a text or a list of texts"),
        (good(negatives=[None]), "'negatives' is not a text or a list of texts"),
        (good(negatives=[["c"]]), "'negatives' is not a text or a list of texts"),
        (good(negative_ids=["x", "y"]), "differ in number"),
        (good(negative_ids="x"), "'negative_ids' is not a list"),
        (good(negative_ids=[None]), "'negative_ids' holds None"),
        (good(query_id=1.5), "'query_id' holds 1.5"),
        (good(query_id=True), "'query_id' holds True"),
        (good(query_id=""), "'query_id' holds ''"),
        (good(positive_id=["x", "y"]), "'positive_id' and the texts differ in number: 2 and 1"),
        (good(relevant_ids="xyz"), "'relevant_ids' is not a list"),
        (good(sources=3), "'sources' is not a list"),
        (good(sources=["a", "b"]), "'sources' has no name for each of 1 negatives"),
        (good(sources=[1]), "'sources' has no name for each of 1 negatives"),
        (good(negatives=["c", "b"]), "the positive is among its own negatives"),
        (good(positive_id="x", negative_ids=["x"]), "the id 'x' has two different texts"),
        (good(positive="other", positive_id="same"), "the id 'same' has two different texts"),
        (good(query="other", query_id="same"), "the id 'same' has two different texts"),
        (r'{"query": "\ud800", "positive": "b"}', "half a surrogate pair"),
        (good(scores=3), "'scores' is not a list"),
        (good(scores=[1.0]), "'scores' has 1 numbers for 2 texts"),
        (good(scores=[1.0, 2.0, 3.0]), "'scores' has 3 numbers for 2 texts"),
        (good(negatives=["c", "c"], scores=[3, 2, 1]), "one text has two scores, 2.0 and 1"),
        (good(scores=[1.0, "2"]), "the score '2' is not a finite number"),
        (good(scores=[True, 2.0]), "the score 'True' is not a finite number"),
        (good(scores=[1.0, float("nan")]), "the score 'nan' is not a finite number"),
        (good(scores=[float("-inf"), 1.0]), "the score '-inf' is not a finite number"),
        (good(scores=[1e39, 1.0]), r"the score '1e\+39' is not a finite number"),
        (good(scores=[[1.0], 1.0]), r"the score '\[1.0\]' is not a finite number"),
    ],
)
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(good(query_id="same", positive_id="same") + "\n\n" + line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_examples(path)
    assert caught.value.where == f"{path}:3"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("content", "message"), [(b"\n \n", "no training examples"), (b"\xff\xfe", "not UTF-8"), (None, "cannot be read")]
)
def test_a_file_that_holds_nothing_readable_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "groups.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_examples(path)
