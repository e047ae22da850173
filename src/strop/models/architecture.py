"""Architectures as values: each turns a dense model's folder into its own, on the same transformer weights."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from torch import nn

from strop.models.transformer import load_sentence_transformer, transformer_of
from strop.records.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers.sentence_transformer.modules import Transformer

PoolingMode = Literal["mean", "cls", "lasttoken"]
Similarity = Literal["cosine", "dot"]


class Architecture(Protocol):
    def convert(self, source: Path, target: Path) -> None:
        """Read the dense model in `source` and write this architecture's to `target`, with nothing random added."""
        ...


@dataclass(frozen=True, slots=True)
class Tied:
    """One tower for queries and documents. `cosine` ends it with unit vectors, `dot` leaves their lengths.

    Mean pooling and dot product are Contriever's, and Lee et al.'s symmetric encoder's; `lasttoken` is for decoders.
    """

    pooling: PoolingMode = "mean"
    similarity: Similarity = "cosine"

    def convert(self, source: Path, target: Path) -> None:
        model = load_sentence_transformer(source, "cpu")
        _write(_tower(transformer_of(model), self.pooling, self.similarity), model, self.similarity, target)


@dataclass(frozen=True, slots=True)
class Untied:
    """A tower for queries and one for documents, equal at the start: DPR's shape, and Lee et al.'s asymmetric one."""

    pooling: PoolingMode = "cls"
    similarity: Similarity = "cosine"

    def convert(self, source: Path, target: Path) -> None:
        from sentence_transformers.base.modules import Router

        model = load_sentence_transformer(source, "cpu")
        transformers = transformer_of(model), copy.deepcopy(transformer_of(model))
        query, document = (_tower(each, self.pooling, self.similarity) for each in transformers)
        _write([Router.for_query_document(query, document)], model, self.similarity, target)


@dataclass(frozen=True, slots=True)
class Doubled:
    """The dense model twice, with all its modules, for queries and for documents: every vector is as it was."""

    def convert(self, source: Path, target: Path) -> None:
        from sentence_transformers.base.modules import Router

        model = load_sentence_transformer(source, "cpu")
        transformer_of(model)
        query: Any = list(model)
        document, similarity = copy.deepcopy(query), cast("Similarity", model.similarity_fn_name)
        _write([Router.for_query_document(query, document)], model, similarity, target, model.truncate_dim)


def keep_layers(source: Path, target: Path, count: int) -> None:
    """The same dense model with its first `count` transformer layers only. Raises InputError when it has fewer."""
    model = load_sentence_transformer(source, "cpu")
    inner: Any = transformer_of(model).model
    layers = getattr(getattr(inner, "encoder", None), "layer", None)
    if layers is None:
        problem = f"the layers of a {type(inner).__name__} are not known"
        raise InputError(problem, remedy="Give one with BERT's `encoder.layer`")
    if not 1 <= count <= len(layers):
        raise InputError(f"there are no {count} layers to keep", remedy=f"Give 1 to {len(layers)}")
    inner.encoder.layer = nn.ModuleList(layers[:count])
    inner.config.num_hidden_layers = count
    model.save_pretrained(str(target), create_model_card=False)


def _tower(transformer: Transformer, pooling: PoolingMode, similarity: Similarity) -> list[Any]:
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    modules = [transformer, Pooling(transformer.get_embedding_dimension(), pooling)]
    return [*modules, Normalize()] if similarity == "cosine" else modules


def _write(
    modules: list[Any], model: Any, similarity: Similarity, target: Path, truncate_dim: int | None = None
) -> None:
    from sentence_transformers import SentenceTransformer

    settings = {"similarity_fn_name": similarity, "prompts": model.prompts, "device": "cpu"}
    SentenceTransformer(modules=modules, truncate_dim=truncate_dim, **settings).save_pretrained(
        str(target), create_model_card=False
    )
