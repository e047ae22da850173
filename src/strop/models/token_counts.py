"""How many tokens texts have, without holding the tokens, or the texts, of more than a block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from strop.models.transformer import token_ids, tokenizer_rules

#: Characters that are tokenized at once: the tokenizer holds a hundred bytes for each token until it is done.
_BLOCK = 1 << 20

#: Characters that are counted by pieces at once: few, so that these stay in the processor's cache.
_SHORT_BLOCK = 1 << 14

#: Characters of pieces whose count is remembered.
_REMEMBERED = 1 << 22

#: What changes each character by itself, or by those of its own word.
_WITHIN_WORDS = ("BertNormalizer", "Lowercase")


def token_counts(tokenizer: Any, texts: Iterable[str]) -> list[int]:
    """Tokens of each text, special ones included, nothing cut off. The texts are read once and not kept."""
    pieces = _Pieces(tokenizer) if parts_at_spaces(tokenizer) else None
    counts: list[int] = []
    for block in _blocks(texts, _SHORT_BLOCK if pieces else _BLOCK):
        counts += pieces.counts(block) if pieces else map(len, token_ids(tokenizer, block))
    return counts


def parts_at_spaces(tokenizer: Any) -> bool:
    """Whether a text has just the tokens of its pieces between spaces, as BERT's tokenizers do it.

    SentencePiece and byte-level BPE make a space part of the word behind it; an added token may hold one, or be looked
    for in what a normalizer has put spaces into.
    """
    rules = tokenizer_rules(tokenizer)
    before = rules["normalizer"] or {"type": _WITHIN_WORDS[0]}
    steps = before["normalizers"] if before["type"] == "Sequence" else [before]
    return (
        (rules["pre_tokenizer"] or {}).get("type") == "BertPreTokenizer"
        and all(step["type"] in _WITHIN_WORDS for step in steps)
        and not any(token["normalized"] or " " in token["content"] for token in rules["added_tokens"])
    )


class _Pieces:
    """Counts by pieces between spaces, each of which is tokenized once while it is remembered."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = len(token_ids(tokenizer, [""])[0])
        self._known: dict[str, int] = {}
        self._remembered = 0

    def counts(self, texts: Sequence[str]) -> list[int]:
        pieces = [text.split(" ") for text in texts]
        if self._remembered > _REMEMBERED:
            self._known.clear()
            self._remembered = 0
        if new := list(set().union(*pieces).difference(self._known)):
            self._known.update(zip(new, map(len, token_ids(self._tokenizer, new, special=False)), strict=True))
            self._remembered += sum(map(len, new))
        return [self._special + sum(map(self._known.__getitem__, text)) for text in pieces]


def _blocks(texts: Iterable[str], chars: int) -> Iterator[list[str]]:
    block: list[str] = []
    size = 0
    for text in texts:
        block.append(text)
        size += len(text)
        if size >= chars:
            yield block
            block, size = [], 0
    if block:
        yield block
