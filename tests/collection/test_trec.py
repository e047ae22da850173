from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from strop.collection.audit import audit
from strop.collection.beir_export import write_beir
from strop.collection.door import load, splits
from strop.collection.panel import panel
from strop.records.documents import Document
from strop.records.errors import InputError

from .marco import PASSAGES, marco

NAME = "collection.tsv"


def test_a_folder_gives_its_passages_raw_and_the_judged_queries_of_the_split(tmp_path: Path) -> None:
    root = marco(tmp_path / "mine")
    collection = load(root, "train")
    assert (collection.name, collection.split) == ("mine", "train")
    assert splits(root) == ("dev", "train")
    assert dict(collection.documents) == {
        "0": Document("0", 'The "first passage'),
        "1": Document("1", '"An unmatched quote opens this one'),
        "2": Document("2", "tabs\tinside\tstay"),
        "3": Document("3", 'last "one'),
    }
    assert [q.text for q in collection.queries.values()] == ['what is "first', "who"]
    assert collection.qrels == {"10": {"0": 1}, "11": {"1": 1}}
    assert collection.reserved == {"3"}
    assert load(root, "dev").reserved == {"0"}
    assert collection.warnings == ("1 of 3 queries have no judgment and are left out (queries.train.tsv)",)


def test_queries_and_judgments_may_be_packed_and_an_unjudged_query_empty(tmp_path: Path) -> None:
    plain = load(marco(tmp_path / "plain"), "train")
    root = marco(tmp_path / "packed", queries_train='10\twhat is "first\n11\twho\n12\t \n')
    for name in ("queries.train.tsv", "qrels.train.tsv", "qrels.dev.tsv"):
        (root / f"{name}.gz").write_bytes(gzip.compress((root / name).read_bytes()))
        (root / name).unlink()
    assert splits(root) == ("dev", "train")
    assert load(root, "train").fingerprint == plain.fingerprint
    (root / f"{NAME}.gz").write_bytes(gzip.compress((root / NAME).read_bytes()))
    (root / NAME).unlink()
    with pytest.raises(InputError, match=r"collection\.tsv\.gz: packed with gzip, and read in place\. Unpack it"):
        load(root, "train")


def test_a_split_of_two_words_is_one_split(tmp_path: Path) -> None:
    root = marco(tmp_path)
    (root / "queries.dev.small.tsv").write_text("20\twhere\n")
    (root / "qrels.dev.small.tsv").write_text("20\t0\t3\t1\n")
    assert splits(root) == ("dev", "dev.small", "train")
    assert load(root, "dev.small").qrels == {"20": {"3": 1}}
    with pytest.raises(InputError, match=r"no split 'test'\. Splits there: dev, dev\.small, train"):
        load(root)


