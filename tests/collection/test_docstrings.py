from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from strop.collection.beir_export import write_beir
from strop.collection.docstrings import reader
from strop.collection.docstrings.pool import MAX_COMPONENT, MAX_TWINS, Entry, entries
from strop.collection.docstrings.source import package_docstrings, package_version
from strop.collection.docstrings.text import Pair
from strop.collection.door import load, splits
from strop.records.documents import Collection
from strop.records.errors import InputError

from .conftest import cache


def test_packages_are_read_without_being_imported(tmp_path: Path) -> None:
    package = tmp_path / "explosive"
    for folder in ("", "sub", "tests", "_private"):
        (package / folder).mkdir()
        (package / folder / "__init__.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    (package / "sub" / "mod.py").write_text(
        'raise SystemExit("imported")\n'
        'def public():\n    """One\\d."""\n    def inner():\n        """No."""\n'
        'def _hidden():\n    """No."""\n'
        "try:\n    import x\nexcept ImportError:\n"
        '    class Kept:\n        """Two."""\n        def method(self):\n            """Three."""\n'
        '        def _m(self):\n            """No."""\n'
        'def public():\n    """Second of the name."""\n',
        encoding="utf-8",
    )
    (package / "broken.py").write_text('def f(:\n    """No."""\n', encoding="utf-8")
    (package / "test_it.py").write_text('def f():\n    """No."""\n', encoding="utf-8")
    for folder in ("tests", "_private"):
        (package / folder / "mod.py").write_text('def f():\n    """No."""\n', encoding="utf-8")
    found = package_docstrings("explosive", [str(tmp_path)])
    assert [(d.qualified, d.text) for d in found] == [
        ("explosive.sub.mod.Kept", "Two."),
        ("explosive.sub.mod.Kept.method", "Three."),
        ("explosive.sub.mod.public", "One\\d."),
    ]


def test_reading_a_real_package_imports_neither_it_nor_torch() -> None:
    script = (
        "import sys; from strop.collection import door; from strop.collection.docstrings import source as s;"
        "assert len(s.package_docstrings('networkx')) > 500;"
        "assert not {'networkx', 'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_package_that_is_not_there_says_how_to_install_it() -> None:
    with pytest.raises(InputError, match=r"nothing_of_the_kind .*pip install no-such-distribution"):
        package_version("nothing_of_the_kind", "no-such-distribution")


def test_an_unknown_split_names_those_there_are() -> None:
    with pytest.raises(InputError, match="train, dev, test, test-networkx, test-sklearn"):
        load("docstrings", "validation")


def test_other_versions_are_said_and_change_the_fingerprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "extract", list)
    monkeypatch.setattr(reader, "package_version", lambda package, _: "0.1" if package == "numpy" else "9")
    other = load("docstrings")
    assert any("numpy 0.1 instead of 2.4.6" in w and "not comparable" in w for w in other.warnings)
    prints = {load("docstrings").fingerprint}
    monkeypatch.setattr(reader, "package_version", lambda package, _: "9")
    prints.add(load("docstrings").fingerprint)
    assert len(prints) == 2


LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen {}"


FAMILY = "a family of objects whose members differ in the last word of their documents alone, which is this"


def test_twins_share_their_judgments_and_their_split_and_templates_go() -> None:
    twins = [
        Pair(f"{p}.inv", p, "Compute the inverse of a matrix.", LONG.format(p) + p * 40) for p in ("numpy", "scipy")
    ]
    other = Pair("numpy.pinv", "numpy", "Compute an inverse of matrix", "nothing like the others " * 5)
    template = [Pair(f"torch.f{i}", "torch", "A template of many objects", f"{i} body {i} " * 9) for i in range(6)]
    family = [
        Pair(f"torch.g{i}", "torch", f"Unlike {i} any other {i * i} at all {i + 7}", f"{FAMILY} {i}") for i in range(21)
    ]
    found = {e.pair.id: e for e in entries([*family, *template, other, *twins])}
    assert set(found) == {"numpy.inv", "numpy.pinv", "scipy.inv"}
    assert {e.twins for e in found.values()} == {"numpy.inv"}
    assert len({e.split for e in found.values()}) == 1


