from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from strop.collection.door import load, splits
from strop.records.documents import Document
from strop.records.errors import InputError


class Titled(NamedTuple):
    doc_id: str
    title: str
    text: str

    def default_text(self) -> str:
        raise AssertionError("the fields are there")


class Parts(NamedTuple):
    doc_id: str
    abstract: str
    claims: str

    def default_text(self) -> str:
        return f"{self.abstract} / {self.claims}"


@pytest.fixture(scope="module")
def irds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """ir_datasets with its folders in a temporary place, and three data sets of ours, from local files."""
    home = tmp_path_factory.mktemp("irds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IR_DATASETS_HOME", str(home))
        patch.setenv("IR_DATASETS_TMP", str(home / "tmp"))
        patch.setenv("IR_DATASETS_LOG", "warn")
        import ir_datasets

        _register(ir_datasets, home)
        yield ir_datasets


def _register(irds: Any, home: Path) -> None:
    files = {
        "docs": "d1\tone\tFirst text\nd2\ttwo\tSecond text\nd3\t\tThird text\n",
        "parts": "d1\tone\tFirst text\nd2\ttwo\tSecond text\n",
        "others": "d1\tanother\n",
        "queries": "q1\tfirst\nq2\tsecond\nq3\tnever judged\n",
        "test": "q1 0 d1 2\nq1 0 d3 0\ngone 0 d1 1\n",
        "train": "q2 0 d2 1\nq2 0 d1 1\n",
    }
    for name, text in files.items():
        (home / name).write_text(text, encoding="utf-8")

    def local(name: str) -> Any:
        return irds.util.LocalDownload(home / name)

    Dataset, formats = irds.datasets.base.Dataset, irds.formats
    docs = formats.TsvDocs(local("docs"), doc_cls=Titled)
    queries = formats.TsvQueries(local("queries"))
    judged = {name: formats.TrecQrels(local(name), {}) for name in ("test", "train")}
    irds.registry.register("strop-tiny", Dataset(docs, queries))
    for name, qrels in judged.items():
        irds.registry.register(f"strop-tiny/{name}", Dataset(docs, queries, qrels))
    irds.registry.register("strop-tiny/unjudged", Dataset(docs, queries))
    irds.registry.register("strop-tiny/other", Dataset(formats.TsvDocs(local("others")), queries, judged["test"]))
    parts = formats.TsvDocs(local("parts"), doc_cls=Parts)
    irds.registry.register("strop-alone/parts", Dataset(parts, queries, judged["train"]))
    gone = irds.util.Download([_Unreachable()], cache_path=str(home / "never"))
    irds.registry.register("strop-gone/test", Dataset(formats.TsvDocs(gone), queries, judged["test"]))


class _Unreachable:
    def stream(self) -> Any:
        import requests  # type: ignore[import-untyped]

        raise requests.exceptions.ConnectionError("no route to host")


def test_ir_datasets_finds_iterates_and_names_what_it_has_as_we_rely_upon(irds: Any) -> None:
    dataset = irds.registry["strop-tiny/test"]
    assert (dataset.has_docs(), dataset.has_queries(), dataset.has_qrels()) == (True, True, True)
    assert [doc.doc_id for doc in dataset.docs_iter()] == ["d1", "d2", "d3"]
    store = dataset.docs_store()
    assert store.get("d2") == Titled("d2", "two", "Second text")
    for absent in ("d", "d22", ""):  # the index compares cut keys, the store must not
        with pytest.raises(KeyError):
            store.get(absent)
    assert [(q.query_id, q.default_text()) for q in dataset.queries_iter()][:1] == [("q1", "first")]
    qrel = next(iter(dataset.qrels_iter()))
    assert (qrel.query_id, qrel.doc_id, qrel.relevance) == ("q1", "d1", 2)
    assert irds.docs_parent_id("strop-tiny/test") == "strop-tiny"
    assert irds.docs_parent_id("strop-tiny/other") == "strop-tiny/other"
    with pytest.raises(KeyError):
        irds.registry["strop-tiny/no"]
    assert "strop-tiny/test" in list(irds.registry)
    assert {"beir/nfcorpus/train", "msmarco-passage/dev/small"} <= set(irds.registry)


def test_an_id_gives_its_splits_and_documents_of_title_and_text(irds: Any) -> None:
    assert splits("irds:strop-tiny") == ("test", "train")
    assert splits("irds:beir/nfcorpus") == ("dev", "test", "train")
    collection = load("irds:strop-tiny", "test")
    assert (collection.name, collection.split) == ("strop-tiny", "test")
    assert dict(collection.documents) == {
        "d1": Document("d1", "First text", "one"),
        "d2": Document("d2", "Second text", "two"),
        "d3": Document("d3", "Third text", ""),
    }
    assert len(collection.documents) == 3
    assert [d.id for d in collection.documents.values()] == list(collection.documents)
    assert "d4" not in collection.documents
    assert "d11" not in collection.documents
    assert {q.id: q.text for q in collection.queries.values()} == {"q1": "first"}
    assert collection.qrels == {"q1": {"d1": 2, "d3": 0}}
    assert collection.reserved == {"d2"}
    assert collection.warnings == ("1 judgments of queries that are not there are left out (first: 'gone')",)


def test_the_split_s_own_id_gives_the_same_collection(irds: Any) -> None:
    assert splits("irds:strop-tiny/test") == ("test",)
    own, joined = load("irds:strop-tiny/test", "test"), load("irds:strop-tiny", "test")
    assert (own.name, own.split, own.fingerprint) == (joined.name, joined.split, joined.fingerprint)


def test_documents_without_title_and_text_give_their_default_text(irds: Any) -> None:
    assert splits("irds:strop-alone/parts") == ("parts",)
    collection = load("irds:strop-alone/parts", "parts")
    assert collection.name == "strop-alone/parts"
    assert collection.documents["d1"].contents == "one / First text"


def test_a_split_that_is_not_there_names_those_that_are(irds: Any) -> None:
    with pytest.raises(InputError, match=r"irds:strop-tiny: no split 'dev'\. Splits there: test, train"):
        load("irds:strop-tiny", "dev")
    with pytest.raises(InputError, match="no judged split"):
        splits("irds:strop-tiny/unjudged")


def test_an_unknown_id_names_its_neighbours(irds: Any) -> None:
    for ask in (lambda: load("irds:beir/nfcorpsu", "test"), lambda: splits("irds:beir/nfcorpsu")):
        with pytest.raises(InputError, match=r"ir_datasets has no 'beir/nfcorpsu'\. Close to it: beir/nfcorpus"):
            ask()


def test_a_download_without_network_is_one_error_that_names_the_cache_and_the_alternative(irds: Any) -> None:
    with pytest.raises(InputError) as caught:
        load("irds:strop-gone", "test")
    assert "strop-gone/test needs the network, or its files in ir_datasets' cache" in caught.value.problem
    assert "no route to host" in caught.value.problem
    assert "a folder in BEIR's or MS MARCO's layout" in caught.value.remedy
    assert os.environ["IR_DATASETS_HOME"] in caught.value.problem
