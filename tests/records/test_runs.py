from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trec_qrels import write_qrels

from strop.records.errors import InputError
from strop.records.judgments import read_qrels
from strop.records.runs import Run, read_run, write_run


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "some.trec"
    path.write_bytes(text.encode(encoding))
    return path


def test_documents_are_ordered_by_score_and_ties_go_to_the_later_id_as_a_string() -> None:
    run = Run({"q": (["d10", "d9", "a", "z", "é"], [1.0, 1.0, 3.0, 1.0, 1.0])})
    assert run["q"].doc_ids == ("a", "é", "z", "d9", "d10")
    assert run["q"].scores.tolist() == [3.0, 1.0, 1.0, 1.0, 1.0]


def test_scores_that_float32_cannot_tell_apart_are_tied() -> None:
    run = Run({"q": (["a", "b"], [0.1 + 1e-12, 0.1])})
    assert run["q"].doc_ids == ("b", "a")
    assert run["q"].scores.dtype == np.float32


def test_top_cuts_every_ranking_and_keeps_the_order() -> None:
    run = Run({"q": (["a", "b", "c"], [1.0, 2.0, 2.0]), "p": (["a"], [1.0]), "none": ([], [])})
    cut = run.top(2)
    assert {q: cut[q].doc_ids for q in cut} == {"q": ("c", "b"), "p": ("a",), "none": ()}
    assert cut["q"].scores.tolist() == [2.0, 2.0]
    assert len(run["q"].doc_ids) == 3


def test_the_rankings_of_some_queries_stand_in_their_order_made_and_read_alike(tmp_path: Path) -> None:
    made = Run({"q": (["a", "b"], [1.0, 2.0]), "p": (["a"], [1.0]), "r": (["c"], [1.0])})
    write_run(made, tmp_path / "run", "t")
    for run in (made, read_run(tmp_path / "run")):
        some = run.only(["r", "none", "q"])
        assert [(q, ranking.doc_ids) for q, ranking in some.items()] == [("r", ("c",)), ("q", ("b", "a"))]
        assert len(run) == 3


@pytest.mark.parametrize(
    ("doc_ids", "scores", "message"),
    [
        (["a", "b", "a"], [1.0, 2.0, 3.0], "document a is ranked twice"),
        (["a", "b"], [1.0, float("nan")], r"not finite \(b\)"),
        (["a", "b"], [1.0, 1e39], r"not finite \(b\)"),
        (["a"], [1.0, 2.0], "1 documents but 2 scores"),
    ],
)
def test_a_ranking_that_breaks_an_invariant_is_refused(doc_ids: list[str], scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Run({"q": (doc_ids, scores)})


def test_a_written_run_reads_back_to_the_same_float32_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 4000, dtype=np.uint32).view(np.float32)
    scores = np.concatenate([bits[np.isfinite(bits)], np.float32([1.1, 1 / 3, 1e-45, -3.4e38])])
    run = Run({"q1": ([f"d{i}" for i in range(len(scores))], scores), "q2": (["ü#1"], [0.0])})
    write_run(run, tmp_path / "run", tag="mine")
    again = read_run(tmp_path / "run")
    assert list(again) == ["q1", "q2"]
    assert again["q1"].doc_ids == run["q1"].doc_ids
    assert again["q1"].scores.tobytes() == run["q1"].scores.tobytes()
    first = (tmp_path / "run").read_text(encoding="utf-8").splitlines()[0].split()
    assert first[:2] == ["q1", "Q0"]
    assert first[3] == "1"
    assert first[5] == "mine"


def test_the_rank_column_and_comments_are_ignored_as_trec_eval_does(tmp_path: Path) -> None:
    path = written(tmp_path, "# made by hand\nq Q0 a 1 1.5 t\n\n  # another\nq\tQ0\tb#1\t2\t 2e0 t\r\n")
    assert read_run(path)["q"].doc_ids == ("b#1", "a")


