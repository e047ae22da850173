"""What is tokenized and encoded while a test looks on, so that it can say that nothing was done twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from torch import nn

from strop.models import tokenizing
from strop.models.encoder import Encoder, Role
from strop.models.tokens import Tokens
from strop.retrieval import encode, token_vectors


@dataclass(frozen=True)
class Work:
    """How often each text was tokenized by the same rules (at which length, where it was cut), and each list of texts
    encoded by the same weights."""

    tokenized: Counter[tuple[object, ...]] = field(default_factory=Counter)
    encoded: Counter[tuple[object, ...]] = field(default_factory=Counter)

    @property
    def twice(self) -> list[tuple[object, ...]]:
        return [what for counts in (self.tokenized, self.encoded) for what, count in counts.items() if count > 1]


@contextmanager
def counted(patch: pytest.MonkeyPatch) -> Iterator[Work]:
    """From a process that remembers nothing."""
    work = Work()
    token_ids, vectors, matrices = tokenizing.token_ids, encode.encode, token_vectors.encode_tokens

    def tokenize(tokenizer: Any, texts: Sequence[str], length: int, special: bool) -> list[list[int]]:
        rows = token_ids(tokenizer, texts, length, special)
        rules = str(tokenizing.tokenizer_rules(tokenizer)), special
        cuts = (length if len(row) == length else None for row in rows)
        work.tokenized.update((*rules, text, cut) for text, cut in zip(texts, cuts, strict=True))
        return rows

    def note(encoder: Encoder, tokens: Tokens, role: Role) -> None:
        texts = tokens.ids.tobytes(), tokens.offsets.tobytes()
        work.encoded[weights(encoder.module), *texts, role if encoder.by_role else ""] += 1

    def encode_texts(encoder: Encoder, tokens: Tokens, role: Role, *rest: Any, **named: Any) -> Any:
        note(encoder, tokens, role)
        return vectors(encoder, tokens, role, *rest, **named)

    def encode_each_token(encoder: Encoder, tokens: Tokens, ids: Any, role: Role, *rest: Any, **named: Any) -> None:
        note(encoder, tokens, role)
        matrices(encoder, tokens, ids, role, *rest, **named)

    with patch.context() as during:
        during.setattr(tokenizing, "token_ids", tokenize)
        during.setattr(encode, "encode", encode_texts)
        during.setattr(token_vectors, "encode_tokens", encode_each_token)
        tokenizing.forget()
        yield work


def weights(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()
