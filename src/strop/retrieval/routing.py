"""Routing: which domain's adapter answers a query, and one Run of queries of many domains."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from peft import LoraConfig, PeftModel

from strop.models.dense import Dense
from strop.models.encoder import Role
from strop.records.errors import InputError
from strop.records.runs import Ranking, Run
from strop.retrieval.dense_search import search
from strop.retrieval.encode import Vectors, represented

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Centroids:
    """What each domain's queries are like to the base: unit `vectors` `(domains, D)`, and `bounds` `(domains,)`, the
    cosines below which a query is none of that domain's."""

    names: tuple[str, ...]
    vectors: Floats
    bounds: Floats

    @classmethod
    def of(cls, queries: Mapping[str, Vectors], share: float = 0.95) -> Centroids:
        """From the base's vectors `(N, D)` of each domain's training queries, N at least 2.

        A centroid is the mean of the queries' unit vectors, since queries are what is routed. A bound lets `share` of
        the domain's own queries pass, each compared with the mean of the others, so that none vouches for itself.
        Raises InputError for a share outside (0, 1], no domain, or fewer than two queries.
        """
        if not 0 < share <= 1:
            raise InputError(f"the share of own queries to pass is {share}", remedy="Give a number above 0, up to 1")
        if not queries:
            raise InputError("there are no domains to route to", remedy="Give each domain's training queries")
        for name, vectors in queries.items():
            if len(vectors) < 2:
                problem = f"domain {name!r} has {len(vectors)} training queries"
                raise InputError(problem, remedy="Give two or more, better hundreds")
        units = [_unit(vectors) for vectors in queries.values()]
        with_the_others = [(own * _unit(own.sum(axis=0) - own)).sum(axis=1) for own in units]
        bounds = [float(np.quantile(cosines, 1 - share)) for cosines in with_the_others]
        return cls(tuple(queries), _unit(np.stack([own.sum(axis=0) for own in units])), np.array(bounds))

    def route(self, vectors: Vectors) -> tuple[str | None, ...]:
        """For each of the base's query vectors `(N, D)` the domain of the nearest centroid by cosine, the earlier of
        equal ones; None, the plain base, where that cosine is below the domain's bound."""
        cosines = _unit(vectors) @ self.vectors.T
        nearest = cosines.argmax(axis=1)
        sure = cosines[np.arange(len(nearest)), nearest] >= self.bounds[nearest]
        return tuple(self.names[i] if passed else None for i, passed in zip(nearest, sure, strict=True))


@dataclass(frozen=True, slots=True)
class RoutedRun:
    """A Run, and for each query the domain whose adapter answered, None for the plain base."""

    run: Run
    routes: Mapping[str, str | None]


def rank(
    routed: Routed,
    centroids: Centroids,
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    depth: int,
    exclude: Mapping[str, str] | None = None,
) -> RoutedRun:
    """Every query routed by its base vector and ranked by the model it was routed to, over all the documents.

    The documents are encoded once for every route that a query takes; scores of differently routed queries do not
    compare. `exclude` as in `search`. Leaves the base selected. Raises InputError when a centroid's domain has no
    adapter.
    """
    if unknown := [name for name in centroids.names if name not in routed.names]:
        problem = f"domain {unknown[0]!r} has centroids but no adapter"
        raise InputError(problem, remedy=f"Adapters there: {', '.join(routed.names)}")
    query_ids, doc_ids = list(queries), list(documents)
    plain = _vectors(routed.select(None), list(queries.values()), "query")
    routes = dict(zip(query_ids, centroids.route(plain), strict=True))
    rankings: dict[str, Ranking] = {}
    for name in dict.fromkeys(routes.values()):
        encoder, ids = routed.select(name), [q for q in query_ids if routes[q] == name]
        query_vectors = _vectors(encoder, [queries[q] for q in ids], "query")
        document_vectors = _vectors(encoder, list(documents.values()), "document")
        rankings |= search(query_vectors, ids, document_vectors, doc_ids, depth, exclude)
    routed.select(None)
    return RoutedRun(Run({q: rankings[q] for q in query_ids}), routes)


def _vectors(encoder: Dense, texts: Sequence[str], role: Role) -> Vectors:
    return represented(encoder, encoder.tokenize(texts, role), role).vectors.numpy()


