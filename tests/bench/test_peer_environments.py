"""Peers in environments of their own: what cannot be installed or fails is told in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from strop.bench import peer_environments
from strop.bench.peer_environments import Environment, asked
from strop.bench.peer_process import BATCHES, best_batch
from strop.records.errors import WorkerError

FEW = Environment("few", ("nothing.whl",))


def peer(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The script that is run in place of a peer, by this Python."""
    script = folder / "peer.py"
    script.write_text(text, encoding="utf-8")
    monkeypatch.setattr(peer_environments, "_SCRIPT", script)
    monkeypatch.setattr(Environment, "python", lambda self: Path(sys.executable))


def test_a_package_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_HOME", str(tmp_path))
    with pytest.raises(WorkerError, match=r"^pip could not install nothing\.whl$"):
        FEW.python()
    assert not (tmp_path / "bench-peers" / "few" / "installed.json").exists()


def test_a_peer_says_facts_and_then_the_seconds_of_each_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peer(
        tmp_path,
        monkeypatch,
        "import json, sys\n"
        "print(json.dumps([sys.argv[1], json.loads(sys.argv[2])['depth']]), flush=True)\n"
        "for i, _ in enumerate(sys.stdin): print(i / 2, flush=True)",
    )
    turn, facts = asked(FEW, "faiss", {"depth": 3})
    assert facts == ["faiss", 3]
    with turn.args[0]:  # type: ignore[attr-defined]  # the process
        assert [turn(), turn()] == [0.0, 0.5]


def test_a_peer_that_fails_says_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peer(tmp_path, monkeypatch, "raise ValueError('no such model')")
    with pytest.raises(WorkerError, match=r"^few failed \(ValueError: no such model\)$"):
        asked(FEW, "exported", {})


def test_the_best_batch_is_the_fastest_of_some_texts_spread_over_all() -> None:
    sizes: list[int] = []

    def encode(texts: list[int], size: int) -> None:
        sizes.append(size)
        assert len(texts) == 128
        assert max(texts) > 900
        for _ in range(200 if size == 64 else 100_000):
            pass

    assert best_batch(encode, list(range(1000))) == 64
    assert set(sizes) == set(BATCHES)
