"""Named training values. Each is a complete Recipe; `replace` one field to make a variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from strop.artifacts.keys import ADDED
from strop.losses.contrastive import InfoNCE
from strop.losses.distillation import KLDivergence, MarginMSE
from strop.losses.hold_base import HoldBase
from strop.losses.nested import NestedLoss
from strop.losses.pointwise import BinaryCrossEntropy
from strop.losses.protocol import Loss
from strop.losses.triplet import Triplet
from strop.models.adapters import Full, LoRA, Tuning
from strop.models.precision import Precision, check_precision
from strop.models.scoring import Cosine, Euclidean, Joint, MaxSim, Nested, Scoring, by_text, reads_pairs
from strop.monitoring.selection import Selection
from strop.records.errors import InputError, excerpt
from strop.training.batches import Batching
from strop.training.optimizers import AdamW, Optimizer, Schedule, WarmupLinear

#: No count is larger: neither a tokenizer nor a loop could reach it.
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a training run but its data and seed. `token_budget` is padded tokens per chunk.

    `precision` is that of the forward pass: bfloat16 by autocast, weights and loss in float32 either way. `dropout`
    replaces the model's own rate (None: as it comes). `selection` None keeps the last update's weights. `recompute`
    bounds memory by one chunk, whatever the batch, for a second forward pass (GradCache, arXiv 2101.06983); None does
    so where the graphs of a batch would take over half of the memory that is free, to the same weights. `penalty`
    joins the loss and holds each text's vector to the base's, which has to be encoded first; it is logged as `penalty`.
    Raises InputError when `updates` or `token_budget` is below 1, `max_length` below 3 (room for one token between the
    special ones), or one of them beyond 32 bits, `clip` not above 0, `dropout` outside [0, 1), or `precision` unknown,
    for a penalty where a text has no vector, or many, and for `Nested` scores of which the loss does not know.
    """

    tuning: Tuning
    scoring: Scoring
    loss: Loss
    batching: Batching
    optimizer: Optimizer
    schedule: Schedule
    updates: int
    clip: float = 1.0
    max_length: int | None = None
    token_budget: int = 2048
    precision: Precision = "float32"
    dropout: float | None = None
    selection: Selection | None = None
    recompute: bool | None = field(default=None, metadata=ADDED)
    penalty: HoldBase | None = field(default=None, metadata=ADDED)

    def __post_init__(self) -> None:
        for name, least in (("updates", 1), ("token_budget", 1), ("max_length", 3)):
            if (value := getattr(self, name)) is not None and not least <= value <= _MOST:
                raise InputError(f"{name} is {value:,}", remedy=f"Give {least} to {_MOST:,}")
        if not self.clip > 0:
            raise InputError(f"clip is {self.clip}", remedy="Give a gradient norm above 0, inf for no limit")
        check_precision(self.precision)
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout}", remedy="Give a rate from 0 to below 1")
        if isinstance(self.scoring, Nested) and not isinstance(self.loss, NestedLoss):
            problem = "scores at several lengths of vectors stand one below the other, and the loss does not know"
            raise InputError(problem, remedy="Give it as NestedLoss(loss)")
        if self.selection is not None and not isinstance(self.selection, Selection):
            raise InputError(f"the selection is {self.selection!r}", remedy="Give a rule, in Python, or --stop")
        if self.penalty is not None:
            if not isinstance(self.penalty, HoldBase):
                raise InputError(f"the penalty is {excerpt(self.penalty)}", remedy="Give HoldBase(weight), in Python")
            if not by_text(self.scoring):
                problem = f"vectors are held to the base's, and {self.scoring} does not compare one vector per text"
                raise InputError(problem, remedy="Leave the penalty out, or train a dense model")

    @property
    def reads_pairs(self) -> bool:
        """Whether it trains a cross-encoder, which reads a query and a document together."""
        return reads_pairs(self.scoring)


#: A triplet loss on Euclidean distances, not squared, of vectors before the Normalize module, at sentence-transformers'
#: default margin of 5: as the code of "When Fine-Tuning Fails" (arXiv 2506.18535) ran.
TRIPLET_FULL = Recipe(
    tuning=Full(),
    scoring=Euclidean(squared=False, normalized=False),
    loss=Triplet(margin=5.0),
    batching=Batching(size=32, in_batch=False),
    optimizer=AdamW(learning_rate=2e-5, weight_decay=0.01),
    schedule=WarmupLinear(warmup=0.1),
    updates=100,
)
TRIPLET_LORA = replace(TRIPLET_FULL, tuning=LoRA(r=16, alpha=32, dropout=0.05), max_length=512)

#: The field's usual recipe: every other query's documents as negatives, cosine over a temperature of .05.
IN_BATCH_FULL = replace(TRIPLET_FULL, scoring=Cosine(), loss=InfoNCE(0.05), batching=Batching(size=32, in_batch=True))
#: LoRA at ten times full tuning's rate, where Lee et al. (arXiv 2311.09765) found its optimum.
IN_BATCH_LORA = replace(IN_BATCH_FULL, tuning=LoRA(), optimizer=AdamW(learning_rate=2e-4))

