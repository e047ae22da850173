"""The transformer inside a sentence-transformers model, and its tokenizer: what every architecture asks of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from strop.models.tokens import Role
from strop.records.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer

#: The prompt names sentence-transformers looks for, in its order, for each role.
_PROMPT_NAMES = {"query": ("query",), "document": ("document", "passage", "corpus")}


def load_sentence_transformer(folder: str | Path, device: str | None = None) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    hide_progress_bars()
    return SentenceTransformer(str(folder), local_files_only=True, device=device)


def read_json(path: Path) -> Any:
    """A file of a model's folder; None where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def hide_progress_bars() -> None:
    """Those of loading a model's weights."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def transformer_of(model: nn.Sequential) -> Transformer:
    """Its first module, which holds the transformer proper as `.model`. Raises InputError where that is another."""
    from sentence_transformers.base.modules import Transformer

    if not isinstance(model[0], Transformer):
        raise InputError(
            f"the model starts with {type(model[0]).__name__}, not with a transformer",
            remedy="Give a dense sentence-transformers model with one tower",
        )
    return cast("Transformer", model[0])


def set_length(model: Any, length: int | None) -> int:
    """The most tokens a model reads, `length` where it is given: one is used at the length it was trained at.

    Raises InputError as `checked_length` does."""
    positions = checked_length(model[0], length)
    if length is not None:
        model.max_seq_length = length
    return int(model.max_seq_length or positions or 512)


def checked_length(transformer: Transformer, length: int | None) -> int | None:
    """The positions that the transformer has, if it says so. Raises InputError for a length beyond them."""
    positions: int | None = getattr(transformer.model.config, "max_position_embeddings", None)
    if length is not None and positions is not None and length > positions:
        problem = f"a length of {length} exceeds the model's {positions} positions"
        raise InputError(problem, remedy=f"Choose at most {positions}")
    return positions


def set_dropout(transformer: nn.Module, rate: float) -> None:
    """Give every dropout in it this rate; some attention (a decoder's, GTE's, ModernBERT's) keeps a number instead."""
    module: Any
    for module in transformer.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
        elif isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = rate


def prompt_of(prompts: Mapping[str, str | None], role: Role) -> str:
    return next((prompt for name in _PROMPT_NAMES[role] if (prompt := prompts.get(name))), "")


def tokenizer_rules(tokenizer: Any) -> dict[str, Any]:
    """All that decides a text's tokens but length and padding, which are the last call's."""
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    return {name: rule for name, rule in rules.items() if name not in ("truncation", "padding")}


def token_ids(
    tokenizer: Any, texts: Sequence[str], max_length: int | None = None, special: bool = True
) -> list[list[int]]:
    """Each text's token ids, special ones included or not, cut at `max_length` if there is one."""
    settings = {"truncation": max_length is not None, "max_length": max_length, "padding": False, "verbose": False}
    rows = tokenizer(list(texts), add_special_tokens=special, return_attention_mask=False, **settings)
    ids: list[list[int]] = rows["input_ids"]
    return ids
