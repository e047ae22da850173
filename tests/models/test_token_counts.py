from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from strop.models.dense import Dense
from strop.models.pretrained import resolve
from strop.models.token_counts import parts_at_spaces, token_counts
from strop.models.transformer import token_ids


@cache
def bert() -> Any:
    return Dense.load(resolve("all-MiniLM-L6-v2").path).model.tokenizer


def changed(**parts: Any) -> Any:
    backend = Tokenizer.from_str(bert().backend_tokenizer.to_str())
    for name, part in parts.items():
        setattr(backend, name, part)
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def naive(tokenizer: Any, texts: list[str]) -> list[int]:
    return [len(token_ids(tokenizer, [text])[0]) for text in texts]


def strange_texts() -> list[str]:
    """Characters of every kind, at either side of a blank: marks, controls, ideographs, other scripts' blanks."""
    draw = random.Random(7)
    wide = [chr(c) for c in range(1, 0x3400) if not 0xD800 <= c < 0xE000] + ["漢", "字", "🙂", "\ufeff", "\U000e0001"]
    odd = ["[SEP]", "[MASK]", "[SEP", "]", "Σ", "ς", "\u0301", "\x1c", "\x85", "\xa0", "\u2028", "\t", "\n", ""]
    texts = ["", " ", "  a  b ", "İ I", "word " * 400, "x" * 300]
    for _ in range(400):
        texts.append("".join(draw.choice(draw.choice([wide, odd, [" "], list("abc ")])) for _ in range(60)))
    return texts


def test_counts_by_pieces_are_those_of_the_whole_texts_whatever_stands_beside_a_space() -> None:
    assert parts_at_spaces(bert())
    texts = strange_texts()
    assert token_counts(bert(), iter(texts)) == naive(bert(), texts)


def test_what_was_forgotten_is_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strop.models.token_counts._SHORT_BLOCK", 40)
    monkeypatch.setattr("strop.models.token_counts._REMEMBERED", 30)
    texts = [f"tokens of number{i % 7} are counted once" for i in range(30)]
    assert token_counts(bert(), texts) == naive(bert(), texts)


def test_a_tokenizer_that_joins_words_across_spaces_reads_whole_texts() -> None:
    spaced = changed()
    spaced.add_tokens([AddedToken("new york", normalized=False)])
    normal = changed()
    normal.add_tokens([AddedToken("york")])
    others = [
        spaced,
        normal,
        changed(pre_tokenizer=pre_tokenizers.Metaspace()),
        changed(pre_tokenizer=pre_tokenizers.ByteLevel()),
        changed(normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])),
        changed(normalizer=normalizers.Replace(" ", "")),
    ]
    texts = ["in new york city", "a  b", "", "new  york"]
    for tokenizer in others:
        assert not parts_at_spaces(tokenizer)
        assert token_counts(tokenizer, texts) == naive(tokenizer, texts)
    assert token_counts(spaced, texts) != token_counts(bert(), texts)
    assert parts_at_spaces(changed(normalizer=None))
    assert not parts_at_spaces(changed(pre_tokenizer=None))