BAD = {
    "a passage without a tab": ({"collection": "0\tx\n\n1 y\n"}, "collection.tsv:3", "'1 y'"),
    "a passage without an id": ({"collection": "0\tx\n\ty\n"}, "collection.tsv:2", "'\\ty'"),
    "an id with a space": ({"collection": "0\tx\n1 2\ty\n"}, "collection.tsv:2", "'1 2'"),
    "an id used twice": ({"collection": "a\tx\nb\ty\n\na\tz\n"}, "collection.tsv:4", "'a' is already used on line 1"),
    "bad UTF-8": ({"collection": b"0\tx\n1\ty\xff\n"}, "collection.tsv:2", "0xff at column 4"),
    "an empty collection": ({"collection": "\n"}, "collection.tsv", "no documents"),
    "too many empty passages": ({"collection": PASSAGES + "4\t \n"}, "collection.tsv:5", "1 of 5"),
    "a query without text": (
        {"queries_train": "10\tx\n11\t \n"},
        "qrels.train.tsv:2",
        "has an empty text",
    ),
    "a query without a tab": ({"queries_train": "10\tx\n11\n"}, "queries.train.tsv:2", "'11'"),
    "a query used twice": ({"queries_train": "10\tx\n10\ty\n"}, "queries.train.tsv:2", "'10'"),
    "three columns": ({"qrels_train": "10\t0\t1\n"}, "qrels.train.tsv:1", "3 columns instead of 4"),
    "a fractional relevance": ({"qrels_train": "10 0 1 0.5\n"}, "qrels.train.tsv:1", "'0.5'"),
    "an absent query": ({"qrels_train": "10 0 1 1\n99 0 1 1\n"}, "qrels.train.tsv:2", "'99' is judged"),
    "an absent passage": ({"qrels_train": "10 0 1 1\n11 0 4 1\n"}, "qrels.train.tsv:2", "'4'"),
    "no judgments": ({"qrels_train": ""}, "qrels.train.tsv", "empty"),
    "a malformed line of another split": ({"qrels_dev": "20 0 1\n"}, "qrels.dev.tsv:1", "3 columns instead of 4"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_error_with_its_file_line_value_and_remedy(case: str, tmp_path: Path) -> None:
    files, place, value = BAD[case]
    with pytest.raises(InputError) as caught:
        load(marco(tmp_path, **files), "train")
    assert caught.value.where.endswith("/" + place)
    assert value in caught.value.problem
    assert caught.value.remedy


def test_missing_files_are_named(tmp_path: Path) -> None:
    (marco(tmp_path) / "queries.train.tsv").unlink()
    with pytest.raises(InputError, match=r"queries\.train\.tsv: cannot be read"):
        load(tmp_path, "train")
    for path in tmp_path.glob("qrels.*"):
        path.unlink()
    with pytest.raises(InputError, match=r"no qrels\.SPLIT\.tsv"):
        splits(tmp_path)


def test_few_absent_and_empty_passages_are_counted_warnings(tmp_path: Path) -> None:
    passages = "".join(f"{i}\t{'' if i == 7 else 'x'}\n" for i in range(200))
    judged = "".join(f"10 0 {i} 1\n" for i in range(200)) + "10 0 200 1\n"
    collection = load(marco(tmp_path, collection=passages, qrels_train=judged, queries_train="10\tx\n"), "train")
    empty, absent = collection.warnings
    assert empty == "1 of 200 documents have neither title nor text (first: '7'), collection.tsv:8"
    assert absent.startswith(
        "1 of 201 judgments name a document that is not in collection.tsv (first: '200', qrels.train"
    )


def test_grades_of_trec_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    passages = b"\xef\xbb\xbf" + PASSAGES.replace("\n", "\r\n").encode().rstrip()
    collection = load(marco(tmp_path, collection=passages, qrels_train="10 Q0 0 3\r\n10 Q0 2 -1\r\n"), "train")
    assert collection.qrels == {"10": {"0": 3, "2": -1}}
    assert [d.text for d in collection.documents.values()] == [line.split("\t", 1)[1] for line in PASSAGES.splitlines()]


IDS = {
    "row numbers": lambda i: str(i),
    "other numbers": lambda i: str(7 * i + 3),
    "row numbers with zeros before them": lambda i: f"{i:04}",
    "row numbers but for the last": lambda i: "x" if i == 499 else str(i),
    "words": lambda i: f"é-{i * i}",
    "long numbers": lambda i: f"1{i:030}",
}


@pytest.mark.parametrize("kind", IDS)
def test_every_passage_is_found_by_its_id_and_no_other_is(kind: str, tmp_path: Path) -> None:
    """Against a dictionary made by splitting the whole text."""
    rows = [f"{IDS[kind](i)}\ttext {i} {'ü' * (i % 5)}" for i in range(500)]
    expected = dict(row.split("\t", 1) for row in rows)
    judged = f"10 0 {IDS[kind](3)} 1\n"
    lines = "\n".join(f"{row}\n" if i % 50 == 0 else row for i, row in enumerate(rows))  # some blank lines between
    root = marco(tmp_path, collection=lines, queries_train="10\tx\n", qrels_train=judged, qrels_dev=judged)
    documents = load(root, "train").documents
    assert {doc_id: documents[doc_id].text for doc_id in documents} == expected
    assert [d.id for d in documents.values()] == list(documents) == list(expected)
    assert len(documents) == 500
    for absent in ("500", "-1", "+3", "03", "0003 ", "", "٣", "1" * 5000, "é-3"):
        assert (absent in documents) == (absent in expected)
        assert documents.get(absent) is None or absent in expected
    assert 3 not in documents


def test_the_fingerprint_is_that_of_the_same_data_in_beirs_layout(tmp_path: Path) -> None:
    root = marco(tmp_path / "in")
    read = {name: load(root, name) for name in splits(root)}
    write_beir(list(read.values()), tmp_path / "out")
    again = {name: load(tmp_path / "out", name) for name in splits(tmp_path / "out")}
    for name, collection in read.items():
        assert again[name].fingerprint == collection.fingerprint
        assert again[name].documents == collection.documents
        assert collection.documents == again[name].documents
        assert again[name].reserved == collection.reserved


def test_export_compares_documents_that_stay_on_disk(tmp_path: Path) -> None:
    one = load(marco(tmp_path / "a"), "train")
    other = load(marco(tmp_path / "b", collection=PASSAGES.replace("last", "lost")), "dev")
    assert one.documents != other.documents
    with pytest.raises(ValueError, match="differ in their documents"):
        write_beir([one, other], tmp_path / "out")


def test_a_file_that_was_changed_is_read_again(tmp_path: Path) -> None:
    before = load(marco(tmp_path), "train")
    (tmp_path / "collection.tsv").unlink()
    after = load(marco(tmp_path, collection=PASSAGES + "4\tnew\n"), "train")
    assert (len(before.documents), len(after.documents)) == (4, 5)
    assert before.fingerprint != after.fingerprint


def test_panels_and_audits_take_documents_that_stay_on_disk(tmp_path: Path) -> None:
    collection = load(marco(tmp_path), "train")
    small = panel(collection, queries=1, documents=2, seed=0)
    assert len(small.documents) == 2
    assert set(small.qrels) <= {"10", "11"}
    assert audit([load(tmp_path, s) for s in splits(tmp_path)])["duplicates"] == {"exact": 0, "near": 0}


@pytest.mark.parametrize("lacking", ["nothing", "folder", "link"])
def test_a_folder_without_its_passages_is_told_so_and_not_that_it_lacks_another_layout_s_files(
    tmp_path: Path, lacking: str
) -> None:
    root = marco(tmp_path)
    (root / "collection.tsv").unlink()
    if lacking == "folder":
        (root / "collection.tsv").mkdir()
    elif lacking == "link":
        (root / "collection.tsv").symlink_to("collection.tsv")
    with pytest.raises(InputError, match=r"collection\.tsv: cannot be read \("):
        load(root, "dev")
