"""Late interaction: one vector per token, as sentence-transformers' `MultiVectorEncoder` keeps and scores them."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from strop.models.encoder import Encoder, Role
from strop.models.packed import Packing
from strop.models.reading import check_loaded, reading
from strop.models.scored_folders import MODULES, SETTINGS, check_late
from strop.models.scoring import MaxSim, Representation
from strop.models.token_counts import token_counts
from strop.models.tokenizing import rules_key, tokenized
from strop.models.tokens import Tokens
from strop.models.transformer import (
    ENDLESS,
    check_tokenizer,
    checked_length,
    load_sentence_transformer,
    positions_of,
    prompt_of,
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
        with reading(source, "SentenceTransformer"):
            made = LateInteraction(MultiVectorEncoder(modules=modules, prompts=prompts, device="cpu"))
        made.save(target)


def _mark(tokenizer: Any, markers: tuple[str, str]) -> None:
    """Keep the tokenizer from cutting the markers, as it cuts all it does not know as special: [, unused, ##0, ]."""
    from transformers import AddedToken

    if missing := " and ".join(word for word in markers if word not in tokenizer.get_vocab()):
        raise InputError(f"the vocabulary lacks the marker {missing}", remedy="Give words it has, or markers=None")
    tokens = [AddedToken(word, normalized=False, special=True) for word in markers]
    tokenizer.add_special_tokens({"additional_special_tokens": tokens}, replace_extra_special_tokens=False)


class LateInteraction(Encoder):
    """A `MultiVectorEncoder` of a transformer, then projections, masks and unit vectors, in float32.

    `max_length` caps documents; queries keep the model's own length. Raises InputError for other modules, for another
    similarity than MaxSim, for lengths beyond the model's positions, for a tokenizer that pads or marks texts otherwise
    than strop, and where expansion could not be told from text.
    """

    by_role = True
    similarity = MaxSim()
    unit = True

    def __init__(self, model: MultiVectorEncoder, max_length: int | None = None) -> None:
        from sentence_transformers.base.modules import Transformer

        self.model: MultiVectorEncoder = model.float()  # transformers 5 keeps the checkpoint's dtype, maybe half
        self._unit_at = _last_unit(list(model))
        if not isinstance(model[0], Transformer) or self._unit_at is None:
            raise InputError(
                f"the model is made of {', '.join(type(module).__name__ for module in model)}",
                where=MODULES,
                remedy="Give [Transformer, MultiVectorMask, Normalize('token_embeddings')], or with Dense before "
                "Normalize",
            )
        if model.similarity_fn_name != "maxsim":
            problem = f"the model's similarity is {model.similarity_fn_name} (similarity_fn_name)"
            raise InputError(problem, where=SETTINGS, remedy="Give one with maxsim")
        hidden = [name for name in ("passage", "corpus") if model.prompts.get(name)]
        if hidden and not model.prompts.get("document"):
            raise InputError(
                f"prompts has {hidden[0]}, which encode_document never uses: document, which is empty, goes before it",
                where=SETTINGS,
                remedy="Name it document to have it before every document, or remove it to have none",
            )
        if max_length is not None:
            self.transformer.document_length = max_length  # a model is used at the length it was trained at
        check_tokenizer(self.transformer)
        if any(model.tokenizer("a").get("token_type_ids") or ()):
            remedy = "Give a model whose texts are of type 0"
            raise InputError("a text has token types that are not 0", where="tokenizer.json", remedy=remedy)
        self.max_length = self._length("document")
        expansion = self.transformer.query_expansion
        longest = max(self.max_length, self._length("query"), expansion["length"] if expansion else 0)
        checked_length(self.transformer, longest)
        self._packing = Packing.of(self.transformer)
        if expansion:
            self._check_expansion(int(expansion["length"]))
        self._check_scored()

    def _check_expansion(self, length: int) -> None:
        """Raises InputError where a row's end does not tell its expansion, or the library puts that elsewhere."""
        tokenizer = self.model.tokenizer
        if tokenizer.padding_side != "right":
            raise InputError(
                "padding_side is left, and queries are expanded there",
                where="tokenizer_config.json",
                remedy="Set it to right, or take query_expansion out",
            )
        specials = tokenizer.num_special_tokens_to_add()
        if length < specials:
            raise InputError(
                f"query_expansion has length {length}, and special tokens take {specials}",
                where="sentence_bert_config.json",
                remedy=f"Give at least {specials}",
            )
        last = tokenizer("a")["input_ids"][-1]
        if last == self._expansion_id or last not in tokenizer.all_special_ids:
            end = "the token that expands them" if last == self._expansion_id else "no token of their own"
            remedy = "Give an expansion token of its own, or none"
            raise InputError(
                f"texts end with {end} (query_expansion)", where="sentence_bert_config.json", remedy=remedy
            )

    def _check_scored(self) -> None:
        """Raises InputError where an empty document has no token that counts: the library gives it a score of -1e9."""
        from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

        row = self.tokenize([""], "document").ids
        features = {"input_ids": torch.tensor(row[None], dtype=torch.int64), "attention_mask": torch.ones(1, len(row))}
        for module in self.model:
            if isinstance(module, MultiVectorMask):
                features = module(features, task="document")
        if not features["attention_mask"].any():
            raise InputError(
                "skiplist_words and keep_only_token_ids can leave a document without any token",
                where="the MultiVectorMask's config.json",
                remedy="Leave keep_only_token_ids out, and special tokens out of skiplist_words",
            )

    @classmethod
    def load(cls, folder: str | Path, max_length: int | None = None) -> LateInteraction:
        """From a folder of sentence-transformers, PyLate or Stanford's ColBERT. Raises InputError for one without a
        vector per token of its own (a dense one would get a random projection), and for what `check_late` refuses."""
        from sentence_transformers import MultiVectorEncoder

        check_late(Path(folder))
        with reading(Path(folder), "MultiVectorEncoder"):
            model = MultiVectorEncoder(str(folder), local_files_only=True)
            check_loaded(model)
            return cls(model, max_length)

    @property
    def tokenizer_key(self) -> str:
        lengths, prompts = (self._length("query"), self._length("document")), dict(self.model.prompts)
        return rules_key(self.model.tokenizer, lengths, prompts, dict(self.transformer.query_expansion or {}))

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokens:
        """With the role's marker, a query's expansion too; as the library's `preprocess`."""
        expansion = self.transformer.query_expansion if role == "query" else None
        tokens = tokenized(self.model.tokenizer, texts, prompt_of(self.model, role), self._length(role))
        if not expansion:
            return tokens
        rows = (tokens.row(i).tolist() for i in range(len(tokens)))
        return Tokens.of([row + [self._expansion_id] * (expansion["length"] - len(row)) for row in rows])

    def token_counts(self, texts: Iterable[str]) -> list[int]:
        prompt = prompt_of(self.model, "document")
        return token_counts(self.model.tokenizer, (prompt + text for text in texts))

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
        with self._packing(mask) if features["attention_mask"] is mask else nullcontext():
            for i, module in enumerate(self.model):
                if i == self._unit_at:
                    continue
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
        """The most tokens of a text in that role, expansion aside, as the library cuts it."""
        transformer = self.transformer
        longest = min(int(transformer.max_seq_length or 512), positions_of(transformer) or ENDLESS)
        if role == "document":
            return int(transformer.document_length or longest)
        expansion = transformer.query_expansion
        if expansion and expansion["strategy"] == "fixed":
            return int(expansion["length"])
        if not transformer.query_length:
            return longest
        return max(int(transformer.query_length), int(expansion["length"]) if expansion else 0)

    @property
    def _expansion_id(self) -> int:
        tokenizer = self.model.tokenizer
        expansion = self.transformer.query_expansion
        if expansion and (chosen := expansion.get("token")) is not None:
            return int(tokenizer.convert_tokens_to_ids(chosen))
        return int(tokenizer.eos_token_id if tokenizer.mask_token_id is None else tokenizer.mask_token_id)


def _last_unit(modules: Sequence[Any]) -> int | None:
    """The place of the last Normalize, which makes the vectors unit vectors: None where there is none, where something
    but a mask comes after it, or a module is of another kind or reads anything but the tokens' vectors."""
    from sentence_transformers.base.modules import Dense as Projection
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    last = None
    for i, module in enumerate(modules[1:], 1):
        if isinstance(module, Projection | Normalize):
            if {module.module_input_name, module.module_output_name} != {"token_embeddings"}:
                return None
            last = i if isinstance(module, Normalize) else None
        elif not isinstance(module, MultiVectorMask):
            return None
    return last
