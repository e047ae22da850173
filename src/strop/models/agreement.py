"""The last check of an encoder that a user named: its scores as strop computes them are the library's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from strop.models.encoder import Encoder, observing
from strop.models.tokens import Role
from strop.models.transformer import as_it_was
from strop.records.errors import InputError

#: The two may differ by this share of a score, or of 1 where that is more: float32 adds up in another order.
TOLERANCE = 1e-4
#: Where a model reads more tokens than these, no text beyond its limit is tried: it costs too much.
LONGEST = 512
#: What models treat differently: short, cased, punctuated, accented and foreign texts.
_QUERIES = ("what is it", "A Longer Query, with (some) punctuation: café!", "東京はどこですか")
_DOCUMENTS = ("It is this.", "Something ELSE; of two sentences. And a third?", "the the the")


def check(encoder: Encoder, where: str) -> None:
    """Raises InputError when the library scores the texts otherwise than strop, or cannot score them.

    It catches what no check of a single setting knows of.
    """
    library: Any = encoder.model
    queries, documents = list(_QUERIES), list(_DOCUMENTS)
    if encoder.max_length <= LONGEST:
        documents.append("many words " * encoder.max_length)
    with observing(encoder), as_it_was(tower.tokenizer for tower in encoder.transformers):
        try:
            theirs = library.similarity(library.encode_query(queries), library.encode_document(documents)).cpu()
        except Exception as error:  # whatever a module raises on what the one before it made
            reason = " ".join(str(error).split())[:200]
            problem = f"sentence-transformers cannot encode a text with this model ({reason})"
            raise InputError(problem, where=where, remedy="Give a model that it can use") from error
        ours = _scores(encoder, queries, documents)
    gap = float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1))
    if not gap <= TOLERANCE:
        raise InputError(
            f"strop's scores would differ from sentence-transformers' own by {gap:.2g}",
            where=where,
            remedy="Give a model of a transformer, pooling and unit vectors; docs/formats.md says what is read",
        )


def _scores(encoder: Encoder, queries: Sequence[str], documents: Sequence[str]) -> Tensor:
    roles: tuple[tuple[Role, Sequence[str]], ...] = (("query", queries), ("document", documents))
    sides = [(role, encoder.tokenize(texts, role)) for role, texts in roles]
    vectors = [encoder.searchable_rows([tokens.row(i) for i in range(len(tokens))], role) for role, tokens in sides]
    return encoder.similarity(*vectors).float().cpu()
