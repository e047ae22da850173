from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from strop.collection.door import load, splits
from strop.collection.fingerprint import with_fingerprint
from strop.collection.lazy_documents import Contents, LazyDocuments
from strop.collection.mixture import mixture
from strop.collection.panel import panel, training_panel
from strop.records.documents import Collection, Document, Query
from strop.records.errors import InputError

from .folders import HEADER, folder, small
from .marco import marco


def named(name: str, **changes: object) -> Collection:
    collection = replace(small(3, 5), name=name, **changes)  # type: ignore[arg-type]
    return replace(collection, fingerprint=f"{with_fingerprint(collection).fingerprint}{name}")


def test_every_id_stands_behind_its_collection_s_name_and_all_else_stays() -> None:
    a, b = (
        named("a", warnings=("odd",)),
        named("irds/b", qrels={"q0": {"d2": 2, "absent": 1}}, queries={"q0": Query("q0", "?")}),
    )
    mixed = mixture([a, b])
    assert (mixed.name, mixed.split, mixed.warnings) == ("a+irds/b", "test", ("a: odd",))
    assert list(mixed.documents) == [*(f"a/d{i}" for i in range(5)), *(f"irds/b/d{i}" for i in range(5))]
    assert mixed.documents["irds/b/d2"] == Document("irds/b/d2", "xxx")
    assert [(q, query.id, query.text) for q, query in mixed.queries.items()][-1] == ("irds/b/q0", "irds/b/q0", "?")
    assert mixed.qrels["irds/b/q0"] == {"irds/b/d2": 2, "irds/b/absent": 1}
    assert mixed.qrels["a/q1"] == {"a/d1": 1}
    assert mixed.reserved == {"a/d1", "a/d4", "irds/b/d1", "irds/b/d4"}
    for missing in ("d2", "a/", "a/d9", "irds/d2", "b/d2", "irds/b", "a/a/d2"):
        assert missing not in mixed.documents
        assert mixed.documents.get(missing) is None
    assert 7 not in mixed.documents  # type: ignore[comparison-overlap]


def test_documents_read_the_same_by_id_by_value_and_by_item() -> None:
    documents = mixture([named("a"), named("b")]).documents
    assert len(documents) == 10
    assert [d.id for d in documents.values()] == list(documents)
    assert dict(documents.items()) == {d: documents[d] for d in documents}
    assert next(iter(Contents(documents, frozenset({"a/d0"})))) == "a/d1"


def test_documents_of_a_lazy_part_are_read_only_when_asked_for() -> None:
    class Watched:
        read = 0

        def count(self) -> int:
            return 3

        def ids(self) -> Iterator[str]:
            return iter(("d0", "d1", "d2"))

        def stream(self) -> Iterator[Document]:
            return map(self.find, self.ids())

        def find(self, doc_id: str) -> Document:
            self.read += 1
            return Document(doc_id, f"text of {doc_id}", domain="site")

        def holds(self, doc_id: str) -> bool:
            return doc_id in ("d0", "d1", "d2")

    store = Watched()
    mixed = mixture([named("a"), replace(named("b"), documents=LazyDocuments(store))])
    assert "b/d2" in mixed.documents
    assert len(mixed.documents) == len(list(mixed.documents)) == 8
    assert store.read == 0
    assert mixed.documents["b/d2"] == Document("b/d2", "text of d2", domain="site")
    assert store.read == 1
    assert [d.id for d in mixed.documents.values()][-1] == "b/d2"
    assert store.read == 4  # from end to end, each once


def test_one_fingerprint_for_the_same_parts_in_any_order_and_another_for_other_parts() -> None:
    a, b, c = named("a"), named("b"), named("c")
    assert mixture([a, b]).fingerprint == mixture([b, a]).fingerprint
    assert len({mixture(parts).fingerprint for parts in ([a, b], [a, c], [a, b, c], [a])}) == 4
    renamed = replace(b, name="z")
    assert mixture([a, renamed]).fingerprint != mixture([a, b]).fingerprint
    changed = replace(b, fingerprint="other contents")
    assert mixture([a, changed]).fingerprint != mixture([a, b]).fingerprint


