"""Late interaction: one vector per token, as sentence-transformers' `MultiVectorEncoder` keeps and scores them."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn.functional import normalize

from strop.artifacts.store import content_key
from strop.models.encoder import Encoder, Role
from strop.models.scoring import MaxSim, Representation
from strop.models.tokens import Tokens
from strop.models.transformer import (
    checked_length,
    hide_progress_bars,
    load_sentence_transformer,
    prompt_of,
    token_ids,
    tokenizer_rules,
    transformer_of,
)
from strop.records.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder


@dataclass(frozen=True, slots=True)
class Late:
    """ColBERT on a dense model's own transformer: no projection, so that nothing in it is random before training.

    Lengths in tokens, special ones and marker included. `expansion` fills every query with the mask token up to
    `query_length`, places that are scored but not attended to. `mask_punctuation` leaves a document's punctuation out
    of the score. `markers` go before a query and a document, the authors' [Q] and [D]: words of the vocabulary, since a
    new one would have a random vector. Plain MaxSim is `Late(mask_punctuation=False, expansion=False, markers=None)`.
    Source: Khattab & Zaharia 2020, sections 3.2 and 3.3, values as in the authors' code, but no linear layer to 128
    dimensions.
    """

    query_length: int = 32
    document_length: int = 180
    mask_punctuation: bool = True
    expansion: bool = True
    markers: tuple[str, str] | None = ("[unused0]", "[unused1]")

    def convert(self, source: Path, target: Path) -> None:
        """Raises InputError when the dense model does not start with a transformer, when its vocabulary lacks a marker,
        and when it has too few positions for the lengths."""
        from sentence_transformers import MultiVectorEncoder
        from sentence_transformers.base.modules import Normalize
        from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

        transformer = transformer_of(load_sentence_transformer(source, "cpu"))
        if self.markers:
            _mark(transformer.tokenizer, self.markers)
        transformer.query_length = self.query_length
        transformer.document_length = self.document_length
        transformer.query_expansion = {"strategy": "fixed", "length": self.query_length} if self.expansion else None
        skipped = list(string.punctuation) if self.mask_punctuation else []
        modules: list[nn.Module] = [transformer, MultiVectorMask(skiplist_words=skipped), Normalize("token_embeddings")]
        prompts = dict(zip(("query", "document"), (f"{word} " for word in self.markers or ()), strict=False))
        LateInteraction(MultiVectorEncoder(modules=modules, prompts=prompts, device="cpu")).save(target)


def _mark(tokenizer: Any, markers: tuple[str, str]) -> None:
    """Keep the tokenizer from cutting the markers, as it cuts all it does not know as special: [, unused, ##0, ]."""
    from transformers import AddedToken

    if missing := " and ".join(word for word in markers if word not in tokenizer.get_vocab()):
        raise InputError(f"the vocabulary lacks the marker {missing}", remedy="Give words it has, or markers=None")
    tokens = [AddedToken(word, normalized=False, special=True) for word in markers]
    tokenizer.add_special_tokens({"additional_special_tokens": tokens}, replace_extra_special_tokens=False)


class LateInteraction(Encoder):
    """A `MultiVectorEncoder` of a transformer, at most projections, a mask and unit vectors, in float32.

    `max_length` caps documents; queries keep the model's own length. Raises InputError for other modules, for another
    similarity than MaxSim, for lengths beyond the model's positions, and where expansion could not be told from text.
    """

    by_role = True
    similarity = MaxSim()
    unit = True

    def __init__(self, model: MultiVectorEncoder, max_length: int | None = None) -> None:
        from sentence_transformers.base.modules import Dense as Projection
        from sentence_transformers.base.modules import Normalize, Transformer
        from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

        modules = list(model)
        unit = isinstance(modules[-1], Normalize) and modules[-1].module_input_name == "token_embeddings"
        inner = all(isinstance(module, Projection | MultiVectorMask) for module in modules[1:-1])
        if not isinstance(modules[0], Transformer) or not inner or not unit:
            raise InputError(
                f"the model is made of {', '.join(type(module).__name__ for module in modules)}",
                remedy="Give [Transformer, MultiVectorMask, Normalize('token_embeddings')], or with Dense between",
            )
        if model.similarity_fn_name != "maxsim":
            raise InputError(f"the model's similarity is {model.similarity_fn_name}", remedy="Give one with maxsim")
        self.model: MultiVectorEncoder = model.float()  # transformers 5 keeps the checkpoint's dtype, maybe half
        if max_length is not None:
            self.transformer.document_length = max_length  # a model is used at the length it was trained at
        self.max_length = self._length("document")
        checked_length(self.transformer, max(self.max_length, self._length("query")))
        if self.transformer.query_expansion and self.model.tokenizer("a")["input_ids"][-1] == self._expansion_id:
            remedy = "Give an expansion token of its own, or none"
            raise InputError("texts end with the token that expands them", remedy=remedy)

    @classmethod
    def load(cls, folder: str | Path, max_length: int | None = None) -> LateInteraction:
        """Raises InputError for a folder without scoring mask: a dense one would get a random projection."""
        from sentence_transformers import MultiVectorEncoder

        listed = Path(folder) / "modules.json"
        if not listed.is_file() or "MultiVectorMask" not in listed.read_text(encoding="utf-8"):
            raise InputError(f"{folder} holds no model with one vector per token", remedy="Convert it with Late first")
        hide_progress_bars()
        return cls(MultiVectorEncoder(str(folder), local_files_only=True), max_length)

    @property
    def tokenizer_key(self) -> str:
        rules, prompts = tokenizer_rules(self.model.tokenizer), dict(self.model.prompts)
        lengths = self._length("query"), self._length("document")
        return content_key(rules, lengths, prompts, dict(self.transformer.query_expansion or {}))

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokens:
        """With the role's marker, a query's expansion too; as the library's `preprocess`."""
        expansion = self.transformer.query_expansion if role == "query" else None
        prompt, length = prompt_of(self.model.prompts, role), self._length(role)

        def rows(block: Sequence[str]) -> list[list[int]]:
            each = token_ids(self.model.tokenizer, [prompt + text for text in block], length)
            if expansion:
                each = [row + [self._expansion_id] * (expansion["length"] - len(row)) for row in each]
            return each

        return Tokens.made(texts, rows)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        prompt = prompt_of(self.model.prompts, "document")
        return list(map(len, token_ids(self.model.tokenizer, [prompt + text for text in texts])))

    def represent(self, ids: Tensor, mask: Tensor, role: Role) -> Representation:
        """One vector per token, `(N, L, D)`, and which of them are scored; `mask` is what the padding left."""
        from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

        ids, mask = ids.to(self.device), mask.to(self.device)
        features: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        expansion = self.transformer.query_expansion if role == "query" else None
        if expansion:
            expanded = self._expanded(ids, mask)
            attended = mask if expansion["attend"] else mask.masked_fill(expanded, 0)
            features |= {"attention_mask": attended, "query_expansion_positions": expanded}
        for module in list(self.model)[:-1]:
            features = module(features, task=role) if isinstance(module, MultiVectorMask) else module(features)
        return Representation(features["token_embeddings"], features["attention_mask"].bool())

    def searchable(self, representation: Representation) -> Representation:
        return Representation(normalize(representation.vectors, dim=-1), representation.mask)

    def _expanded(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The expansion's places, bool `(N, L)`: the run of its token at a row's end. No text ends with that token."""
        real = mask.bool()
        run = ((ids == self._expansion_id) | ~real).flip(1).int().cumprod(dim=1).flip(1)
        return run.bool() & real

    def _length(self, role: Role) -> int:
        """The most tokens of a text in that role, as the library cuts it."""
        transformer = self.transformer
        if role == "document":
            return int(transformer.document_length or transformer.max_seq_length or 512)
        longest = int(transformer.query_length or transformer.max_seq_length or 512)
        if not (expansion := transformer.query_expansion):
            return longest
        length = int(expansion["length"])
        return length if expansion["strategy"] == "fixed" else max(longest, length)

    @property
    def _expansion_id(self) -> int:
        tokenizer = self.model.tokenizer
        expansion = self.transformer.query_expansion
        if expansion and (chosen := expansion.get("token")) is not None:
            return int(tokenizer.convert_tokens_to_ids(chosen))
        return int(tokenizer.eos_token_id if tokenizer.mask_token_id is None else tokenizer.mask_token_id)