#: From a teacher's scores of each query's own candidates (`scores` in the examples): Hofstätter et al. (arXiv
#: 2010.02666) and Lin et al. (2010.11386), whose dot product is here a cosine over in-batch's temperature: without one
#: it could not span a cross-encoder's margins. A teacher of cosines needs `loss.teacher_temperature=0.05`, or for
#: MarginMSE `loss.temperature=1`.
DISTILL_KL = replace(IN_BATCH_FULL, loss=KLDivergence(temperature=0.05), batching=Batching(size=32, in_batch=False))

#: For a cross-encoder: each pair judged on its own, as Kumar et al. (arXiv 2506.18297) train theirs (rate, decay and
#: batch of 64 pairs are theirs), or a query's candidates against each other, in one softmax.
RERANK_BCE = replace(TRIPLET_FULL, scoring=Joint(), loss=BinaryCrossEntropy())

RECIPES: Mapping[str, Recipe] = {
    "triplet-full": TRIPLET_FULL,
    "triplet-lora": TRIPLET_LORA,
    "in-batch-full": IN_BATCH_FULL,
    "in-batch-lora": IN_BATCH_LORA,
    # One vector per token. MaxSim sums over a query's tokens: scores spread by units, so no temperature.
    "late-full": replace(IN_BATCH_FULL, scoring=MaxSim(), loss=InfoNCE(1.0)),
    "late-lora": replace(IN_BATCH_LORA, scoring=MaxSim(), loss=InfoNCE(1.0)),
    "rerank-bce": RERANK_BCE,
    "rerank-softmax": replace(RERANK_BCE, loss=InfoNCE(1.0)),
    "distill-kl": DISTILL_KL,
    "distill-margin-mse": replace(DISTILL_KL, loss=MarginMSE(temperature=0.05)),
}
_RENAMED = {"thesis-full": "triplet-full", "thesis-lora": "triplet-lora"}


def recipe(name: str, settings: Mapping[str, str] | None = None) -> Recipe:
    """The named recipe with `field=value` settings applied, dots for inner fields (`optimizer.learning_rate`).

    Raises InputError on an unknown or renamed recipe, an unknown field, a value not of the field's type, or values that
    do not go together.
    """
    if name in _RENAMED:
        raise InputError(f"the recipe {excerpt(name)} has another name now", remedy=f"Write {_RENAMED[name]}")
    if name not in RECIPES:
        raise InputError(f"there is no recipe {excerpt(name)}", remedy=f"Choose one of {', '.join(RECIPES)}")
    value: Any = RECIPES[name]
    for path, text in (settings or {}).items():
        value = _set(value, path.split("."), text, path)
    loss = value.loss
    if isinstance(loss, InfoNCE) and loss.direction != "query" and not value.batching.in_batch:
        raise InputError(
            f"with direction {excerpt(loss.direction)} documents choose among a batch's queries, but none is in-batch",
            remedy="Set batching.in_batch=true, or loss.direction=query",
        )
    return value  # type: ignore[no-any-return]


def _set(value: Any, path: list[str], text: str, whole: str) -> Any:
    head, *rest = path
    names = [f.name for f in fields(value)]
    if head not in names:
        raise InputError(
            f"{excerpt(whole)} names no field of {type(value).__name__}", remedy=f"It has {', '.join(names)}"
        )
    old, kind = getattr(value, head), get_type_hints(type(value))[head]
    if rest:
        if not is_dataclass(old):
            raise InputError(f"{excerpt(head)} has no inner fields", remedy=f"Set {head}=VALUE")
        return replace(value, **{head: _set(old, rest, text, whole)})
    return replace(value, **{head: _parsed(kind, old, text, whole)})


def _parsed(kind: Any, old: Any, text: str, whole: str) -> Any:
    """`text` as a value of the field's type; `none` where it may have none."""
    kinds = [*get_args(kind)] if isinstance(kind, UnionType) else [kind]
    if text.lower() == "none" and NoneType in kinds:
        return None
    parsers = [*filter(None, map(_parser, kinds))] or [int] * (old is None)  # what a value is not, the recipe says
    for parse in parsers:
        with suppress(ValueError, KeyError):
            if text:
                return parse(text)
    like = _EXAMPLES.get(kinds[0], repr(old)) if old is None else repr(old)
    raise InputError(f"{excerpt(f'{whole}={text}')} does not fit", remedy=f"A value like {like} does")


def _parser(kind: Any) -> Callable[[str], Any] | None:
    """From a text to a value of that type; None for a type that no text gives. Which words there are, the value knows
    that they become part of."""
    if get_origin(kind) is tuple:
        each = get_args(kind)[0]
        return lambda text: tuple(map(each, text.split(",")))
    if get_origin(kind) is Literal:
        return str
    return _PARSERS.get(kind)


_PARSERS: Mapping[Any, Callable[[str], Any]] = {
    bool: lambda text: {"true": True, "false": False}[text.lower()],
    int: int,
    float: float,
}
_EXAMPLES: Mapping[Any, str] = {bool: "true or false", int: "512", float: "0.1"}
