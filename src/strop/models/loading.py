"""A model folder -> the model that it holds, and what its own settings say of it."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path

from strop.models import agreement
from strop.models.cross_encoder import Reranker
from strop.models.dense import Dense
from strop.models.encoder import Encoder, Model
from strop.models.late_interaction import LateInteraction
from strop.models.model_folder import check_folder
from strop.models.scored_folders import holds_token_vectors
from strop.models.transformer import read_json
from strop.models.two_towers import TwoTowers
from strop.records.errors import InputError, InputWarning

#: Folders whose models were found to agree with the library, in this process.
_AGREEING: set[Path] = set()


def load(folder: str | Path, max_length: int | None = None) -> Encoder:
    """One tower or two, one vector per text or per token, as the settings say; else one tower, mean pooling.

    Raises InputError for a cross-encoder, since without its head it would be another model; for a folder that cannot be
    loaded whole; and where strop would score texts otherwise than the library.
    """
    check_folder(Path(folder))
    kind = loaded_by(Path(folder))
    if kind == "CrossEncoder":
        raise no_vectors(Path(folder))
    if kind == "MultiVectorEncoder":
        return _agreeing(LateInteraction.load(folder, max_length), folder)
    kinds = read_json(Path(folder) / "modules.json")
    if kinds and kinds[0]["type"].endswith((".Router", ".Asym")):
        return _agreeing(TwoTowers.load(folder, max_length), folder)
    model = _agreeing(Dense.load(folder, max_length), folder)
    if kinds is None:
        _tell_default(str(folder))
    return model


@cache
def _tell_default(folder: str) -> None:
    """Once for a folder, however often it is loaded."""
    problem = f"{folder}: no modules.json, so the pooling is sentence-transformers' default, the mean of the tokens"
    warnings.warn(problem, InputWarning, stacklevel=3)


def no_vectors(folder: Path) -> InputError:
    """What is raised where a cross-encoder should search or be looked at."""
    return InputError(
        "a cross-encoder has no vectors to search with", where=str(folder), remedy="Rerank a run: strop rerank"
    )


def load_any(folder: str | Path, max_length: int | None = None) -> Model:
    """What the folder says that it holds, vectors or pairs. Raises InputError as `load` does."""
    check_folder(Path(folder))
    reads_pairs = loaded_by(Path(folder)) == "CrossEncoder"
    return Reranker.load(folder, max_length) if reads_pairs else load(folder, max_length)


def _agreeing(model: Encoder, folder: str | Path) -> Encoder:
    path = Path(folder).resolve()
    if path not in _AGREEING:
        agreement.check(model, str(folder))
        _AGREEING.add(path)
    return model


def loaded_by(folder: Path) -> str:
    """The class of sentence-transformers that loads the folder: by its settings or, in transformers' own layout, by
    whether it classifies. `MultiVectorEncoder` has one vector per token, and reads PyLate's and Stanford's ColBERT."""
    if holds_token_vectors(folder):
        return "MultiVectorEncoder"
    settings = read_json(folder / "config_sentence_transformers.json") or {}
    if "model_type" in settings:
        return str(settings["model_type"])
    architectures = (read_json(folder / "config.json") or {}).get("architectures") or [""]
    classifies = str(architectures[0]).endswith("ForSequenceClassification")
    return "CrossEncoder" if classifies and not (folder / "modules.json").is_file() else "SentenceTransformer"
