"""All splits of a source, to be read through: what `load` gives, with the documents left on disk."""

from __future__ import annotations

import gzip
from dataclasses import fields
from pathlib import Path

import pytest

from strop.collection.beir_export import write_beir
from strop.collection.door import every_split, load, splits
from strop.collection.lazy_documents import LazyDocuments
from strop.records.documents import Collection
from strop.records.errors import InputError

from .folders import HEADER, folder, lines


def odd(root: Path, change: str = "") -> Path:
    """Three splits; ids that are numbers and out of order, a title that is none, a domain, blank lines, other keys."""
    rows = (
        {"_id": 30, "title": None, "text": "Zwölf “words” — 漢字", "metadata": {"domain": "here"}},
        {"_id": "d2", "text": "Second", "title": "Title", "metadata": {"domain": 3}},
        {"text": "a\ttab and\na line", "more": 1, "_id": "d1"},
        {"_id": "q1", "text": "first"},
    )
    corpus = "\ufeff" + "\n\u3000\n".join(lines(row) for row in rows) + change
    return folder(
        root, corpus, test=HEADER + "q1\td1\t1\n", dev=HEADER + "q2\td2\t2\n", train=HEADER + "q1\t30\t1\nq2\td1\t0\n"
    )


def check_same(found: list[Collection], source: str | Path) -> None:
    for one, split in zip(found, splits(source), strict=True):
        expected = load(source, split)
        for name in (field.name for field in fields(Collection)):
            assert getattr(one, name) == getattr(expected, name), name
        assert list(one.documents) == list(expected.documents)
        assert list(one.documents.values()) == list(expected.documents.values())


def test_every_split_is_what_load_gives_and_its_documents_are_one_object_on_disk(tmp_path: Path) -> None:
    found = every_split(odd(tmp_path / "odd"))
    check_same(found, tmp_path / "odd")
    assert [one.split for one in found] == ["dev", "test", "train"]
    assert found[0].warnings
    assert found[0].reserved
    assert isinstance(found[0].documents, LazyDocuments)
    assert all(one.documents is found[0].documents for one in found)
    assert "absent" not in found[0].documents
    assert found[1].own_document("q1") == "q1"


def test_packed_documents_and_mixtures_and_other_layouts_are_read_alike(tmp_path: Path) -> None:
    packed = odd(tmp_path / "packed", lines({"_id": "more", "text": "unlike the other"}))
    plain = (packed / "corpus.jsonl").read_bytes()
    (packed / "corpus.jsonl.gz").write_bytes(gzip.compress(plain))
    (packed / "corpus.jsonl").unlink()
    check_same(every_split(packed), packed)
    both = f"{odd(tmp_path / 'odd')}+{packed}"
    check_same(every_split(both), both)
    marco = tmp_path / "marco"
    marco.mkdir()
    (marco / "collection.tsv").write_text("7\tone passage\n8\tanother\n", encoding="utf-8")
    for split in ("dev", "train"):
        (marco / f"queries.{split}.tsv").write_text("1\tasked\n", encoding="utf-8")
        (marco / f"qrels.{split}.tsv").write_text(f"1 0 {7 if split == 'dev' else 8} 1\n", encoding="utf-8")
    check_same(every_split(marco), marco)


def test_what_load_refuses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus\.jsonl:14: _id 'd1' is already used on line 7"):
        every_split(odd(tmp_path / "twice", "\n\n\n" + lines({"_id": "d1", "text": "again"})))
    with pytest.raises(InputError, match="there is no collection"):
        every_split(tmp_path / "nowhere")


@pytest.mark.parametrize(("old", "new"), [("d2", "d3"), ("text", "texy"), ('{"_id": "d2"', '["_id", "d2"'), ("}", "")])
def test_a_file_that_changes_while_it_is_read_is_named(old: str, new: str, tmp_path: Path) -> None:
    (found, *_) = every_split(odd(tmp_path))
    path = tmp_path / "corpus.jsonl"
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(InputError, match=r"corpus\.jsonl: the file changed while it was read"):
        list(found.documents.values())


def test_an_exported_folder_has_the_documents_of_one_on_disk(tmp_path: Path) -> None:
    write_beir(every_split(odd(tmp_path / "odd")), tmp_path / "written")
    for one, split in zip(every_split(tmp_path / "written"), ("dev", "test", "train"), strict=True):
        assert one.fingerprint == load(tmp_path / "odd", split).fingerprint
