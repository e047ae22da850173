"""Cross-encoder: one transformer reads query and document together, and a head turns them into one logit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from strop.models.encoder import Role
from strop.models.packed import Packing
from strop.models.pair_agreement import check_pair_agreement
from strop.models.pair_scorer import Ids, Pair, PairScorer
from strop.models.pair_template import PairTemplate
from strop.models.reading import check_loaded, reading
from strop.models.scored_folders import CONFIG, check_pairs
from strop.models.scored_settings import INCREASING
from strop.models.tokenizing import tokenized
from strop.models.tokens import Tokens
from strop.models.transformer import check_tokenizer, positions_of, read_json, set_length
from strop.records.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

#: In the transformer's config: modules whose weights strop drew at random and nothing has trained since.
_UNTRAINED = "strop_untrained"


class Reranker(PairScorer):
    """A `CrossEncoder` of one logit a pair, in float32; under autocast the logit itself still is.

    The score is the logit, before the activation (mostly a sigmoid) of the library's `predict`: in the same order, but
    that no two logits tie where a sigmoid rounds to 1.

    Raises InputError for another number of labels, for an activation that would change the order, for one that reads
    pairs through a language model's prompt or a chat template, for a tokenizer that cuts from the left, or for a
    `max_length` beyond the positions the model has.
    """

    def __init__(self, model: CrossEncoder, max_length: int | None = None) -> None:
        from sentence_transformers.base.modules import Dense, Transformer
        from sentence_transformers.cross_encoder.modules.logit_score import LogitScore

        scores = [m for m in model if isinstance(m, Dense | Transformer) and m.module_output_name == "scores"]
        if not isinstance(model[0], Transformer) or any(isinstance(m, LogitScore) for m in model) or not scores:
            raise InputError(
                f"the model ({', '.join(type(m).__name__ for m in model)}) does not score pairs by a head of its own",
                remedy="Give a cross-encoder that ends in a classification head",
            )
        if model.num_labels != 1:
            problem = f"the model gives {model.num_labels} scores a pair (num_labels, id2label)"
            raise InputError(problem, where=CONFIG, remedy="Give a cross-encoder with one label")
        if type(model.activation_fn).__name__ not in INCREASING:
            raise InputError(
                f"activation_fn is {type(model.activation_fn).__name__}, which may put logits in another order",
                remedy=f"Give a model whose activation is one of {', '.join(sorted(INCREASING))}",
            )
        check_tokenizer(model[0])
        config: Any = model[0].model.config
        reads_the_end = hasattr(model[0].model, "score")  # a decoder's head, at the last token
        if reads_the_end and config.get_text_config().pad_token_id is None:
            remedy = "Set it to the padding token's id"
            raise InputError("a pair's end cannot be told: no pad_token_id", where=CONFIG, remedy=remedy)
        # A folder may give more tokens than there are positions; the library would fail at the first pair so long.
        if (positions := positions_of(model[0])) and int(model.max_seq_length or 0) > positions:
            model.max_seq_length = positions
        self.max_length = set_length(model, max_length)
        self.model: CrossEncoder = model.float()  # transformers 5 keeps the checkpoint's dtype, maybe half
        self._packing = Packing.of(self.transformer)
        self._template = PairTemplate.of(model.tokenizer)
        if max(self._template.types) >= (getattr(config, "type_vocab_size", 0) or 2):
            problem = f"the tokenizer gives token type {max(self._template.types)}, and type_vocab_size is too small"
            raise InputError(problem, where=CONFIG, remedy="Give the tokenizer that belongs to the model")
        if self.max_length < self._template.specials + 2:
            raise InputError(
                f"max_length {self.max_length} leaves no room beside {self._template.specials} special tokens",
                remedy=f"Choose at least {self._template.specials + 2}",
            )

    @classmethod
    def load(cls, folder: str | Path, max_length: int | None = None) -> Reranker:
        """From a folder in sentence-transformers' or transformers' layout. Raises InputError also for one without a
        classification head: one drawn at random would give scores that carry no order."""
        from sentence_transformers import CrossEncoder

        check_pairs(Path(folder))
        with reading(Path(folder), "CrossEncoder"):
            model = CrossEncoder(str(folder), local_files_only=True)
            check_loaded(model)
            scorer = cls(model, max_length)
            check_pair_agreement(scorer)
            return scorer

    @classmethod
    def from_base(cls, folder: str | Path, seed: int) -> Reranker:
        """A dense or plain transformer with a fresh head of one logit, random from `seed`, as is a pooler it lacks:
        `untrained` says so, also once it is saved. Raises InputError for a folder that has such a head."""
        from sentence_transformers import CrossEncoder
        from sentence_transformers.base.modules import Transformer

        with reading(Path(folder), "Transformer", fresh_head=True) as fresh, torch.random.fork_rng():
            torch.manual_seed(seed)
            transformer = Transformer(
                str(folder),
                transformer_task="sequence-classification",
                config_kwargs={"num_labels": 1},
                model_kwargs={"ignore_mismatched_sizes": True, "local_files_only": True},
            )
            check_loaded(transformer)
        if not fresh:
            raise InputError("the model has a head already", where=str(folder), remedy="Load it as it is")
        note_untrained(transformer.model.config, {name.rsplit(".", 1)[0] for name in fresh})
        with reading(Path(folder), "CrossEncoder"):
            return cls(CrossEncoder(modules=[transformer]))

    @property
    def untrained(self) -> tuple[str, ...]:
        return tuple(getattr(self.transformer.model.config, _UNTRAINED, ()))

    def mark_trained(self) -> None:
        if self.untrained:
            delattr(self.transformer.model.config, _UNTRAINED)

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokens:
        # As the library does, whose prompt goes before the first text of a pair.
        prompt = self.model.prompts.get(self.model.default_prompt_name or "") or "" if role == "query" else ""
        return tokenized(self.model.tokenizer, texts, prompt, special=False)

    def pair(self, query: Ids, document: Ids) -> Pair:
        return self._template(query, document, self.max_length)

    def score(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        mask = mask.to(self.device)
        features = {"input_ids": ids.to(self.device), "attention_mask": mask}
        if self._template.typed:
            features["token_type_ids"] = types.to(self.device)
        with self._head_in_float32(), self._packing(mask):
            scores: Tensor = self.model(features)["scores"]
        return scores.reshape(len(ids))

    @contextmanager
    def _head_in_float32(self) -> Iterator[None]:
        """Whatever the autocast, the one logit comes in float32: of 8 bits of precision, many pairs would tie."""
        device = self.device.type
        if not torch.is_autocast_enabled(device):
            yield
            return

        def again(linear: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> Tensor:
            assert isinstance(linear, nn.Linear)
            with torch.autocast(device, enabled=False):
                return nn.functional.linear(inputs[0].float(), linear.weight, linear.bias)

        # The layer that gives the logit; with adapters, its trained copy and the one that the copy was made of.
        linears = ((name, m) for name, m in self.model.named_modules() if isinstance(m, nn.Linear))
        last = [linear for name, linear in linears if linear.out_features == 1 and ".lora_" not in name]
        with ExitStack() as hooks:
            for linear in last:
                hooks.callback(linear.register_forward_hook(again).remove)
            yield


@dataclass(frozen=True, slots=True)
class FreshHead:
    """The architecture of a cross-encoder on a dense model's transformer, its head random from `seed`: unlike other
    architectures this one adds something random, and `Reranker.untrained` says what."""

    seed: int = 0

    def convert(self, source: Path, target: Path) -> None:
        Reranker.from_base(source, self.seed).save(target)


def note_untrained(config: Any, modules: Iterable[str]) -> None:
    """In a transformer's config, saved with it: these modules are random."""
    setattr(config, _UNTRAINED, sorted(modules))


def untrained_in(folder: Path) -> tuple[str, ...]:
    """`Reranker.untrained` of a saved model, without loading it."""
    return tuple((read_json(folder / "config.json") or {}).get(_UNTRAINED, ()))