@pytest.mark.parametrize(
    ("text", "where", "value"),
    [
        ("q Q0 a 1 1.0 t\nq Q0 b 2 1.0\n", ":2", "5 columns instead of 6"),
        ("q Q0 a 1 1.0 t more\n", ":1", "7 columns instead of 6"),
        ("q Q0 a 1 high t\n", ":1", "'high'"),
        ("q Q0 a 1 9_5 t\n", ":1", "'9_5'"),
        ("q Q0 a 1 1,5 t\n", ":1", "'1,5'"),
        ("q Q0 a 1 ٣ t\n", ":1", "'٣'"),
        ("q Q0 a 1 nan t\n", ":1", "'nan'"),
        ("q Q0 a 1 0x1p3 t\n", ":1", "'0x1p3'"),
        ("q Q0 a\0b 1 1.0 t\n", ":1", "a NUL"),
        ("q Q0 a 1 1 t\n\ufeffq Q0 b 1 1 t\n", ":2", "byte-order mark inside the file"),
        ("q Q0 a 1 inf t\n", ":1", "'inf'"),
        ("q Q0 a 1 1e39 t\n", ":1", "'1e39'"),
        ("q Q0 a 1 1 t\np Q0 a 1 1 t\nq Q0 a 2 0 t\n", ":3", "'a' is ranked twice for query 'q'"),
        ("# nothing\n", "", "the run is empty"),
    ],
)
def test_a_bad_run_names_file_line_value_and_remedy(tmp_path: Path, text: str, where: str, value: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_run(path)
    assert caught.value.where == f"{path}{where}"
    assert value in caught.value.problem
    assert caught.value.remedy
    assert str(caught.value).startswith(f"{path}{where}: ")


def test_a_missing_file_and_one_that_is_not_utf8_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_run(tmp_path / "absent")
    with pytest.raises(InputError, match="not UTF-8"):
        read_run(written(tmp_path, "q Q0 ä 1 1.0 t\n", encoding="latin-1"))


def test_qrels_read_back_as_written_and_comments_are_skipped(tmp_path: Path) -> None:
    qrels = {"q1": {"a": 2, "b": 0, "c": -1}, "q2": {"a": 1}}
    assert read_qrels(write_qrels(tmp_path / "qrels", qrels)) == qrels
    assert read_qrels(written(tmp_path, "# judged by hand\nq1 0 a 2\n")) == {"q1": {"a": 2}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("q 0 a 1\nq 0 b one\n", "'one' is not a whole number"),
        ("q 0 a 1\nq 0 b 1.5\n", "'1.5' is not a whole number"),
        ("q 0 a 1\nq 0 b 1_0\n", "'1_0' is not a whole number"),
        ("q 0 a 1\nq 0 b ٣\n", "'٣' is not a whole number"),
        ("q 0 a 1\nq 0 a 2\n", "'a' is judged twice"),
        ("q 0 a 1\nq a 2\n", "3 columns instead of 4"),
        ("q 0 a 1\nq 0 a 2 more\n", "5 columns instead of 4"),
    ],
)
def test_bad_qrels_name_the_line_and_the_value(tmp_path: Path, text: str, value: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_qrels(path)
    assert caught.value.where == f"{path}:2"
    assert value in caught.value.problem


@pytest.mark.parametrize(
    ("query", "doc", "tag"),
    [("a b", "d", "t"), ("q", "d\te", "t"), ("q", "d", ""), ("#q", "d", "t"), ("q", "", "t"), ("q", "\ufeffd", "t")],
)
def test_an_id_that_a_trec_file_cannot_carry_is_refused_before_anything_is_written(
    tmp_path: Path, query: str, doc: str, tag: str
) -> None:
    with pytest.raises(InputError):
        write_run(Run({query: ([doc], [1.0])}), tmp_path / "run", tag)
    assert not (tmp_path / "run").exists()
