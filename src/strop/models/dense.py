"""Tied dense encoder: one sentence-transformers model for queries and documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from strop.artifacts.store import content_key
from strop.models.encoder import Role
from strop.models.scoring import Dot, Representation, Scoring
from strop.models.tokens import Tokens
from strop.records.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer

#: Texts tokenized at once: the tokenizer holds kilobytes for each until it is done.
_BLOCK = 10_000
#: The prompt names sentence-transformers looks for, in its order, for each role.
_PROMPT_NAMES = {"query": ("query",), "document": ("document", "passage", "corpus")}


class Dense:
    """A `SentenceTransformer` whose similarity is cosine or dot, in float32.

    Raises InputError for another similarity, for a model that does not start with a transformer, for one whose
    pooling leaves its prompt out (INSTRUCTOR), or for a `max_length` beyond the positions it has.
    """

    def __init__(self, model: SentenceTransformer, max_length: int | None = None) -> None:
        from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

        transformer = model[0]
        if not isinstance(transformer, Transformer):
            raise InputError(
                f"the model starts with {type(transformer).__name__}, not with a transformer",
                remedy="Give a dense sentence-transformers model with one tower",
            )
        if getattr(model.tokenizer, "pad_token_id", None) is None:
            raise InputError(
                "the model's tokenizer has no padding token",
                remedy="Give it one in tokenizer_config.json: for a decoder its end of text will do",
            )
        if model.similarity_fn_name not in ("cosine", "dot"):
            raise InputError(
                f"the model's similarity is {model.similarity_fn_name!r}",
                remedy="Give a model with cosine or dot similarity (config_sentence_transformers.json)",
            )
        if any(model.prompts.values()) and any(isinstance(m, Pooling) and not m.include_prompt for m in model):
            raise InputError(
                "the model's pooling leaves the prompt's tokens out, which needs each text's prompt length",
                remedy="Give a model that pools over its prompt too (include_prompt in the pooling's config.json)",
            )
        positions = getattr(transformer.model.config, "max_position_embeddings", None)
        if max_length is not None and positions is not None and max_length > positions:
            raise InputError(
                f"max_length {max_length} exceeds the model's {positions} positions",
                remedy=f"Choose at most {positions}",
            )
        self.model = model.float()  # transformers 5 keeps the checkpoint's dtype, which may be half precision
        if max_length is not None:
            model.max_seq_length = max_length  # a model is used at the length it was trained at
        self.max_length: int = int(model.max_seq_length or positions or 512)

    @classmethod
    def load(cls, folder: str | Path, max_length: int | None = None) -> Dense:
        """From a sentence-transformers folder, or a plain transformers one (which gets mean pooling)."""
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # loading a small model is no news
        return cls(SentenceTransformer(str(folder), local_files_only=True), max_length)

    @property
    def module(self) -> nn.Module:
        return self.model

    @property
    def transformer(self) -> Transformer:
        """sentence-transformers' first module, which holds the transformer proper as `.model`."""
        return cast("Transformer", self.model[0])

    @property
    def transformers(self) -> tuple[Transformer, ...]:
        return (self.transformer,)

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def by_role(self) -> bool:
        return False

    @property
    def similarity(self) -> Scoring:
        return Dot()

    @property
    def pad_id(self) -> int:
        return int(self._tokenizer.pad_token_id)

    @property
    def dimension(self) -> int:
        return int(self.model.get_embedding_dimension() or 0)

    @property
    def tokenizer_key(self) -> str:
        """Equal for two models that turn every text into the same tokens."""
        rules = json.loads(self._tokenizer.backend_tokenizer.to_str())
        return content_key(
            {name: rule for name, rule in rules.items() if name not in ("truncation", "padding")},  # the last call's
            self.max_length,
            dict(self.model.prompts),
            bool(self.transformer.do_lower_case),
        )

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokens:
        prompts = [self.model.prompts.get(name) for name in _PROMPT_NAMES[role]]
        prompt = next((p for p in prompts if p), "")
        texts = [prompt + text for text in texts]
        if self.transformer.do_lower_case:
            texts = [text.lower() for text in texts]
        parts = (texts[start : start + _BLOCK] for start in range(0, len(texts), _BLOCK))
        settings = {"truncation": True, "max_length": self.max_length, "padding": False, "return_attention_mask": False}
        return Tokens.join([Tokens.of(self._tokenizer(part, **settings)["input_ids"]) for part in parts])

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text with nothing cut off, special tokens included."""
        encoded = self._tokenizer(
            list(texts), truncation=False, padding=False, return_attention_mask=False, verbose=False
        )
        return [len(ids) for ids in encoded["input_ids"]]

    def set_dropout(self, rate: float) -> None:
        set_dropout(self.transformer, rate)

    def represent(self, ids: Tensor, mask: Tensor, role: Role = "document") -> Representation:
        from sentence_transformers.sentence_transformer.modules import Normalize

        features: dict[str, Any] = {
            "input_ids": ids.to(self.model.device),
            "attention_mask": mask.to(self.model.device),
        }
        for module in self.model:
            if not isinstance(module, Normalize):
                features = module(features)
        return Representation(features["sentence_embedding"])

    def searchable(self, representation: Representation) -> Representation:
        from sentence_transformers.sentence_transformer.modules import Normalize

        unit = self.model.similarity_fn_name == "cosine" or any(isinstance(m, Normalize) for m in self.model)
        return Representation(normalize(representation.vectors, dim=-1)) if unit else representation

    def save(self, folder: str | Path) -> None:
        """In sentence-transformers' layout, safetensors only, for plain `SentenceTransformer(folder)`."""
        self.model.save_pretrained(str(folder), create_model_card=False)

    @property
    def _tokenizer(self) -> Any:
        return self.model.tokenizer


def set_dropout(transformer: nn.Module, rate: float) -> None:
    """Give every dropout in it this rate; a decoder's attention keeps a number in place of a module."""
    module: Any
    for module in transformer.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
        elif isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = rate


def parameter_ledger(module: nn.Module) -> dict[str, Any]:
    """Parameters `total`, `trainable`, and trainable ones `by_part`.

    The pooler of BERT checkpoints stands apart: it counts as trainable, yet mean pooling never gives it a gradient.
    """
    by_part: dict[str, int] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            by_part[_part(name)] = by_part.get(_part(name), 0) + parameter.numel()
    return {
        "total": sum(p.numel() for p in module.parameters()),
        "trainable": sum(by_part.values()),
        "by_part": by_part,
    }


def _part(name: str) -> str:
    for part in ("lora", "pooler", "embeddings", "attention"):
        if part in name:
            return part
    return "feed-forward" if "layer" in name else "other"
