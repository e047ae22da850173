"""The file that keeps the extracted docstrings: what is not as it was written is extracted again, once at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from strop.collection.docstrings import reader
from strop.collection.docstrings.pool import Entry
from strop.collection.docstrings.text import Pair
from strop.records.errors import InputWarning

VERSIONS = {"numpy": "1"}
POOL = [Entry(Pair(*[f"{i} word"] * len(Pair._fields)), f"t{i}", f"c{i}", "train") for i in range(3)]


@pytest.fixture
def extracted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One number for each extraction."""
    times: list[int] = []

    def extract() -> list[Entry]:
        times.append(len(times))
        time.sleep(0.05)
        return list(POOL)

    monkeypatch.setattr(reader, "extract", extract)
    return times


def test_it_is_extracted_once_and_leaves_nothing_beside_it(tmp_path: Path, extracted: list[int]) -> None:
    assert reader._cached_pool(VERSIONS, tmp_path) == POOL
    assert reader._cached_pool(VERSIONS, tmp_path) == POOL
    assert extracted == [0]
    assert {path.suffix for path in tmp_path.iterdir()} == {".jsonl", ".lock"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b"1 word", b"1 ward", 1),
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"\xff\xfe" + data,
        lambda data: b"[" * 100_000 + b"\n\n",
    ],
    ids=["a letter", "cut", "emptied", "no UTF-8", "deep"],
)
def test_a_damaged_one_is_named_and_extracted_again(
    damage: Callable[[bytes], bytes], tmp_path: Path, extracted: list[int]
) -> None:
    reader._cached_pool(VERSIONS, tmp_path)
    (path,) = tmp_path.glob("*.jsonl")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with pytest.warns(InputWarning, match=f"{path.name} is damaged: the docstrings are extracted again"):
        assert reader._cached_pool(VERSIONS, tmp_path) == POOL
    assert path.read_bytes() == whole
    assert len(extracted) == 2


def test_whoever_comes_while_it_is_extracted_waits_for_it(tmp_path: Path, extracted: list[int]) -> None:
    pools: list[list[Entry]] = []
    threads = [threading.Thread(target=lambda: pools.append(reader._cached_pool(VERSIONS, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pools == [POOL] * 4
    assert extracted == [0]
