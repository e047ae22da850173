from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from real_data import unpacked

from strop.collection.docstrings.pool import Entry
from strop.collection.docstrings.text import Pair
from strop.collection.door import load, splits
from strop.records.documents import Collection


@pytest.fixture(scope="session")
def public(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A public collection by name, unpacked once."""
    folders: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in folders:
            folder = unpacked(name, tmp_path_factory.mktemp(name))
            folders[name] = next(folder.glob("**/corpus.jsonl")).parent
        return folders[name]

    return get


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """The whole pool; the one slow extraction of a test run."""
    load("docstrings", cache=cache(tmp_path_factory))
    (path,) = cache(tmp_path_factory).glob("*.jsonl")
    text = path.read_text(encoding="utf-8").splitlines()[1]
    return [Entry(Pair(*members), *rest) for members, *rest in json.loads(text)]


@pytest.fixture(scope="session")
def collections(pool: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Collection]:
    return {split: load("docstrings", split, cache=cache(tmp_path_factory)) for split in splits("docstrings")}


def cache(factory: pytest.TempPathFactory) -> Path:
    return factory.getbasetemp() / "docstrings"
