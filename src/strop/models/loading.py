"""A model folder -> the encoder that it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from strop.models.dense import Dense
from strop.models.encoder import Encoder
from strop.models.late_interaction import LateInteraction
from strop.models.two_towers import TwoTowers


def load(folder: str | Path, max_length: int | None = None) -> Encoder:
    """One tower or two, a vector a text or a token, as the folder's own settings say; else one tower, mean pooling."""
    if is_multi_vector(Path(folder)):
        return LateInteraction.load(folder, max_length)
    kinds = _json(Path(folder) / "modules.json")
    if kinds and kinds[0]["type"].endswith(".Router"):
        return TwoTowers.load(folder, max_length)
    return Dense.load(folder, max_length)


def is_multi_vector(folder: Path) -> bool:
    """Whether a model folder says that it holds a vector a token."""
    settings = _json(folder / "config_sentence_transformers.json")
    return bool(settings) and settings.get("model_type", "") == "MultiVectorEncoder"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
