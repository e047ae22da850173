from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import HIDDEN, dense, sentences

from strop import encode as encode_file
from strop.encode import Vectors, encode
from strop.models.dense import Dense
from strop.tokens import Tokens, cut

TEXTS = sentences(60, seed=9)


def empty(rows: int) -> Vectors:
    return np.full((rows, HIDDEN), np.nan, dtype=np.float32)


def one_by_one(encoder: Dense) -> Vectors:
    tokens = encoder.tokenize(TEXTS, "document")
    single = [Tokens.of([tokens.row(i).tolist()]) for i in range(len(tokens))]
    return np.concatenate([encode(encoder, t, empty(1)) for t in single])


@pytest.mark.parametrize("budget", [1, 50, 300, 10**6])
def test_every_row_is_written_in_order_and_the_vectors_do_not_depend_on_the_budget(
    budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = dense()
    tokens = encoder.tokenize(TEXTS, "document")
    expected = one_by_one(encoder)
    monkeypatch.setitem(encode_file.BUDGET, "cpu", budget)
    done: list[int] = []
    found = encode(encoder, tokens, empty(len(tokens)), done.append)
    assert np.abs(found - expected).max() < 1e-6
    assert np.isfinite(found).all()
    assert sum(done) == len(TEXTS)
    assert len(done) == len(cut(tokens.lengths, budget))
    assert np.abs(np.diff(expected, axis=0)).max(axis=1).min() > 1e-3  # neighbours differ, so order is tested


def test_encoding_turns_dropout_off_and_fills_the_array_it_was_given(tmp_path: Path) -> None:
    encoder = dense(dropout=0.5)
    encoder.module.train()
    tokens = encoder.tokenize(TEXTS, "document")
    out = np.lib.format.open_memmap(tmp_path / "v.npy", mode="w+", dtype=np.float32, shape=(len(tokens), HIDDEN))
    assert encode(encoder, tokens, out) is out
    out.flush()
    again = encode(encoder, tokens, empty(len(tokens)))
    assert np.array_equal(np.load(tmp_path / "v.npy"), again)
    assert np.abs(np.linalg.norm(again, axis=1) - 1).max() < 1e-6
    expected = encoder.model.encode(TEXTS, show_progress_bar=False)
    assert np.abs(again - expected).max() < 1e-6


def test_no_texts_give_no_vectors() -> None:
    assert encode(dense(), Tokens.of([]), empty(0)).shape == (0, HIDDEN)
