"""Tokenizing, each text once: what came of it is remembered, for every corpus, training and look that comes after."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from strop.artifacts.keys import canonical, content_key
from strop.models.tokens import Tokens
from strop.models.transformer import ENDLESS, as_it_was, token_ids, tokenizer_rules

#: Texts tokenized at once: the tokenizer holds kilobytes for each until it is done.
_BLOCK = 10_000

#: Tokens that are remembered, at 4 bytes each and some 200 bytes a text. Beyond them all is forgotten.
REMEMBERED = 1 << 24

#: By tokenizer, what decides a text's tokens, hashed: nothing changes a tokenizer once it has read a text.
_rules: WeakKeyDictionary[Any, bytes] = WeakKeyDictionary()
_keys: dict[tuple[bytes, str], str] = {}
#: By rules and text, hashed, its int32 token ids; of a text that may have been cut, by the length as well.
_ids: dict[tuple[bytes, int | None], bytes] = {}
_held = 0


def tokenized(
    tokenizer: Any, texts: Sequence[str], prompt: str = "", max_length: int = ENDLESS, special: bool = True
) -> Tokens:
    """`token_ids` of the prompt and each text. A text that is remembered is not read again, unless it is cut shorter
    than it was."""
    blocks = (texts[i : i + _BLOCK] for i in range(0, len(texts), _BLOCK))
    return Tokens.join([_block(tokenizer, [prompt + text for text in block], max_length, special) for block in blocks])


def forget() -> None:
    """For what measures the time that tokenizing takes."""
    global _held
    _ids.clear()
    _held = 0


def rules_key(tokenizer: Any, *settings: Any) -> str:
    """The content key of a tokenizer's rules and of settings beside them; hashing a vocabulary takes long."""
    place = _digest(tokenizer), json.dumps(canonical(settings))
    if place not in _keys:
        _keys[place] = content_key(tokenizer_rules(tokenizer), *settings)
    return _keys[place]


def _block(tokenizer: Any, texts: list[str], length: int, special: bool) -> Tokens:
    global _held
    if _held > REMEMBERED:
        forget()
    rules = _digest(tokenizer) + bytes([special])
    keys = [hashlib.blake2b(rules + text.encode(errors="surrogatepass"), digest_size=16).digest() for text in texts]
    new = {key: text for key, text in zip(keys, texts, strict=True) if _remembered(key, length) is None}
    if new:
        for key, row in zip(new, token_ids(tokenizer, list(new.values()), length, special), strict=True):
            _ids[key, length if len(row) >= length else None] = np.array(row, dtype=np.int32).tobytes()
            _held += len(row)
    found = [known for key in keys if (known := _remembered(key, length)) is not None]
    offsets = np.cumsum([0, *(len(ids) // 4 for ids in found)], dtype=np.int64)
    return Tokens(np.frombuffer(b"".join(found), dtype=np.int32), offsets)


def _remembered(key: bytes, length: int) -> bytes | None:
    """The row of a whole text that is short enough, or else of one that was cut at this length."""
    whole = _ids.get((key, None))
    return whole if whole is not None and len(whole) <= 4 * length else _ids.get((key, length))


def _digest(tokenizer: Any) -> bytes:
    """Of all that decides a text's tokens but the length, which is the call's."""
    if tokenizer not in _rules:
        with as_it_was([tokenizer]):
            tokenizer.backend_tokenizer.no_truncation()
            tokenizer.backend_tokenizer.no_padding()
            rules: str = tokenizer.backend_tokenizer.to_str()
        sides = tokenizer.truncation_side, tokenizer.split_special_tokens
        _rules[tokenizer] = hashlib.sha256(f"{sides} {rules}".encode()).digest()
    return _rules[tokenizer]