def test_a_component_with_a_member_from_a_held_out_package_is_that_packages() -> None:
    body = LONG.format("seventeen")
    pairs = [
        Pair("sklearn.pca", "sklearn", "Principal component analysis of data", body),
        Pair("scipy.twin", "scipy", "Principal component analysis of data", "wholly different words " * 6),
        Pair("scipy.alike", "scipy", "Another summary that nobody shares", body + " and five words more here"),
    ]
    found = {e.pair.id: e.split for e in entries(pairs)}
    assert found == {"sklearn.pca": "test-sklearn", "scipy.twin": "test-sklearn"}


def test_components_never_straddle_splits_and_templates_are_gone(pool: list[Entry]) -> None:
    assert 10_000 < len(pool) < 20_000
    for label, limit in (("component", MAX_COMPONENT), ("twins", MAX_TWINS)):
        members: dict[str, list[Entry]] = {}
        for entry in pool:
            members.setdefault(getattr(entry, label), []).append(entry)
        assert all(len({e.split for e in group}) == 1 for group in members.values())
        assert max(map(len, members.values())) <= limit


def test_about_a_tenth_of_the_queries_is_dev_and_a_tenth_test(collections: dict[str, Collection]) -> None:
    counts = {name: len(c.queries) for name, c in collections.items()}
    drawn = counts["train"] + counts["dev"] + counts["test"]
    assert all(0.08 < counts[name] / drawn < 0.12 for name in ("dev", "test"))
    assert min(counts.values()) >= 500


def test_no_document_holds_its_summary_or_its_dotted_name(pool: list[Entry]) -> None:
    for pair, *_ in pool:
        flat = " ".join(pair.body.split())
        assert pair.summary.casefold() not in flat.casefold(), pair.id
        owner, _, name = pair.id.rpartition(".")
        assert f".{name}(" not in flat, pair.id
        assert f"{owner.rpartition('.')[2]}.{name} " not in flat, pair.id


def test_every_document_is_relevant_in_one_split_and_reserved_in_all_others(collections: dict[str, Collection]) -> None:
    homes = Counter(d for c in collections.values() for d in {d for judged in c.qrels.values() for d in judged})
    assert set(homes) == set(collections["test"].documents)
    assert set(homes.values()) == {1}
    for c in collections.values():
        judged = {d for relevant in c.qrels.values() for d in relevant}
        assert c.reserved == c.documents.keys() - judged


def test_no_query_is_asked_twice(collections: dict[str, Collection]) -> None:
    texts = Counter(q.text.casefold() for c in collections.values() for q in c.queries.values())
    assert [text for text, n in texts.items() if n > 1] == []


def test_held_out_packages_are_seen_in_their_own_split_alone(collections: dict[str, Collection]) -> None:
    for package in ("networkx", "sklearn"):
        for name, c in collections.items():
            domains = Counter(c.documents[d].domain for judged in c.qrels.values() for d in judged)
            assert (domains[package] > 500) if name == f"test-{package}" else package not in domains


def test_the_collection_exports_and_reads_back_with_the_same_reserved_documents(
    collections: dict[str, Collection], tmp_path: Path
) -> None:
    write_beir(list(collections.values()), tmp_path / "out")
    again = load(tmp_path / "out", "train")
    assert again.documents == collections["train"].documents
    assert again.reserved == collections["train"].reserved
    assert again.qrels == collections["train"].qrels


def part(source: str, split: str, factory: pytest.TempPathFactory) -> Collection:
    return load(source, split, cache=cache(factory))


