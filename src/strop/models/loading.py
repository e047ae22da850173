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
    kind = loaded_by(Path(folder))
    if kind == "CrossEncoder":
        raise no_vectors(Path(folder))
    if kind == "MultiVectorEncoder":
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
    reads_pairs = loaded_by(Path(folder)) == "CrossEncoder"
    return Reranker.load(folder, max_length) if reads_pairs else load(folder, max_length)


def loaded_by(folder: Path) -> str:
    """The class of sentence-transformers that loads the folder: by its settings or, in transformers' own layout, by
    whether it classifies. `MultiVectorEncoder` has one vector per token."""
    settings = read_json(folder / "config_sentence_transformers.json") or {}
    if "model_type" in settings:
        return str(settings["model_type"])
    architectures = (read_json(folder / "config.json") or {}).get("architectures") or [""]
    classifies = str(architectures[0]).endswith("ForSequenceClassification")
    return "CrossEncoder" if classifies and not (folder / "modules.json").is_file() else "SentenceTransformer"
