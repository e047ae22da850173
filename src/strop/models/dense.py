"""Tied dense encoder: one sentence-transformers model for queries and documents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn
from torch.nn.functional import normalize

from strop.artifacts.store import content_key
from strop.models.encoder import Encoder, Role
from strop.models.scoring import Dot, Representation, Scoring
from strop.models.tokens import Tokens
from strop.models.transformer import (
    checked_length,
    load_sentence_transformer,
    prompt_of,
    tokenizer_rules,
    transformer_of,
    whole_lengths,
)
from strop.records.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer


class Dense(Encoder):
    """A `SentenceTransformer` whose similarity is cosine or dot, in float32.

    Raises InputError for another similarity, for a model that does not start with a transformer, for one whose
    pooling leaves its prompt out (INSTRUCTOR), or for a `max_length` beyond the positions it has.
    """

    def __init__(self, model: SentenceTransformer, max_length: int | None = None) -> None:
        from sentence_transformers.sentence_transformer.modules import Pooling

        transformer = transformer_of(model)
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
        positions = checked_length(transformer, max_length)
        # transformers 5 keeps the checkpoint's dtype, which may be half precision
        self.model: SentenceTransformer = model.float()
        if max_length is not None:
            model.max_seq_length = max_length  # a model is used at the length it was trained at
        self.max_length: int = int(model.max_seq_length or positions or 512)

    @classmethod
    def load(cls, folder: str | Path, max_length: int | None = None) -> Dense:
        """From a sentence-transformers folder, or a plain transformers one (which gets mean pooling)."""
        return cls(load_sentence_transformer(folder), max_length)

    @property
    def transformer(self) -> Transformer:
        """sentence-transformers' first module, which holds the transformer proper as `.model`."""
        return cast("Transformer", self.model[0])

    @property
    def by_role(self) -> bool:
        return False

    @property
    def similarity(self) -> Scoring:
        return Dot()

    @property
    def tokenizer_key(self) -> str:
        prompts, lower = dict(self.model.prompts), bool(self.transformer.do_lower_case)
        return content_key(tokenizer_rules(self.model.tokenizer), self.max_length, prompts, lower)

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokens:
        """With prompt and special tokens, cut at the model's limit."""
        prompt, lower = prompt_of(self.model.prompts, role), self.transformer.do_lower_case

        def rows(block: Sequence[str]) -> Any:
            block = [(prompt + text).lower() if lower else prompt + text for text in block]
            settings = {"truncation": True, "max_length": self.max_length, "padding": False}
            return self.model.tokenizer(block, **settings, return_attention_mask=False)["input_ids"]

        return Tokens.made(texts, rows)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        return whole_lengths(self.model.tokenizer, texts)

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
