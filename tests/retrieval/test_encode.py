from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import ARCHITECTURES, HIDDEN, dense, sentences

from strop.models.dense import Dense
from strop.models.tokens import Tokens, cut
from strop.retrieval.encode import Stack, Vectors, encode, represented
from strop.retrieval.fitting_chunks import BUDGET

TEXTS = sentences(60, seed=9)


def empty(rows: int) -> Vectors:
    return np.full((rows, HIDDEN), np.nan, dtype=np.float32)


def one_by_one(encoder: Dense) -> Vectors:
    tokens = encoder.tokenize(TEXTS, "document")
    single = [Tokens.of([tokens.row(i).tolist()]) for i in range(len(tokens))]
    return np.concatenate([encode(encoder, t, "document", empty(1)) for t in single])


@pytest.mark.parametrize("budget", [1, 50, 300, 10**6])
def test_every_row_is_written_in_order_and_the_vectors_do_not_depend_on_the_budget(
    budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = dense()
    tokens = encoder.tokenize(TEXTS, "document")
    expected = one_by_one(encoder)
    monkeypatch.setitem(BUDGET, "cpu", budget)
    done: list[int] = []
    found = encode(encoder, tokens, "document", empty(len(tokens)), done.append)
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
    assert encode(encoder, tokens, "document", out) is out
    out.flush()
    again = encode(encoder, tokens, "document", empty(len(tokens)))
    assert np.array_equal(np.load(tmp_path / "v.npy"), again)
    assert np.abs(np.linalg.norm(again, axis=1) - 1).max() < 1e-6
    expected = encoder.model.encode(TEXTS, show_progress_bar=False)
    assert np.abs(again - expected).max() < 1e-6


def test_no_texts_give_no_vectors() -> None:
    assert encode(dense(), Tokens.of([]), "document", empty(0)).shape == (0, HIDDEN)


@pytest.mark.parametrize("cuts", [[], [4], [1, 1, 7], [0, 10]])
def test_a_stack_reads_as_its_parts_joined(cuts: list[int]) -> None:
    joined = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    stack = Stack(np.split(joined, cuts))
    assert (len(stack), stack.shape) == (10, (10, 3))
    for start in range(-11, 12):
        for stop in range(-11, 12):
            assert np.array_equal(stack[start:stop], joined[start:stop])
    some = np.array([9, 0, 3, 3, -1, -10])
    assert all(np.array_equal(stack[index], joined[index]) for index in (slice(None), slice(None, None, -3), some))
    assert all(np.array_equal(stack[i], joined[i]) for i in range(-10, 10))
    assert np.array_equal(stack[np.array([], dtype=np.int64)], joined[:0])
    assert {stack[index].dtype for index in (slice(0, 9), slice(0, 0), some)} == {np.dtype(np.float32)}
    for beyond in (10, -11, np.array([3, 10])):
        with pytest.raises(IndexError, match="of 10"):
            stack[beyond]


def test_a_stack_needs_matrices_of_one_width() -> None:
    for parts in ([], [np.zeros((1, 2), np.float32), np.zeros((1, 3), np.float32)]):
        with pytest.raises(ValueError, match="widths"):
            Stack(parts)


@pytest.mark.parametrize("name", ["tied", "untied", "ColBERT", "decoder"])
@pytest.mark.usefixtures("bfloat16")
def test_bfloat16_encodes_coarsely_to_float32_vectors_of_length_one(name: str) -> None:
    encoder = ARCHITECTURES[name]()
    tokens = encoder.tokenize(TEXTS, "document")
    exact, coarse = (represented(encoder, tokens, "document", precision) for precision in ("float32", "bfloat16"))
    assert coarse.vectors.dtype == torch.float32
    gap = (exact.vectors - coarse.vectors).abs().max()
    assert 1e-4 < gap < 0.1, "it is the forward pass that is coarse"
    rows = coarse.vectors if coarse.mask is None else coarse.vectors[coarse.mask]
    assert (rows.norm(dim=-1) - 1).abs().max() < 1e-6, "but the length is float32's"
    assert torch.equal(represented(encoder, tokens, "document").vectors, exact.vectors)


def test_float32_is_float32_whatever_autocast_is_around_it() -> None:
    encoder = dense()
    tokens = encoder.tokenize(TEXTS, "document")
    expected = represented(encoder, tokens, "document").vectors
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(represented(encoder, tokens, "document").vectors, expected)


@pytest.mark.parametrize("cuts", [[], [4], [1, 1, 7]])
def test_a_stack_ends_rows_early_and_brings_unit_vectors_back_to_length_one(cuts: list[int]) -> None:
    joined = np.random.default_rng(0).normal(size=(10, 5)).astype(np.float32)
    joined[2, :3] = 0
    cut, unit = (Stack(np.split(joined, cuts), 3, unit) for unit in (False, True))
    assert cut.shape == unit.shape == (10, 3)
    assert np.array_equal(cut[:], joined[:, :3])
    lengths = np.linalg.norm(joined[:, :3].astype(np.float64), axis=1, keepdims=True)
    expected = (joined[:, :3] / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    assert np.array_equal(unit[:], expected)
    assert np.array_equal(unit[np.array([7, 2, -1])], expected[[7, 2, -1]])
    assert np.array_equal(unit[7], expected[7])
    assert np.array_equal(Stack(np.split(joined, cuts), None, True)[:], joined), "whole vectors are as they were stored"
