"""Folders that hold documents and nothing else, and the documents of sources that hold more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from strop.collection.door import documents, has_judgments, load, splits
from strop.records.errors import InputError

from .folders import folder, lines


def alone(root: Path, corpus: str | None = None) -> Path:
    """A folder with corpus.jsonl alone."""
    shutil.rmtree(folder(root, corpus) / "qrels")
    (root / "queries.jsonl").unlink()
    return root


def test_a_folder_of_documents_alone_is_read_without_queries_and_says_so(tmp_path: Path) -> None:
    root = alone(tmp_path / "mine")
    assert not has_judgments(root)
    data = documents(root)
    assert (data.name, data.split, data.queries, data.qrels) == ("mine", "", {}, {})
    assert [d.contents for d in data.documents.values()] == [f"Title {i} Body {i}" for i in (1, 2, 3)]
    assert len(data.fingerprint) == 64


def test_what_needs_judgments_still_says_what_a_folder_holds(tmp_path: Path) -> None:
    for reads in (splits, load):
        with pytest.raises(InputError, match=r"no qrels/SPLIT\.tsv"):
            reads(alone(tmp_path))


def test_documents_alone_are_checked_like_any(tmp_path: Path) -> None:
    twice = lines({"_id": "d1", "text": "one"}, {"_id": "d1", "text": "two"})
    with pytest.raises(InputError, match=r"corpus\.jsonl:2: _id 'd1' is already used on line 1"):
        documents(alone(tmp_path / "twice", twice))
    texts = lines(*({"_id": f"d{i}", "text": "" if i == 4 else "x"} for i in range(200)))
    (warning,) = documents(alone(tmp_path / "empty", texts)).warnings
    assert warning.startswith("1 of 200 documents have neither title nor text")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match=r"corpus\.jsonl: cannot be read"):
        documents(tmp_path / "nothing")


def test_documents_of_a_judged_folder_are_the_same_and_its_other_files_are_not_read(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", test="broken")
    assert has_judgments(root)
    assert splits(root) == ("test",)
    assert documents(root).fingerprint == documents(alone(tmp_path / "other" / "mine")).fingerprint


def test_passages_in_ms_marco_s_layout_are_read_alone_too(tmp_path: Path) -> None:
    (tmp_path / "collection.tsv").write_text("7\tone passage\n8\tanother\n", encoding="utf-8")
    assert not has_judgments(tmp_path)
    assert [d.text for d in documents(tmp_path).documents.values()] == ["one passage", "another"]
    with pytest.raises(InputError, match=r"no qrels\.SPLIT\.tsv"):
        splits(tmp_path)


def test_a_mixture_has_judgments_when_each_part_has(tmp_path: Path) -> None:
    judged, other = folder(tmp_path / "a"), alone(tmp_path / "b", lines({"_id": "d9", "text": "x"}))
    assert has_judgments(f"{judged}+docstrings")
    assert not has_judgments(f"{judged}+{other}")
    both = documents(f"{judged}+{other}")
    assert list(both.documents) == ["a/d1", "a/d2", "a/d3", "b/d9"]
    assert (both.split, both.queries) == ("", {})


def test_documents_of_the_docstrings_are_theirs_and_none_is_reserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from strop.collection.docstrings import reader
    from strop.collection.docstrings.pool import Entry
    from strop.collection.docstrings.text import Pair

    pairs = [(Pair(f"scipy.{name}", "scipy", f"asks {name}", f"text {name}"), name) for name in ("train", "test")]
    monkeypatch.setattr(reader, "extract", lambda: [Entry(p, p.id, p.id, split) for p, split in pairs])
    data = documents("docstrings:scipy")
    assert list(data.documents) == ["scipy.train", "scipy.test"]
    assert (data.split, data.queries, data.qrels, data.reserved) == ("", {}, {}, frozenset())


def test_an_unknown_source_is_unknown_here_too() -> None:
    for reads in (documents, has_judgments):
        with pytest.raises(InputError, match="there is no collection 'no/such'"):
            reads("no/such")
