"""Tied dense encoder: one sentence-transformers model for queries and documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn.functional import normalize

from strop.artifacts.store import content_key
from strop.models.encoder import Encoder, Role
from strop.models.scoring import Dot, Representation
from strop.models.tokens import Tokens
from strop.models.transformer import (
    load_sentence_transformer,
    prompt_of,
    set_length,
    token_ids,
    tokenizer_rules,
    transformer_of,
)
from strop.records.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Dense(Encoder):
    """A `SentenceTransformer` whose similarity is cosine or dot, in float32.

    Raises InputError for another similarity, for a model that does not start with a transformer, for one whose
    pooling leaves its prompt out (INSTRUCTOR), or for a `max_length` beyond the positions it has.
    """

    by_role = False
    similarity = Dot()

    def __init__(self, model: SentenceTransformer, max_length: int | None = None) -> None:
        from sentence_transformers.sentence_transformer.modules import Pooling

        transformer_of(model)
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
        self.max_length = set_length(model, max_length)
        self.model: SentenceTransformer = model.float()  # transformers 5 keeps the checkpoint's dtype, maybe half

    @classmethod
    def load(cls, folder: str | Path, max_length: int | None = None) -> Dense:
        """From a sentence-transformers folder, or a plain transformers one (which gets mean pooling)."""
        return cls(load_sentence_transformer(folder), max_length)

    @property
    def unit(self) -> bool:
        from sentence_transformers.sentence_transformer.modules import Normalize

        return self.model.similarity_fn_name == "cosine" or any(isinstance(m, Normalize) for m in self.model)

    @property
    def tokenizer_key(self) -> str:
        prompts, lower = dict(self.model.prompts), bool(self.transformer.do_lower_case)
        return content_key(tokenizer_rules(self.model.tokenizer), self.max_length, prompts, lower)

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokens:
        """With prompt and special tokens, cut at the model's limit."""
        prompt, lower = prompt_of(self.model.prompts, role), self.transformer.do_lower_case

        def rows(block: Sequence[str]) -> list[list[int]]:
            block = [(prompt + text).lower() if lower else prompt + text for text in block]
            return token_ids(self.model.tokenizer, block, self.max_length)

        return Tokens.made(texts, rows)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        return list(map(len, token_ids(self.model.tokenizer, texts)))

    def represent(self, ids: Tensor, mask: Tensor, role: Role = "document") -> Representation:
        from sentence_transformers.sentence_transformer.modules import Normalize

        features: dict[str, Any] = {"input_ids": ids.to(self.device), "attention_mask": mask.to(self.device)}
        for module in self.model:
            if not isinstance(module, Normalize):
                features = module(features)
        return Representation(features["sentence_embedding"])

    def searchable(self, representation: Representation) -> Representation:
        return Representation(normalize(representation.vectors, dim=-1)) if self.unit else representation


def parameter_ledger(module: nn.Module) -> dict[str, Any]:
    """Parameters `total`, `trainable`, and trainable ones `by_part`.

    The pooler of BERT checkpoints stands apart: it counts as trainable, yet mean pooling never gives it a gradient.
    """
    by_part: Counter[str] = Counter()
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            by_part[_part(name)] += parameter.numel()
    total = sum(p.numel() for p in module.parameters())
    return {"total": total, "trainable": by_part.total(), "by_part": dict(by_part)}


def _part(name: str) -> str:
    other = "feed-forward" if "layer" in name else "other"
    return next((part for part in ("lora", "pooler", "embeddings", "attention") if part in name), other)
