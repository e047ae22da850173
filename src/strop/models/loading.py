"""A model folder -> the model that it holds, and what its own settings say of it."""

from __future__ import annotations

from pathlib import Path

from strop.models.cross_encoder import Reranker
from strop.models.dense import Dense
from strop.models.encoder import Encoder, Model
from strop.models.late_interaction import LateInteraction
from strop.models.transformer import read_json
from strop.models.two_towers import TwoTowers
from strop.records.errors import InputError


def load(folder: str | Path, max_length: int | None = None) -> Encoder:
    """One tower or two, one vector per text or per token, as the settings say; else one tower, mean pooling.

    Raises InputError for a cross-encoder: without its head it would be another model.
    """
    if is_cross_encoder(Path(folder)):
        raise no_vectors(Path(folder))
    if is_multi_vector(Path(folder)):
        return LateInteraction.load(folder, max_length)
    kinds = read_json(Path(folder) / "modules.json")
    if kinds and kinds[0]["type"].endswith(".Router"):
        return TwoTowers.load(folder, max_length)
    return Dense.load(folder, max_length)


def no_vectors(folder: Path) -> InputError:
    """What is raised where a cross-encoder should search or be looked at."""
    return InputError(
        "a cross-encoder has no vectors to search with", where=str(folder), remedy="Rerank a run: strop rerank"
    )


def load_any(folder: str | Path, max_length: int | None = None) -> Model:
    """What the folder says that it holds, vectors or pairs."""
    return Reranker.load(folder, max_length) if is_cross_encoder(Path(folder)) else load(folder, max_length)


def is_cross_encoder(folder: Path) -> bool:
    """Whether a model folder says that it reads pairs; one in transformers' own layout, that it classifies."""
    settings = read_json(folder / "config_sentence_transformers.json")
    if settings and "model_type" in settings:
        return bool(settings["model_type"] == "CrossEncoder")
    architectures = (read_json(folder / "config.json") or {}).get("architectures") or [""]
    return not (folder / "modules.json").is_file() and str(architectures[0]).endswith("ForSequenceClassification")


def is_multi_vector(folder: Path) -> bool:
    """Whether a model folder says that it has one vector per token."""
    settings = read_json(folder / "config_sentence_transformers.json")
    return bool(settings) and settings.get("model_type", "") == "MultiVectorEncoder"


def loaded_by(folder: Path) -> str:
    """The class of sentence-transformers that loads the folder."""
    if is_cross_encoder(folder):
        return "CrossEncoder"
    return "MultiVectorEncoder" if is_multi_vector(folder) else "SentenceTransformer"
