"""What is remembered is what the tokenizer gives, at every length, and an equal tokenizer never reads it again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from counted_work import counted
from tiny_models import dense, sentences

from strop.models import tokenizing
from strop.models.tokenizing import forget, tokenized
from strop.models.transformer import token_ids

TEXTS = [*sentences(40, seed=3, longest=30), "", "bain", "bain", "東京 café"]


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> Iterator[None]:
    forget()
    yield
    forget()


def read(tokenizer: Any, length: int, prompt: str = "", special: bool = True) -> list[list[int]]:
    tokens = tokenized(tokenizer, TEXTS, prompt, length, special)
    return [tokens.row(i).tolist() for i in range(len(tokens))]


def test_every_length_prompt_and_rule_gives_the_tokenizer_s_own_rows_whatever_was_read_before() -> None:
    cased, plain = dense(cased=True).model.tokenizer, dense().model.tokenizer
    cases = [(t, n, p, s) for t in (cased, plain) for n in (48, 8, 20, 8, 2, 64) for p in ("", "bot ") for s in (1, 0)]
    for tokenizer, length, prompt, special in cases:
        expected = token_ids(tokenizer, [prompt + text for text in TEXTS], length, bool(special))
        assert read(tokenizer, length, prompt, bool(special)) == expected


def test_a_tokenizer_is_saved_as_it_came_whatever_was_read() -> None:
    tokenizer = dense().model.tokenizer
    before = tokenizer.backend_tokenizer.to_str()
    read(tokenizer, 8)
    assert tokenizer.backend_tokenizer.to_str() == before


def test_what_truncates_from_the_left_is_another_tokenizer() -> None:
    right, left = dense().model.tokenizer, dense().model.tokenizer
    left.truncation_side = "left"
    assert read(right, 8) != read(left, 8)
    assert read(left, 8) == token_ids(left, TEXTS, 8)


def test_a_text_is_read_once_by_equal_tokenizers_and_again_only_where_it_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, same = dense().model.tokenizer, dense().model.tokenizer
    with counted(monkeypatch) as work:
        read(one, 48)
        assert work.tokenized.total() == len(set(TEXTS)), "also of equal texts in one list"
        read(same, 48)
        assert work.tokenized.total() == len(set(TEXTS))
        read(same, 10)
    longer = sum(len(ids) > 10 for ids in token_ids(one, list(dict.fromkeys(TEXTS)), 48))
    assert 0 < longer < len(set(TEXTS))
    # A row of just ten tokens may have been cut, or not: it was whole before.
    assert work.tokenized.total() == len(set(TEXTS)) + longer


def test_beyond_its_room_all_is_forgotten_and_rows_stay_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizing, "REMEMBERED", 50)
    monkeypatch.setattr(tokenizing, "_BLOCK", 7)
    tokenizer = dense().model.tokenizer
    for _ in range(2):
        assert read(tokenizer, 48) == token_ids(tokenizer, TEXTS, 48)
        assert tokenizing._held < 50 + 7 * 48
