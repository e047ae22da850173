"""Models with a vector a token, as sentence-transformers' `MultiVectorEncoder` keeps them: read, not yet trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sentence_transformers import MultiVectorEncoder
from torch import nn

from strop.models.encoder import Role


def is_multi_vector(folder: Path) -> bool:
    """Whether a model folder says that it holds one."""
    settings = folder / "config_sentence_transformers.json"
    if not settings.is_file():
        return False
    kind: str = json.loads(settings.read_text(encoding="utf-8")).get("model_type", "")
    return kind == "MultiVectorEncoder"


class MultiVector:
    """The tokens that are scored, and the model's own score of every query with every document."""

    def __init__(self, folder: Path) -> None:
        self.model = MultiVectorEncoder(str(folder), local_files_only=True)

    @property
    def module(self) -> nn.Module:
        return self.model

    def tokens(self, texts: Sequence[str], role: Role) -> list[npt.NDArray[np.float32]]:
        """Per text its scored vectors `(tokens, D)`, prompts, markers and expansion as the model has them."""
        encode: Any = self.model.encode_query if role == "query" else self.model.encode_document
        found: list[npt.NDArray[np.float32]] = encode(list(texts), convert_to_numpy=True, show_progress_bar=False)
        return found

    def scores(
        self, queries: list[npt.NDArray[np.float32]], documents: list[npt.NDArray[np.float32]]
    ) -> npt.NDArray[np.float64]:
        """`(Q, N)`, by the model's similarity (MaxSim, or its mean)."""
        return np.asarray(self.model.similarity(queries, documents), dtype=np.float64)
