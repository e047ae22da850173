"""Untied dense encoder: a tower for queries and one for documents, in sentence-transformers' Router layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from strop.artifacts.keys import content_key
from strop.models.dense import Dense
from strop.models.encoder import Encoder, Role
from strop.models.reading import reading
from strop.models.scoring import Dot, Representation
from strop.models.tokens import Tokens
from strop.models.transformer import load_sentence_transformer, set_dropout
from strop.records.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer


class TwoTowers(Encoder):
    """A `SentenceTransformer` that starts with a Router of routes `query` and `document`, in float32.

    Each tower is a `Dense` over its route's modules and whatever follows the Router, so that both rooms keep one
    meaning of pooling, prompts and length. Raises InputError when a route is missing, when the towers' vectors differ
    in width or only one's are unit, and as `Dense` does.
    """

    by_role = True
    similarity = Dot()

    def __init__(self, model: SentenceTransformer, max_length: int | None = None) -> None:
        from sentence_transformers.base.modules import Router

        router = model[0]
        routes = set(router.sub_modules) if isinstance(router, Router) else set()
        if not {"query", "document"} <= routes:
            raise InputError(
                f"the model has no towers for queries and documents, but {', '.join(sorted(routes)) or 'no routes'}",
                remedy="Give a sentence-transformers model made with Router.for_query_document",
            )
        self.model: SentenceTransformer = model.float()
        self._towers = {role: self._tower(role, max_length) for role in ("query", "document")}
        if self._towers["query"].dimension != self._towers["document"].dimension:
            raise InputError("the towers' vectors differ in width", remedy="Give towers of one dimension")
        if self._towers["query"].unit != self._towers["document"].unit:
            raise InputError(
                "one tower ends with Normalize and the other does not, and they are compared by dot",
                where="router_config.json",
                remedy="Give a model whose towers both do, or a Normalize after the Router",
            )
        self.max_length = self._towers["document"].max_length

    def _tower(self, role: str, max_length: int | None) -> Dense:
        from sentence_transformers import SentenceTransformer

        model: Any = self.model
        modules = [*model[0].sub_modules[role], *list(model)[1:]]
        same = {name: getattr(model, name) for name in ("similarity_fn_name", "default_prompt_name", "truncate_dim")}
        return Dense(
            SentenceTransformer(modules=modules, prompts=model.prompts, device=str(self.device), **same), max_length
        )

    @classmethod
    def load(cls, folder: str | Path, max_length: int | None = None) -> TwoTowers:
        with reading(Path(folder), "SentenceTransformer"):
            return cls(load_sentence_transformer(folder), max_length)

    @property
    def unit(self) -> bool:
        return self._towers["document"].unit

    @property
    def transformers(self) -> tuple[Transformer, ...]:
        """The query tower's first."""
        return self._towers["query"].transformer, self._towers["document"].transformer

    def keep_documents(self) -> None:
        """From now on only weights that are the query tower's alone train, and no dropout touches a document.

        Raises InputError where both towers are one and the same.
        """
        model: Any = self.model
        router, *after = model
        query, document = router.sub_modules["query"], router.sub_modules["document"]
        if {id(p) for p in query.parameters()} & {id(p) for p in document.parameters()}:
            raise InputError("both towers are the same", remedy="Give towers with weights of their own")
        self.module.requires_grad_(False)
        query.requires_grad_(True)
        for kept in (document, *after):  # the loop puts the whole model into training mode, again and again
            set_dropout(kept, 0.0)

    @property
    def tokenizer_key(self) -> str:
        return content_key([tower.tokenizer_key for tower in self._towers.values()])

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokens:
        return self._towers[role].tokenize(texts, role)

    def token_counts(self, texts: Iterable[str]) -> list[int]:
        return self._towers["document"].token_counts(texts)

    def represent(self, ids: Tensor, mask: Tensor, role: Role) -> Representation:
        tower = self._towers[role]
        return tower.represent(ids.masked_fill(mask == 0, tower.pad_id), mask, role)  # each pads with its own token

    def searchable(self, representation: Representation) -> Representation:
        return self._towers["document"].searchable(representation)
