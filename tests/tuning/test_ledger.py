"""The ledger counts models, not commands."""

from __future__ import annotations

from pathlib import Path

from strop.artifacts.store import Store
from strop.tuning.ledger import look, looks


def test_each_new_model_is_a_look_and_the_same_model_keeps_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert looks(store, "test") == 0
    assert [look(store, "test", model) for model in ("a", "b", "a", "c", "b")] == [1, 2, 1, 3, 2]
    assert looks(store, "test") == 3


def test_another_test_split_has_looks_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    look(store, "one", "a")
    assert look(store, "other", "b") == 1