def test_a_part_holds_its_packages_documents_and_is_split_as_the_whole(
    collections: dict[str, Collection], tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert splits("docstrings:scipy") == ("train", "dev", "test")
    for split in splits("docstrings:scipy"):
        own, whole = part("docstrings:scipy", split, tmp_path_factory), collections[split]
        assert own.name == "docstrings:scipy"
        assert own.documents == {d.id: d for d in whole.documents.values() if d.domain == "scipy"}
        asked = {q for q in whole.queries if q.startswith("q:scipy.")}
        assert asked <= set(own.queries)  # and those that a twin in another package asks there
        assert all(own.qrels[q] == {d: 1 for d in whole.qrels[q] if d in own.documents} for q in asked)
        assert all(query.removeprefix("q:") in own.qrels[query] for query in own.queries)
        assert own.reserved == whole.reserved & set(own.documents)


def test_a_part_asks_a_summary_that_twins_share_for_its_own_and_holds_out_what_the_whole_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = [
        Entry(Pair("numpy.inv", "numpy", "The inverse of a matrix", "d"), "numpy.inv", "numpy.inv", "train"),
        Entry(Pair("scipy.inv", "scipy", "The Inverse of a matrix", "e"), "numpy.inv", "numpy.inv", "train"),
        Entry(Pair("scipy.inverse", "scipy", "An inverse of matrix", "f"), "numpy.inv", "numpy.inv", "train"),
        Entry(Pair("scipy.pca", "scipy", "Principal components", "g"), "scipy.pca", "scipy.pca", "test-sklearn"),
    ]
    monkeypatch.setattr(reader, "extract", lambda: pool)
    both = {"scipy.inv": 1, "scipy.inverse": 1}
    train = load("docstrings:scipy", "train")
    assert train.qrels == {"q:scipy.inv": both, "q:scipy.inverse": both}
    assert train.reserved == {"scipy.pca"}
    assert set(load("docstrings", "train").qrels) == {"q:numpy.inv", "q:scipy.inverse"}
    assert load("docstrings:scipy", "test").qrels == {"q:scipy.pca": {"scipy.pca": 1}}


def test_of_packages_that_are_held_out_there_is_a_test_alone(
    collections: dict[str, Collection], tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert splits("docstrings:networkx") == ("test",)
    own, whole = part("docstrings:networkx", "test", tmp_path_factory), collections["test-networkx"]
    assert (own.queries, own.reserved) == (whole.queries, frozenset())
    with pytest.raises(InputError, match=r"docstrings:networkx: no split 'train'\. Splits there: test"):
        part("docstrings:networkx", "train", tmp_path_factory)


def test_several_packages_are_one_part_in_whatever_order(tmp_path_factory: pytest.TempPathFactory) -> None:
    both = part("docstrings:sklearn,joblib", "test", tmp_path_factory)
    assert both.fingerprint == part("docstrings:joblib,sklearn", "test", tmp_path_factory).fingerprint
    assert Counter(d.domain for d in both.documents.values()).keys() == {"joblib", "sklearn"}
    assert splits("docstrings:joblib,sklearn") == ("train", "dev", "test")
    train = part("docstrings:sklearn,joblib", "train", tmp_path_factory)
    held_out = {d.id for d in both.documents.values() if d.domain == "sklearn"}
    assert held_out <= train.reserved


def test_an_unknown_package_lists_those_there_are() -> None:
    for source in ("docstrings:pandas", "docstrings:scipy,pandas"):
        with pytest.raises(InputError, match=rf"{source}: no package 'pandas'.*accelerate, fsspec.*transformers"):
            splits(source)
    with pytest.raises(InputError, match="no package ''"):
        load("docstrings:")


def test_other_versions_of_other_packages_are_no_matter_of_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "extract", list)
    monkeypatch.setattr(
        reader, "package_version", lambda package, _: "0.1" if package == "numpy" else reader.PACKAGES[package][1]
    )
    assert load("docstrings:scipy").warnings == ()
    assert load("docstrings:numpy").warnings == (
        "numpy 0.1 instead of 2.4.6: scores are not comparable with the published ones",
    )
