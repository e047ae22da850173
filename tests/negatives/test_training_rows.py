"""Rows of every layout: what each of their columns gives, or the one error that names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from strop.negatives.examples import read_examples
from strop.records.errors import InputError, InputWarning


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


#: What a row holds, and (positive, its teacher's score, negatives with theirs) of each group.
SEVERAL: list[tuple[dict[str, Any], list[tuple[str, float | None, dict[str, float]]]]] = [
    ({"pos": ["a", "b"], "neg": ["c", "d"]}, [("a", None, {}), ("b", None, {})]),
    ({"pos": "a", "neg": "c", "pos_scores": 2, "neg_scores": 1}, [("a", 2.0, {"c": 1.0})]),
    (
        {"pos": ["a", "b"], "neg": ["c", "d"], "pos_scores": [4, 3.5], "neg_scores": [2, None]},
        [("a", 4.0, {"c": 2.0}), ("b", 3.5, {"c": 2.0})],
    ),
    ({"pos": ["a"], "neg": ["c"], "neg_scores": [1], "pos_scores": None}, [("a", None, {"c": 1.0})]),
    (
        {"positive": ["a", "b"], "negatives": ["c"], "scores": [3, 2, 1]},
        [("a", 3.0, {"c": 1.0}), ("b", 2.0, {"c": 1.0})],
    ),
    ({"positive": "a", "negative_2": "d", "negative_1": "c", "scores": [3, 2, 1]}, [("a", 3.0, {"c": 2.0, "d": 1.0})]),
    (
        {
            "positive_passages": [{"docid": 1, "text": "a", "score": 0.5}],
            "negative_passages": [{"docid": 2, "text": "c", "score": 0.25}, {"docid": 3, "text": "d"}],
        },
        [("a", 0.5, {"c": 0.25})],
    ),
    ({"positive": "a", "label": 1}, [("a", None, {})]),
]


@pytest.mark.parametrize(("row", "expected"), SEVERAL)
def test_every_positive_is_a_group_and_a_teacher_s_scores_go_with_their_texts(
    row: dict[str, Any], expected: list[tuple[str, float | None, dict[str, float]]], tmp_path: Path
) -> None:
    (tmp_path / "t").write_text(lines({"query": "q"} | row), encoding="utf-8")
    read = read_examples(tmp_path / "t")
    name = read.documents
    found = [
        (name[p], g.teacher.get(p), {name[d]: g.teacher[d] for d in g.negatives if d in g.teacher})
        for g in read.groups
        for p in g.positives
    ]
    assert found == expected
    assert {frozenset(map(name.__getitem__, g.relevant)) for g in read.groups} == {frozenset(p for p, *_ in expected)}


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"pos": ["p"], "prompt": "Represent", "type": "normal"}, ["'prompt'", "'type'"]),
        ({"positive_passages": [{"text": "p"}], "answers": ["a"]}, ["'answers'"]),
    ],
)
def test_columns_that_are_not_trained_on_are_said_once(
    row: Mapping[str, Any], named: list[str], tmp_path: Path
) -> None:
    (tmp_path / "t").write_text(lines({"query": "q", **row}, {"query": "r", **row}), encoding="utf-8")
    with pytest.warns(InputWarning, match="t: read, but not trained on: ") as caught:
        read = read_examples(tmp_path / "t")
    assert [read.documents[g.positives[0]] for g in read.groups] == ["p", "p"]
    assert len(caught) == 1
    assert all(name in str(caught[0].message) for name in named)


def test_a_negative_that_another_row_has_as_a_positive_of_its_query_is_said_not_to_count(tmp_path: Path) -> None:
    rows = [{"query": "q", "positive": "a", "negatives": ["b", "c"]}, {"query": "q", "positive": "b"}]
    (tmp_path / "t").write_text(lines(*rows, {"query": "r", "positive": "c", "negatives": ["b"]}), encoding="utf-8")
    with pytest.warns(InputWarning, match="t: 1 negatives do not count: the file has them as positives"):
        read_examples(tmp_path / "t")


def test_negatives_without_a_text_are_counted(tmp_path: Path) -> None:
    rows = [{"query": "q", "positive": "a", "negatives": ["", "c"]}, {"query": "r", "positive": "b", "negative": " "}]
    (tmp_path / "t").write_text(lines(*rows), encoding="utf-8")
    with pytest.warns(InputWarning, match="t: 2 negatives have no text"):
        assert [len(g.negatives) for g in read_examples(tmp_path / "t").groups] == [2, 1]


PAIR = {"query": "q", "positive": "p"}
UNKNOWN = "Rename or remove"
ROWS: list[tuple[dict[str, Any], str, str]] = [
    (PAIR | {"hard_negative": "n"}, "the column 'hard_negative' is not known", "query or anchor or question; positive"),
    (PAIR | {"a": 1, "b": 2}, "the columns 'a', 'b' are not known", UNKNOWN),
    (PAIR | {"neg": ["n"]}, "the column 'neg' is not known", UNKNOWN),
    (PAIR | {"Negative": None}, "the column 'Negative' is not known", UNKNOWN),
    (PAIR | {"negative_": "n"}, "the column 'negative_' is not known", UNKNOWN),
    ({"query": "q", "pos": ["p"], "id": 3}, "the column 'id' is not known", "; neg; pos_scores, neg_scores, prompt"),
    ({"query": "q", "pos": ["p"], "negatives": ["n"]}, "the column 'negatives' is not known", UNKNOWN),
    ({"query": "q", "positive_passages": [], "scores": []}, "the column 'scores' is not known", UNKNOWN),
    ({"sentence1": "a", "sentence2": "b", "score": 0.3}, "'sentence1', 'sentence2', 'score' are not known", "Name the"),
    (PAIR | {"score": 0.3}, "the column 'score' is not known", "A similarity is not learned"),
    ({"query": "q", "positive": ["p", "n"], "labels": [1, 0]}, "the column 'labels' is not known", "labelled 0 as neg"),
    ({"query": "q", "documents": ["p"], "scores": [1]}, "the column 'documents' is not known", "labelled 0 as neg"),
    ({"set": ["a", "b"]}, "the column 'set' is not known", "a row for each pair"),
    (
        {"query_id": "1", "query_text": "q", "positive_document_ids": ["1"], "negative_document_ids": ["2"]},
        "'positive_document_ids', 'negative_document_ids' are not known",
        "The texts are in a corpus",
    ),
    (PAIR | {"anchor": "q"}, "'query' and 'anchor' both hold the query", "Keep one"),
    (PAIR | {"answer": "p"}, "'positive' and 'answer' both hold the positive", "Keep one"),
    (PAIR | {"negatives": ["n"], "negative_1": "n"}, "'negatives' and 'negative_1' both hold the", "Keep one"),
    (PAIR | {"label": 0}, "the label is 0, and only pairs labelled 1", "among the negatives"),
    (PAIR | {"label": 0.7}, "the label is 0.7", "among the negatives"),
    (PAIR | {"label": None}, "the label is None", "among the negatives"),
    (PAIR | {"label": "1"}, "the label is '1'", "among the negatives"),
    (PAIR | {"negative": "n", "label": 1}, "a label beside negatives", "Remove it"),
    (PAIR | {"query": None}, "'query' is missing", "A line reads"),
    (PAIR | {"query": ["q"]}, r"'query' is missing, empty or not a text: \['q'\]", "A line reads"),
    (PAIR | {"positive": "\n"}, r"'positive' is missing, empty or not a text: '\\n'", "A line reads"),
    (PAIR | {"positive": []}, r"'positive' is missing, empty or not a text: \[\]", "A line reads"),
    (PAIR | {"positive": ["p", ""]}, "'positive' is missing, empty or not a text", "A line reads"),
    (PAIR | {"positive": 5}, "'positive' is not a text or a list of texts: 5", "A line reads"),
    (PAIR | {"positive": {"text": "p"}}, "'positive' is not a text or a list of texts", "A line reads"),
    (PAIR | {"negative_1": 5}, "'negative_1' is not a text or a list of texts: 5", "A line reads"),
    (PAIR | {"negative_1": float("nan")}, "'negative_1' is not a text or a list of texts: nan", "A line reads"),
    (PAIR | {"negative_1": "p"}, "the positive is among its own negatives: 'p'", "Remove it"),
    ({"query": "q", "pos": ["p", "o"], "neg": ["n", "o"]}, "the positive is among its own negatives: 'o'", "Remove it"),
    ({"query": "q", "pos": ["p"], "pos_scores": [1, 2]}, "'pos_scores' has 2 numbers for 1 texts", "A teacher's"),
    ({"query": "q", "pos": ["p"], "neg_scores": [1]}, "'neg_scores' has 1 numbers for 0 texts", "A teacher's"),
    ({"query": "q", "pos": ["p"], "pos_scores": ["1"]}, "the score '1' is not a finite number", "A teacher's"),
    ({"query": "q", "pos": ["p", "o"], "pos_scores": 3}, "'pos_scores' is not a list: 3", "A teacher's"),
    ({"query": "q", "positive_passages": ["p"]}, "'positive_passages' is not a list of passages", "A passage reads"),
    ({"query": "q", "positive_passages": [{"docid": 1}]}, "a passage of 'positive_passages' is not text", "A passage"),
    ({"query": "q", "positive_passages": [{"text": "p", "url": ""}]}, "has 'url', which is not known", "A passage"),
    ({"query": "q", "positive_passages": [{"text": " ", "title": ""}]}, "'positive_passages' is missing", "A line"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "problem", "remedy"), ROWS)
def test_a_row_that_is_not_known_whole_is_refused_by_line_and_column(
    row: dict[str, Any], problem: str, remedy: str, tmp_path: Path
) -> None:
    path = tmp_path / "t"
    for content, where in (
        (lines({"query": "other", "positive": "other"}, row), f"{path}:2"),
        (json.dumps([{"query": "other", "positive": "other"}, row], indent=1), f"{path}, row 2"),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=problem) as caught:
            read_examples(path)
        assert caught.value.where == where
        assert remedy in caught.value.remedy
