"""The transformer inside a sentence-transformers model, and its tokenizer: what every architecture asks of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from strop.models.dense_settings import check_settings
from strop.models.model_folder import read_object, read_value
from strop.models.reading import check_loaded, reading
from strop.models.tokens import Role
from strop.records.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer

#: The prompt names sentence-transformers looks for, in its order, for each role.
_PROMPT_NAMES = {"query": ("query",), "document": ("document", "passage", "corpus")}
#: What a table of learned positions is called in BERT's kin, in GPT-2's, and in OPT's and BART's.
_POSITIONS = ("position_embeddings", "wpe", "embed_positions")
#: Tokens of a text without a limit: a tokenizer's own 10**30 is no number of its Rust part.
ENDLESS = 2**31 - 1


def load_sentence_transformer(folder: str | Path, device: str | None = None) -> SentenceTransformer:
    """A dense model. Raises InputError for a folder that is damaged, for weights that are not whole (see `reading`),
    and for a module or a setting that strop does not honour (see `check_settings`)."""
    from sentence_transformers import SentenceTransformer

    with reading(Path(folder), "SentenceTransformer"):
        check_settings(Path(folder))
        model = SentenceTransformer(str(folder), local_files_only=True, device=device)
        check_loaded(model)
    return model


def read_json(path: Path) -> Any:
    """A file of a model's folder; None where there is none. Raises InputError where it is not JSON, or no object: only
    modules.json holds a list."""
    if not path.is_file():
        return None
    return read_value(path) if path.name == "modules.json" else read_object(path)


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
    return min(int(model.max_seq_length or positions or 512), ENDLESS)


def checked_length(transformer: Transformer, length: int | None) -> int | None:
    """The positions that the transformer has, if it says so. Raises InputError for a length beyond them."""
    positions = positions_of(transformer)
    if length is not None and positions is not None and length > positions:
        problem = f"a length of {length} exceeds the model's {positions} positions"
        raise InputError(problem, remedy=f"Choose at most {positions}")
    return positions


def positions_of(transformer: Transformer) -> int | None:
    """The most tokens it can take, if it says so: RoBERTa and its kin begin to count after the padding token's id."""
    count: int | None = getattr(transformer.model.config, "max_position_embeddings", None)
    if count is None or count < 1:
        return None
    tables = (module for module in _learned(transformer) if hasattr(module, "position_embeddings"))
    padding = (getattr(module, "padding_idx", None) for module in tables)
    return count - next((index + 1 for index in padding if isinstance(index, int)), 0)


def check_positions(transformer: Transformer, length: int) -> None:
    """Raises InputError where a folder asks for more tokens than there are learned positions: the library too would
    fail, but only at the first text so long."""
    positions = positions_of(transformer)
    if positions is not None and length > positions and _learned(transformer):
        raise InputError(
            f"max_seq_length is {length}, and the model has {positions} positions",
            where="sentence_bert_config.json, or model_max_length in tokenizer_config.json",
            remedy=f"Set it to {positions} or less there",
        )


def _learned(transformer: Transformer) -> list[nn.Module]:
    """The modules with a table of learned positions: beyond its end there are none."""
    modules = list(transformer.model.modules())
    return [m for m in modules if any(isinstance(getattr(m, name, None), nn.Embedding) for name in _POSITIONS)]


def check_tokenizer(transformer: Transformer) -> None:
    """Raises InputError where the library would give the transformer other rows than strop does: by a chat template, by
    settings of its own, or padded on the left where places count from there."""
    tokenizer: Any = transformer.tokenizer
    if set(transformer.modality_config) != {"text"}:
        raise InputError(
            f"the model reads {', '.join(map(str, transformer.modality_config))}, as by a chat_template",
            where="tokenizer_config.json",
            remedy="Give a model of plain text; where it was trained on that, take chat_template (or its .jinja) out",
        )
    if any(transformer.processing_kwargs.values()):
        raise InputError(
            f"processing_kwargs is {dict(transformer.processing_kwargs)}",
            where="sentence_bert_config.json",
            remedy="Put length and sides into tokenizer_config.json, and leave this key out",
        )
    if not getattr(tokenizer, "is_fast", False) or tokenizer.pad_token_id is None:
        missing = "pad_token" if getattr(tokenizer, "is_fast", False) else "tokenizer.json"
        remedy = "Give it one; for a decoder its end of text will do" if missing == "pad_token" else "Save a fast one"
        raise InputError(f"the tokenizer has no {missing}", where="tokenizer_config.json", remedy=remedy)
    if "attention_mask" not in tokenizer("a"):
        raise InputError(
            "model_input_names has no attention_mask: a text would be read with the padding after it",
            where="tokenizer_config.json",
            remedy="Add it, or leave the key out",
        )
    rotary = any("rotary" in name for name, _ in transformer.model.named_modules())
    if tokenizer.padding_side != "right" and not rotary:
        raise InputError(
            "padding_side is left: the place of a token would depend on the other texts",
            where="tokenizer_config.json",
            remedy="Set it to right",
        )


@contextmanager
def as_it_was(tokenizers: Iterable[Any]) -> Iterator[None]:
    """Around calls of the library: each sets truncation and padding, which would be saved with the model."""
    backends = [tokenizer.backend_tokenizer for tokenizer in tokenizers]
    before = [(backend, backend.truncation, backend.padding) for backend in backends]
    yield
    for backend, truncation, padding in before:
        backend.no_truncation()
        backend.no_padding()
        if truncation:
            backend.enable_truncation(**truncation)
        if padding:
            backend.enable_padding(**padding)


def set_dropout(transformer: nn.Module, rate: float) -> None:
    """Give every dropout in it this rate; some attention (a decoder's, GTE's, ModernBERT's) keeps a number instead."""
    module: Any
    for module in transformer.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
        elif isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = rate


def prompt_of(model: Any, role: Role) -> str:
    """The prompt that the library's `encode_query` and `encode_document` put in front: the first of the role's names
    that the model has, be it empty, or else its default."""
    prompts: Mapping[str, str | None] = model.prompts
    name = next((name for name in _PROMPT_NAMES[role] if name in prompts), model.default_prompt_name)
    return prompts.get(name or "") or ""


def tokenizer_rules(tokenizer: Any) -> dict[str, Any]:
    """All that decides a text's tokens but length and padding, which are the last call's."""
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    return {name: rule for name, rule in rules.items() if name not in ("truncation", "padding")}


def token_ids(
    tokenizer: Any, texts: Sequence[str], max_length: int | None = None, special: bool = True
) -> list[list[int]]:
    """Each text's token ids, special ones included or not, cut at `max_length` if there is one. What the tokenizer is
    saved as stays what it was, whatever was tokenized before."""
    settings = {"truncation": max_length is not None, "max_length": max_length, "padding": False, "verbose": False}
    with as_it_was([tokenizer]):
        rows = tokenizer(list(texts), add_special_tokens=special, return_attention_mask=False, **settings)
    ids: list[list[int]] = rows["input_ids"]
    return ids
