"""What a qrels file gives, whatever its name, its form and its packing."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from strop.records.errors import InputError, InputWarning
from strop.records.judgments import read_qrels
from strop.records.runs import read_run

JUDGED = {"q1": {"a": 2, "b": 0}, "q2": {"c": 1}}
TREC = "q1 0 a 2\nq1 0 b 0\nq2 0 c 1\n"
BEIR = "query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\tb\t0\nq2\tc\t1\n"
RUN = "q1 Q0 a 1 2.5 t\nq1 Q0 b 2 1.5 t\n"


@pytest.mark.parametrize("name", ["qrels", "qrels.txt", "qrels.tsv", "run.gz"])
@pytest.mark.parametrize(
    "content",
    [
        TREC.encode(),
        BEIR.encode(),
        b"\xef\xbb\xbf" + TREC.encode(),
        b"\xef\xbb\xbf" + BEIR.encode(),
        gzip.compress(TREC.encode()),
        gzip.compress(b"\xef\xbb\xbf" + BEIR.encode()),
        TREC.replace("\n", "\r\n").encode(),
        BEIR.replace("\n", "\r\n").encode(),
        TREC.replace(" ", "\t").encode(),
        TREC.replace("2\n", "2.0\n").replace(" 0\n", " 0.\n").encode(),
    ],
)
def test_judgments_are_the_same_in_every_form_and_under_every_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert read_qrels(tmp_path / name) == JUDGED


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf" + RUN.encode(), gzip.compress(RUN.encode())])
def test_a_run_is_the_same_with_a_byte_order_mark_and_packed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").write_bytes(content)
    assert read_run(tmp_path / "run")["q1"].doc_ids == ("a", "b")


def test_columns_are_split_at_ascii_blanks_alone(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q\u00a01 0 d\u2003e 1\n", encoding="utf-8")
    assert read_qrels(tmp_path / "qrels") == {"q\u00a01": {"d\u2003e": 1}}
    (tmp_path / "run").write_text("q\u00a01 Q0 d\u2003e 1 2.0 t\n", encoding="utf-8")
    assert read_run(tmp_path / "run")["q\u00a01"].doc_ids == ("d\u2003e",)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (TREC.encode("utf-16"), "UTF-16"),
        (gzip.compress(TREC.encode())[:-12], "broken gzip"),
        (b"", "empty"),
        (b"q1\ta\t1\n", "3 columns instead of 4, and no header of BEIR"),
    ],
)
def test_what_is_no_qrels_file_is_refused_by_name(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "qrels").write_bytes(content)
    with pytest.raises(InputError, match=problem) as caught:
        read_qrels(tmp_path / "qrels")
    assert caught.value.where.startswith(str(tmp_path / "qrels"))


def test_scores_that_tie_only_as_float32_are_warned_of(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q Q0 a 1 1.00000001 t\nq Q0 b 2 1.0 t\nq Q0 c 3 0.5 t\n", encoding="utf-8")
    with pytest.warns(InputWarning, match="2 documents .* beyond float32 .*'b' at 1.0 and 'a' at 1.00000001"):
        assert read_run(tmp_path / "run")["q"].doc_ids == ("b", "a", "c"), "tied: the higher id first, as trec_eval 9"
