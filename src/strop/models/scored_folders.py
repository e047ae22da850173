"""Folders of late-interaction models and cross-encoders, as every trainer writes them: which of them are read.

PyLate and Stanford's ColBERT have layouts of their own, which `MultiVectorEncoder` reads. What it would fill with
random weights, or compute otherwise than strop does, is refused here, by file and key, before any weight is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from strop.models.scored_settings import (
    INSTEAD,
    LATE_MODEL,
    LATE_MODULES,
    PAIR_CONFIG,
    PAIR_MODEL,
    PAIR_MODULES,
    STANFORD,
    Table,
)
from strop.models.transformer import read_json
from strop.records.errors import InputError, excerpt

SETTINGS, MODULES, CONFIG, METADATA = (
    "config_sentence_transformers.json", "modules.json", "config.json", "artifact.metadata",
)  # fmt: skip
#: Only PyLate writes these into `SETTINGS`.
_PYLATE = {"query_prefix", "document_prefix", "attend_to_expansion_tokens", "do_query_expansion"}
_LLM = "Rerankers that are language models are not read: give one with a classification head of one label"


def holds_token_vectors(folder: Path) -> bool:
    """Whether its settings say that it has one vector per token: as sentence-transformers, PyLate or Stanford wrote."""
    settings = read_json(folder / SETTINGS) or {}
    kind = settings.get("model_type", "SentenceTransformer")
    if kind != "SentenceTransformer":
        return kind in ("MultiVectorEncoder", "ColBERT")
    if (modules := read_json(folder / MODULES)) is None:
        return "HF_ColBERT" in _architectures(folder)
    return bool(_PYLATE & set(settings)) or any(module["type"].startswith("pylate.") for module in modules)


def refuse_language_model(folder: Path) -> None:
    """Raises InputError for a causal language model without modules, which ranks nothing as it is: LLM rerankers score
    by a prompt and the logit of a word, the layerwise ones by code of their own."""
    architecture = (_architectures(folder) or [""])[0]
    if architecture.endswith("ForCausalLM") and not (folder / MODULES).is_file():
        raise InputError(
            f"architectures is {architecture}, a language model with neither a pooling nor a classification head",
            where=str(folder / CONFIG),
            remedy=f"{_LLM}; or, for its vectors, save it as a sentence-transformers model with the pooling it has",
        )


def check_late(folder: Path) -> None:
    """Raises InputError for what has no vector per token of its own, and for a setting that strop does not honour."""
    settings, modules = read_json(folder / SETTINGS) or {}, read_json(folder / MODULES)
    if modules is None:
        _check_stanford(folder)
    else:
        kind = settings.get("model_type", "SentenceTransformer")
        dense = any(_class(module) == "Dense" for module in modules)
        if not holds_token_vectors(folder) or (kind == "SentenceTransformer" and not dense):
            raise _no_token_vectors(folder)
        _check_modules(folder, modules, LATE_MODULES)
    _check(folder / SETTINGS, settings, LATE_MODEL)


def check_pairs(folder: Path) -> None:
    """Raises InputError for a language model, and for a setting that strop does not honour."""
    refuse_language_model(folder)
    settings, modules = read_json(folder / SETTINGS) or {}, read_json(folder / MODULES)
    inner = folder
    if modules and settings.get("model_type") == "CrossEncoder":
        _check_modules(folder, modules, PAIR_MODULES)
        _check(folder / SETTINGS, settings, PAIR_MODEL)
        inner = folder / modules[0]["path"]
    else:  # the library reads neither file, and puts its own head on the transformer
        settings = {}
    config = read_json(inner / CONFIG) or {}
    if settings.get("activation_fn") is not None:  # it has precedence over those of config.json
        config = {key: value for key, value in config.items() if key == "num_labels"}
    _check(inner / CONFIG, config, PAIR_CONFIG)


def _weight_names(folder: Path) -> set[str]:
    """The names of all weights in a folder."""
    names: set[str] = set()
    for path in folder.rglob("*.safetensors"):
        with safe_open(path, framework="np") as file:
            names.update(file.keys())
    return names


def _check_stanford(folder: Path) -> None:
    if any(name.endswith("ForRetrieval") for name in _architectures(folder)):
        raise InputError(
            f"architectures is {_architectures(folder)[0]}, a retriever of images",
            where=str(folder / CONFIG),
            remedy="Give a late-interaction model of texts",
        )
    if "HF_ColBERT" not in _architectures(folder):
        raise _no_token_vectors(folder)
    if not (folder / METADATA).is_file():
        raise InputError(
            f"a ColBERT folder without {METADATA}, which holds its lengths and markers",
            where=str(folder),
            remedy="Copy or download that file too",
        )
    if "linear.weight" not in _weight_names(folder):
        raise InputError(
            "no weight linear.weight: the projection would be random",
            where=str(folder),
            remedy="Give the whole checkpoint, as model.safetensors",
        )
    _check(folder / METADATA, read_json(folder / METADATA), STANFORD)


def _no_token_vectors(folder: Path) -> InputError:
    problem = "holds no model with one vector per token: its projection would be random"
    return InputError(problem, where=str(folder), remedy="Convert it with Late first (--as late)")


def _check_modules(folder: Path, modules: list[dict[str, Any]], tables: Mapping[str, Table]) -> None:
    for module in modules:
        name = _class(module)
        if name not in tables:
            raise InputError(
                f"a module of type {module['type']}",
                where=str(folder / MODULES),
                remedy=INSTEAD.get(name, f"Give a model made of {', '.join(tables)}"),
            )
        files = [CONFIG]
        if name == "Transformer":
            files = [path.name for path in sorted((folder / module["path"]).glob("sentence_*_config.json"))]
        for file in files:
            path = folder / module["path"] / file
            _check(path, read_json(path) or {}, tables[name])


def _check(path: Path, values: Mapping[str, Any], table: Table) -> None:
    """Of the keys that the file has."""
    for key, setting in table.items():
        outer, _, inner = key.partition(".")
        nested = values.get(outer) or {}
        if inner and not isinstance(nested, Mapping):
            raise InputError(f"{outer} is {excerpt(nested)}, and no object", where=str(path), remedy=setting.remedy)
        holder: Any = values if not inner else {key: nested.get(inner)}
        if key in holder and not setting.accepts(holder[key]):
            raise InputError(f"{key} is {excerpt(holder[key])}", where=str(path), remedy=setting.remedy)


def _architectures(folder: Path) -> list[str]:
    return list((read_json(folder / CONFIG) or {}).get("architectures") or [])


def _class(module: Mapping[str, Any]) -> str:
    return str(module["type"]).rsplit(".", 1)[-1]
