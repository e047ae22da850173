"""The ledger counts models, not commands, and knows a test split by its queries."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from strop.artifacts.store import Store
from strop.collection.fingerprint import with_fingerprint
from strop.records.documents import Collection, Document, Query
from strop.records.errors import InputError
from strop.tuning.ledger import look, looks


def split(first: int, last: int) -> Collection:
    queries = {str(i): Query(str(i), f"question {i}") for i in range(first, last)}
    qrels = {q: {"d": 1} for q in queries}
    return with_fingerprint(Collection("c", "test", {"d": Document("d", "answer")}, queries, qrels, ""))


def test_each_new_model_is_a_look_and_the_same_model_keeps_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert looks(store, split(0, 20)) == 0
    assert [look(store, split(0, 20), model) for model in ("a", "b", "a", "c", "b")] == [1, 2, 1, 3, 2]
    assert looks(store, split(0, 20)) == 3


def test_another_test_split_has_looks_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    look(store, split(0, 20), "a")
    assert look(store, split(20, 40), "b") == 1


def test_a_split_with_queries_added_or_taken_away_is_no_fresh_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    look(store, split(0, 20), "a")
    assert look(store, split(0, 30), "b") == 2
    assert look(store, split(15, 20), "c") == 3
    assert look(store, split(0, 20), "a") == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:40],
        lambda text: text.replace('"a": 1', '"a": 2'),
        lambda text: text.replace('"queries"', '"other"'),
        lambda text: text.replace("1", "[" * 100_000, 1),
        lambda text: "[]",
    ],
)
def test_a_damaged_page_of_the_ledger_is_named_and_never_counted(tmp_path: Path, damage: Callable[[str], str]) -> None:
    store = Store(tmp_path)
    look(store, split(0, 20), "a")
    (page,) = (tmp_path / "test-looks").glob("*.json")
    page.write_text(damage(page.read_text(encoding="utf-8")), encoding="utf-8")
    for ask in (lambda: looks(store, split(0, 20)), lambda: look(store, split(0, 30), "b")):
        with pytest.raises(InputError, match=rf"{page.name}: the ledger of looks at a test split is damaged"):
            ask()


def test_a_ledger_from_before_there_were_sums_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    look(store, split(0, 20), "a")
    (page,) = (tmp_path / "test-looks").glob("*.json")
    kept = json.loads(page.read_text(encoding="utf-8"))
    del kept["sha256"]
    page.write_text(json.dumps(kept), encoding="utf-8")
    assert (looks(store, split(0, 20)), look(store, split(0, 20), "b")) == (1, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
@pytest.mark.filterwarnings("ignore:.*fork")  # Python 3.12 on: numpy's threads have nothing to do here
def test_looks_at_once_are_all_counted_and_each_has_a_number_of_its_own(tmp_path: Path) -> None:
    models, numbers = 12, tmp_path / "numbers"
    children = []
    for process in range(3):
        if not (child := os.fork()):
            store = Store(tmp_path / "home")
            for i in range(models):
                test = split(0, 20 + (process + i) % 2)  # two splits that share queries: two files
                number = look(store, test, f"{process} {i}")
                with numbers.open("a", encoding="utf-8") as file:
                    file.write(f"{number}\n")
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert sorted(map(int, numbers.read_text(encoding="utf-8").split())) == list(range(1, 3 * models + 1))
    assert looks(Store(tmp_path / "home"), split(0, 20)) == 3 * models
