"""Tied dense encoder: one sentence-transformers model for queries and documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn.functional import normalize

from strop.models.encoder import Encoder, Role
from strop.models.packed import Packing
from strop.models.reading import reading
from strop.models.scoring import Dot, Representation
from strop.models.token_counts import token_counts
from strop.models.tokenizing import rules_key, tokenized
from strop.models.tokens import Tokens
from strop.models.transformer import (
    check_positions,
    check_tokenizer,
    load_sentence_transformer,
    prompt_of,
    set_length,
    transformer_of,
)
from strop.records.errors import InputError, excerpt

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Dense(Encoder):
    """A `SentenceTransformer` whose similarity is cosine or dot, in float32.

    Raises InputError for another similarity, for a model that does not start with a transformer, as `check_tokenizer`,
    for one whose pooling leaves its prompt out (INSTRUCTOR), or for a `max_length` beyond the positions it has.
    """

    similarity = Dot()

    def __init__(self, model: SentenceTransformer, max_length: int | None = None) -> None:
        from sentence_transformers.sentence_transformer.modules import Pooling

        check_tokenizer(transformer_of(model))
        if model.similarity_fn_name not in ("cosine", "dot"):
            raise InputError(
                f"the model's similarity is {excerpt(model.similarity_fn_name)}",
                remedy="Give a model with cosine or dot similarity (config_sentence_transformers.json)",
            )
        prompted = prompt_of(model, "query") or prompt_of(model, "document")
        if prompted and any(isinstance(m, Pooling) and not m.include_prompt for m in model.modules()):
            raise InputError(
                "the model's pooling leaves the prompt's tokens out, which needs each text's prompt length",
                remedy="Give a model that pools over its prompt too (include_prompt in the pooling's config.json)",
            )
        self.max_length = set_length(model, max_length)
        check_positions(transformer_of(model), self.max_length)
        self.model: SentenceTransformer = model.float()  # transformers 5 keeps the checkpoint's dtype, maybe half
        self._packing = Packing.of(self.transformer)

    @classmethod
    def load(cls, folder: str | Path, max_length: int | None = None) -> Dense:
        """From a sentence-transformers folder, or a plain transformers one (which gets mean pooling)."""
        with reading(Path(folder), "SentenceTransformer"):
            return cls(load_sentence_transformer(folder), max_length)

    @property
    def by_role(self) -> bool:  # type: ignore[override]
        """Whether a router among the modules tells queries from documents."""
        from sentence_transformers.base.modules import Router

        return any(isinstance(module, Router) for module in self.model.modules())

    @property
    def unit(self) -> bool:
        return self.model.similarity_fn_name == "cosine" or self._ends_unit

    @property
    def _ends_unit(self) -> bool:
        """Whether its last act is to make vectors unit, which a loss does not see: `truncate_dim` comes later."""
        cosine = self.model.similarity_fn_name == "cosine"
        return _is_unit(self.model[-1]) and (cosine or self.model.truncate_dim is None)

    @property
    def tokenizer_key(self) -> str:
        roles: tuple[Role, ...] = ("query", "document")
        unused = {name: prompt for name, prompt in self.model.prompts.items() if name not in ("passage", "corpus")}
        prompts = unused | {role: prompt_of(self.model, role) for role in roles}
        lower = bool(self.transformer.do_lower_case)
        tokenizer: Any = self.model.tokenizer
        side = [tokenizer.truncation_side] if tokenizer.truncation_side != "right" else []
        return rules_key(tokenizer, self.max_length, prompts, lower, *side)

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokens:
        """With prompt and special tokens, cut at the model's limit."""
        tokenizer = self.model.tokenizer  # the library has put do_lower_case into it
        return tokenized(tokenizer, texts, prompt_of(self.model, role), self.max_length)

    def token_counts(self, texts: Iterable[str]) -> list[int]:
        return token_counts(self.model.tokenizer, texts)

    def represent(self, ids: Tensor, mask: Tensor, role: Role = "document") -> Representation:
        """All modules but a last one that makes unit vectors; a router takes its route by the role."""
        from sentence_transformers.base.modules import Router

        mask = mask.to(self.device)
        features: dict[str, Any] = {"input_ids": ids.to(self.device), "attention_mask": mask}
        modules = list(self.model)
        with self._packing(mask):
            for module in modules[:-1] if self._ends_unit else modules:
                features = module(features, task=role) if isinstance(module, Router) else module(features)
        return Representation(features["sentence_embedding"][:, : self.model.truncate_dim])

    def searchable(self, representation: Representation) -> Representation:
        return Representation(normalize(representation.vectors, dim=-1)) if self.unit else representation


def _is_unit(module: Any) -> bool:
    from sentence_transformers.sentence_transformer.modules import Normalize

    name = "sentence_embedding"
    return isinstance(module, Normalize) and module.module_input_name == module.module_output_name == name


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
