from __future__ import annotations

import gzip
import shutil
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path

import pytest

from strop.collection.beir_export import write_beir
from strop.collection.door import load, splits
from strop.records.errors import InputError

from .folders import HEADER, folder, lines

GOOD = {"_id": "d1", "text": "one"}


def test_a_folder_gives_its_documents_and_the_judged_queries_of_the_split(tmp_path: Path) -> None:
    collection = load(folder(tmp_path / "mine", test=HEADER + "q2\td2\t2\r\nq2\td3\t0\r\n"))
    assert (collection.name, collection.split) == ("mine", "test")
    assert collection.documents["d1"].contents == "Title 1 Body 1"
    assert list(collection.queries) == ["q2"]
    assert collection.qrels == {"q2": {"d2": 2, "d3": 0}}
    assert collection.warnings == ()


BAD = {
    "broken JSON": ({"corpus": lines(GOOD) + "{broken\n"}, "corpus.jsonl:2", "{broken"),
    "an array": ({"corpus": lines(GOOD) + "\n[1]\n"}, "corpus.jsonl:3", "list"),
    "a duplicate document": ({"corpus": lines(GOOD, GOOD)}, "corpus.jsonl:2", "'d1' is already used on line 1"),
    "a document without _id": ({"corpus": lines(GOOD, {"text": "x", "id": "9"})}, "corpus.jsonl:2", "no _id"),
    "a blank _id": ({"corpus": lines({"_id": " ", "text": "x"})}, "corpus.jsonl:1", "_id is ' '"),
    "an _id with a space": ({"corpus": lines({"_id": "a b", "text": "x"})}, "corpus.jsonl:1", "'a b'"),
    "a boolean _id": ({"corpus": lines({"_id": True, "text": "x"})}, "corpus.jsonl:1", "_id is True"),
    "a document without text": ({"corpus": lines({"_id": "d1", "body": "x"})}, "corpus.jsonl:1", "no text"),
    "a null text": ({"corpus": lines({"_id": "d1", "text": None})}, "corpus.jsonl:1", "text is None"),
    "a title that is a number": (
        {"corpus": lines({"_id": "d1", "text": "x", "title": 3})},
        "corpus.jsonl:1",
        "title of 'd1' is 3",
    ),
    "half a character": ({"corpus": '{"_id": "d1", "text": "\\ud800"}\n'}, "corpus.jsonl:1", "surrogate"),
    "bad UTF-8": ({"corpus": lines(GOOD).encode() + b'{"_id": "d2", "text": "\xff"}\n'}, "corpus.jsonl:2", "0xff"),
    "too many empty documents": ({"corpus": lines(GOOD, {"_id": "d2", "text": " "})}, "corpus.jsonl:2", "1 of 2"),
    "an empty corpus": ({"corpus": ""}, "corpus.jsonl", "no documents"),
    "a duplicate query": ({"queries": lines(*[{"_id": 7, "text": "x"}] * 2)}, "queries.jsonl:2", "'7'"),
    "an empty query": (
        {"queries": lines({"_id": "q1", "text": "  "})},
        "test.tsv:2",
        "has an empty text",
    ),
    "no header": ({"test": "q1\td1\t1\n"}, "test.tsv:1", "header"),
    "an empty qrels file": ({"test": ""}, "test.tsv", "empty"),
    "a header alone": ({"test": HEADER}, "test.tsv", "the split is empty"),
    "four columns": ({"test": HEADER + "q1\t0\td1\t1\n"}, "test.tsv:2", "3 filled columns"),
    "spaces for tabs": ({"test": HEADER + "q1 d1 1\n"}, "test.tsv:2", "'q1 d1 1'"),
    "a fractional score": ({"test": HEADER + "q1\td1\t1\nq2\td1\t0.5\n"}, "test.tsv:3", "'0.5'"),
    "contradicting judgments": (
        {"test": HEADER + "q1\td1\t1\nq1\td1\t2\n"},
        "test.tsv:3",
        "document 'd1' has relevance 2, and 1 above, for query 'q1'",
    ),
    "an absent query": ({"test": HEADER + "q1\td1\t1\nq9\td1\t1\n"}, "test.tsv:3", "'q9'"),
    "an absent document": ({"test": HEADER + "q1\td1\t1\nq2\td9\t1\n"}, "test.tsv:3", "'d9'"),
    "bad UTF-8 in the qrels": ({"test": HEADER.encode() + b"q1\t\xe9\t1\n"}, "test.tsv:2", "0xe9"),
    "a malformed line of another split": ({"train": HEADER + "q1\td1\n"}, "train.tsv:2", "3 filled columns"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_error_with_its_file_line_value_and_remedy(case: str, tmp_path: Path) -> None:
    files, place, value = BAD[case]
    root = folder(tmp_path, **files)
    with pytest.raises(InputError) as caught:
        load(root)
    assert caught.value.where.endswith("/" + place)
    assert value in caught.value.problem
    assert caught.value.remedy


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (folder(tmp_path) / "queries.jsonl").unlink()
    with pytest.raises(InputError, match=r"queries\.jsonl: cannot be read"):
        load(tmp_path)


def test_a_folder_without_qrels_says_what_a_folder_holds(tmp_path: Path) -> None:
    shutil.rmtree(folder(tmp_path) / "qrels")
    with pytest.raises(InputError, match=r"qrels/SPLIT\.tsv"):
        splits(tmp_path)


def test_an_unknown_split_names_those_there_are(tmp_path: Path) -> None:
    root = folder(tmp_path, train=HEADER + "q1\td1\t1\n")
    assert splits(root) == ("test", "train")
    with pytest.raises(InputError, match=r"'dev'\. Splits there: test, train"):
        load(root, "dev")


def test_an_unknown_source_says_what_is_possible() -> None:
    with pytest.raises(InputError, match=r"'no/such'.*docstrings.*folder"):
        load("no/such")


def test_numeric_ids_null_titles_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    corpus = b"\xef\xbb\xbf" + b'{"_id": 12, "title": null, "text": "x"}\n'
    collection = load(folder(tmp_path, corpus=corpus, test=HEADER + "q1\t12\t1\n"))
    assert collection.documents["12"].contents == "x"


def test_few_absent_documents_and_empty_texts_are_counted_warnings(tmp_path: Path) -> None:
    ids = [f"d{i}" for i in range(200)]
    corpus = lines(*({"_id": i, "text": "" if i in ("d4", "d7") else "x"} for i in ids))
    judged = HEADER + "".join(f"q1\t{i}\t1\n" for i in ids) + "q1\tgone\t1\nq1\td1\t1\n"
    collection = load(folder(tmp_path, corpus=corpus, test=judged))
    empty, absent, repeated = collection.warnings
    assert empty.startswith("2 of 200 documents")
    assert "corpus.jsonl:5" in empty
    assert absent.startswith("1 of 201 judgments")
    assert "test.tsv:202" in absent
    assert repeated.startswith("1 judgments are repeated")
    assert collection.qrels["q1"]["gone"] == 1


def test_documents_of_other_splits_alone_are_reserved(tmp_path: Path) -> None:
    root = folder(tmp_path, test=HEADER + "q1\td1\t1\nq1\td2\t0\n", train=HEADER + "q2\td2\t1\nq2\td3\t1\n")
    assert load(root, "train").reserved == {"d1"}
    assert load(root, "test").reserved == {"d3"}


def test_equal_data_has_an_equal_fingerprint_and_any_change_another(tmp_path: Path) -> None:
    documents = [{"_id": "d1", "title": "a", "text": "b"}, {"_id": "d2", "text": "c"}]
    good = {"corpus": lines(*documents), "test": HEADER + "q1\td1\t1\nq2\td2\t1\n"}
    first = load(folder(tmp_path / "a", **good)).fingerprint
    shuffled = {"corpus": lines(*reversed(documents)), "test": HEADER + "q2\td2\t1\nq1\td1\t1\n"}
    assert load(folder(tmp_path / "b", **shuffled)).fingerprint == first
    others = [
        good | {"corpus": lines(documents[0], {"_id": "d2", "text": "d"})},
        good | {"corpus": lines(documents[0], documents[1], {"_id": "d3", "text": "c"})},
        good | {"test": HEADER + "q1\td1\t2\nq2\td2\t1\n"},
        good | {"test": HEADER + "q1\td1\t1\n"},
        good | {"queries": lines({"_id": "q1", "text": "first?"}, {"_id": "q2", "text": "second"})},
    ]
    prints = {load(folder(tmp_path / f"o{i}", **o)).fingerprint for i, o in enumerate(others)}
    assert len(prints | {first}) == len(others) + 1


def test_what_is_exported_reads_back_the_same(tmp_path: Path) -> None:
    corpus = lines(
        {"_id": "d1", "title": "Straße", "text": 'two\nlines\u2028and "quotes"', "metadata": {"domain": "numpy"}},
        {"_id": "d2", "text": "plain"},
        {"_id": "d3", "text": "third"},
    )
    root = folder(tmp_path / "in", corpus=corpus, train=HEADER + "q2\td3\t1\n")
    read = {name: load(root, name) for name in splits(root)}
    (tmp_path / "out").mkdir()
    write_beir(list(read.values()), tmp_path / "out")
    again = {name: load(tmp_path / "out", name) for name in splits(tmp_path / "out")}
    for name, collection in read.items():
        assert again[name].fingerprint == collection.fingerprint
        assert again[name].documents == collection.documents
        assert again[name].qrels == collection.qrels
    assert again["test"].documents["d1"].domain == "numpy"
    assert not (tmp_path / "out.partial").exists()


def test_export_refuses_a_folder_that_holds_something(tmp_path: Path) -> None:
    root = folder(tmp_path / "in")
    with pytest.raises(InputError, match="not empty"):
        write_beir([load(root)], root)


@pytest.mark.parametrize(
    ("name", "documents", "queries", "warning"),
    [
        ("nfcorpus", 3633, 323, None),
        ("arguana", 8674, 1406, "5 of 1406 judgments name a document"),
        ("cran", 1400, 225, "2 of 1400 documents have neither title nor text"),
        ("medquad", 17240, 103, None),
        ("nq_small", 9592, 2655, None),
        ("msmarco_dl", 30045, 97, None),
    ],
)
def test_public_collections_load_with_their_known_oddities(
    name: str, documents: int, queries: int, warning: str | None, public: Callable[[str], Path]
) -> None:
    collection = load(public(name))
    assert (len(collection.documents), len(collection.queries)) == (documents, queries)
    assert [w[: len(warning or "")] for w in collection.warnings] == ([warning] if warning else [])


def test_files_are_read_with_a_byte_order_mark_and_packed(tmp_path: Path) -> None:
    plain = load(folder(tmp_path / "mine"))
    marked = folder(tmp_path / "marked/mine")
    for path in marked.rglob("*.*l"):
        path.write_bytes(BOM_UTF8 + path.read_bytes())
    packed = folder(tmp_path / "packed/mine")
    for path in [path for path in packed.rglob("*") if path.is_file()]:
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert splits(str(packed)) == ("test",)
    assert load(marked).fingerprint == load(packed).fingerprint == plain.fingerprint


def test_only_a_judged_query_needs_a_text(tmp_path: Path) -> None:
    queries = lines({"_id": "q1", "text": "first"}, {"_id": "q2", "text": "second"}, {"_id": "q3", "text": " "})
    assert list(load(folder(tmp_path / "mine", queries=queries)).queries) == ["q1", "q2"]


def test_keys_that_are_not_read_are_counted(tmp_path: Path) -> None:
    corpus = lines({"_id": "d1", "text": "x", "body": "y"}, {"_id": "d2", "text": "x"}, {"_id": "d3", "text": "x"})
    assert load(folder(tmp_path / "mine", corpus=corpus)).warnings == (
        "the key 'body' of 1 lines is not read (first: corpus.jsonl:1)",
    )


@pytest.mark.parametrize(
    ("text", "judged", "own"),
    [
        ("Body 1", {}, True),  # as ArguAna: the query is the document
        ("Title 1 Body 1", {}, True),
        ("Body", {}, False),  # a word of it is not the document
        ("Body 1", {"d1": 1}, False),  # judged relevant: it is what is looked for
        ("Body 1", {"d1": 0}, True),
        ("first", {}, False),  # numbered alike, without any relation
    ],
)
def test_a_document_is_the_query_s_own_by_id_and_text_and_never_where_it_is_relevant(
    tmp_path: Path, text: str, judged: dict[str, int], own: bool
) -> None:
    qrels = HEADER + "d1\td2\t1\n" + "".join(f"d1\t{d}\t{grade}\n" for d, grade in judged.items())
    data = load(folder(tmp_path / "mine", queries=lines({"_id": "d1", "text": text}), test=qrels))
    assert data.own_document("d1") == ("d1" if own else None)