def test_the_same_collection_twice_and_names_that_confuse_ids_are_refused() -> None:
    a = named("a")
    with pytest.raises(InputError, match="two collections have the name 'a'"):
        mixture([a, named("b"), replace(a, fingerprint="other")])
    with pytest.raises(InputError, match="hold the same data"):
        mixture([a, replace(a, name="copy")])
    with pytest.raises(InputError, match="the name 'a/b' begins with 'a' and a slash"):
        mixture([named("a/b"), named("a.c"), a])
    with pytest.raises(InputError, match="white space"):
        mixture([a, named("my data")])
    with pytest.raises(InputError, match="names no collection"):
        mixture([])
    assert len(mixture([a, named("ab"), named("a-b")]).documents) == 15


def test_a_query_s_own_document_is_found_within_its_own_part() -> None:
    text = "the very text"
    own = replace(named("own"), documents={"q0": Document("q0", text)}, queries={"q0": Query("q0", text)})
    other = replace(named("other"), documents={"q0": Document("q0", "else")}, queries={"q0": Query("q0", text)})
    mixed = mixture([own, other])
    assert mixed.own_document("own/q0") == "own/q0"
    assert mixed.own_document("other/q0") is None


def test_panels_draw_from_all_parts() -> None:
    mixed = mixture(
        [replace(small(20, 60), name="a", fingerprint="a"), replace(small(20, 60), name="b", fingerprint="b")]
    )
    drawn = panel(mixed, 20, 60, seed=1)
    assert {q.split("/")[0] for q in drawn.queries} == {d.split("/")[0] for d in drawn.documents} == {"a", "b"}
    trained = training_panel(mixed, 20, 60, 1, closed={"a/d5"})
    assert not {"a/d5", "a/d1", "b/d1"} & set(trained.documents)  # closed, and reserved in both
    assert "b/d5" in mixed.documents


def test_the_door_joins_what_stands_between_plus_signs(tmp_path: Path) -> None:
    first = folder(tmp_path / "one", train=HEADER + "q1\td1\t1\n")
    second = marco(tmp_path / "two")
    both = f"{first}+{second}"
    mixed = load(both, "train")
    assert (mixed.name, mixed.split) == ("one+two", "train")
    assert mixed.documents["one/d1"].contents == "Title 1 Body 1"
    assert mixed.documents["two/1"].text == '"An unmatched quote opens this one'
    assert list(mixed.queries) == ["one/q1", "two/10", "two/11"]
    assert mixed.reserved == {"one/d2", "two/3"}
    assert any(w.startswith("two: 1 of 3 queries") for w in mixed.warnings)
    assert splits(both) == ("train",)  # test is of the one alone, dev of the other


def test_parts_that_are_not_there_name_themselves(tmp_path: Path) -> None:
    first, dev = folder(tmp_path / "one"), folder(tmp_path / "only")
    (dev / "qrels/test.tsv").rename(dev / "qrels/dev.tsv")
    with pytest.raises(InputError, match="no collection 'nowhere'"):
        load(f"{first}+nowhere")
    with pytest.raises(InputError, match="no split 'test'") as caught:
        load(f"{first}+{dev}")
    assert str(dev) in str(caught.value)
    with pytest.raises(InputError, match=r"no split in common.*one: test; .*only: dev"):
        splits(f"{first}+{dev}")
    for source in (f"{first}+", f"+{first}", "+", f"{first}++{dev}"):
        with pytest.raises(InputError, match="name is missing"):
            load(source)
    with pytest.raises(InputError, match="named twice"):
        splits(f"{first}+{first}")


def test_a_folder_whose_own_name_has_a_plus_wins_and_so_does_a_path(tmp_path: Path) -> None:
    folder(tmp_path / "a+b")
    for source in (str(tmp_path / "a+b"), tmp_path / "a+b"):
        assert load(source).name == "a+b"
        assert splits(source) == ("test",)
    with pytest.raises(InputError, match=r"no collection '.*c\+d'"):
        load(tmp_path / "c+d")