def _unit(vectors: npt.NDArray[np.floating]) -> Floats:
    """Rows of length 1 in float64; rows of length 0 stay."""
    double = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(double, axis=-1, keepdims=True)
    return np.asarray(double / np.where(lengths == 0, 1, lengths))


_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"
_REMEDY = "Give the adapter folder that strop train writes beside a model tuned with LoRA: MODEL/adapter"


class Routed:
    """A dense encoder, the base's weights held once, with a LoRA adapter for each domain.

    `encoder` is the model as `select` set it last; at first the plain base. With a domain selected its vectors are
    those of the domain's merged model to 1e-5; with none, the base's exactly.
    """

    def __init__(self, encoder: Dense, adapters: Mapping[str, str | Path]) -> None:
        """`adapters` is name of a domain -> adapter folder; the encoder is taken over. Raises InputError without any,
        and for a folder that has no adapter, pickled weights, another method's, tuned biases or another model's."""
        if not adapters:
            raise InputError("there are no adapters to route to", remedy=_REMEDY)
        self.encoder = encoder
        # Not the domains' own names: peft refuses a dot in one, and warns of one that is part of "lora_".
        self._inner = {name: f"domain_{i}" for i, name in enumerate(adapters)}
        for folder in adapters.values():
            _check(Path(folder))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            for name, folder in adapters.items():
                self._add(self._inner[name], Path(folder))
        encoder.module.requires_grad_(False).eval()
        self.select(None)

    @classmethod
    def load(cls, base: str | Path, adapters: Mapping[str, str | Path], max_length: int | None = None) -> Routed:
        """From the base's folder; `max_length` is the one that the adapters were trained at, since they do not say."""
        return cls(Dense.load(base, max_length), adapters)

    @property
    def names(self) -> tuple[str, ...]:
        """The domains, in the order given."""
        return tuple(self._inner)

    def select(self, name: str | None) -> Dense:
        """Put a domain's adapter to work, or none: the base. Gives `encoder`. Raises InputError for another name."""
        if name is not None and name not in self._inner:
            raise InputError(f"there is no adapter {name!r}", remedy=f"Choose one of {', '.join(self._inner)}, or None")
        tuned: Any = self._tuned.base_model
        if name is None:
            tuned.disable_adapter_layers()
        else:
            tuned.enable_adapter_layers()
            tuned.set_adapter(self._inner[name], inference_mode=True)  # without it, peft makes the adapter trainable
        return self.encoder

    @property
    def _tuned(self) -> PeftModel:
        model = self.encoder.transformer.model
        assert isinstance(model, PeftModel)
        return model

    def _add(self, name: str, folder: Path) -> None:
        transformer = self.encoder.transformer
        try:
            if not isinstance(transformer.model, PeftModel):
                config = LoraConfig.from_pretrained(str(folder))
                transformer.model = PeftModel(transformer.model, config, name)  # type: ignore[assignment]
            read = self._tuned.load_adapter(str(folder), name)
        except (ValueError, RuntimeError) as error:
            raise _foreign(folder, str(error).strip().splitlines()[0]) from error
        # peft takes a part of the weights, or none, in silence: of a base with other layers, for one
        if misplaced := read.missing_keys + read.unexpected_keys:
            raise _foreign(folder, f"its weights and the base's places for them differ in {misplaced[0]}")


def _foreign(folder: Path, reason: str) -> InputError:
    problem = f"the adapter is not one of this base: {reason[:200]}"
    return InputError(problem, where=str(folder), remedy="Give the base it was tuned on")


def _check(folder: Path) -> None:
    where = str(folder)
    if not (folder / _CONFIG).is_file() or not (folder / _WEIGHTS).is_file():
        raise InputError(f"no {_CONFIG} beside {_WEIGHTS}", where=where, remedy=_REMEDY)
    config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    if config.get("peft_type") != "LORA":
        raise InputError(f"an adapter of type {config.get('peft_type')}, not LORA", where=where, remedy=_REMEDY)
    if config.get("bias", "none") != "none" or config.get("modules_to_save"):
        raise InputError(
            "the adapter has weights of the base's own with it, which would change the base for the others",
            where=where,
            remedy='Give adapters tuned with bias="none" and no modules_to_save',
        )
