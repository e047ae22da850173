"""The files of a model's folder beside its weights: what they must be before any library reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from strop.records.errors import InputError, excerpt

CONFIG, MODULES, ROUTER, SETTINGS = (
    "config.json", "modules.json", "router_config.json", "config_sentence_transformers.json",
)  # fmt: skip
#: What sentence-transformers and PyLate call the models that strop reads, in `SETTINGS`.
_KINDS = ("SentenceTransformer", "CrossEncoder", "MultiVectorEncoder", "ColBERT")
#: Any of these holds a tokenizer's vocabulary; without one transformers makes an empty tokenizer and says nothing.
VOCABULARIES = ("tokenizer.json", "*vocab*", "*.model", "*.spm", "tekken.json")
#: Besides the modules' own settings, what a tokenizer and a sharded checkpoint are read from: each an object.
_INDEX = "model.safetensors.index.json"
_OBJECTS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", _INDEX)
_AGAIN = "Copy or download it again"


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object. Raises InputError for anything else."""
    value = read_value(path)
    if not isinstance(value, dict):
        raise InputError(f"a JSON {_kind(value)} where an object belongs", where=str(path), remedy=_AGAIN)
    return value


def read_value(path: Path) -> Any:
    """A JSON file. Raises InputError for anything else, and where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = (
            "the file is missing" if isinstance(error, FileNotFoundError) else f"not a file that can be read ({error})"
        )
        remedy = "Give a folder that SentenceTransformer.save_pretrained or transformers' save_pretrained wrote"
        raise InputError(problem, where=str(path), remedy=remedy) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON ({error})", where=str(path), remedy=_AGAIN) from error


def module_folders(folder: Path) -> list[tuple[Path, str]]:
    """Every module that the folder lists, its own folder and its class; a plain transformer where it lists none.

    Raises InputError for a list of another form, for a path that leads out of the folder or nowhere, and for a class
    that is not the library's own: its code would have to be run."""
    listed = folder / MODULES
    if not listed.is_file():
        return [(folder, "Transformer")]
    modules = read_value(listed)
    if not isinstance(modules, list) or not modules:
        raise InputError("no list of modules", where=str(listed), remedy=_AGAIN)
    found: list[tuple[Path, str]] = []
    for place, module in enumerate(modules):
        if not isinstance(module, dict) or not all(
            isinstance(module.get(key), str) for key in ("name", "path", "type")
        ):
            problem = f"module {place} has no name, path and type, each a text"
            raise InputError(problem, where=str(listed), remedy=_AGAIN)
        inner = _inside(folder, module["path"], listed)
        name = _class(module["type"], listed)
        found.append((inner, name))
        if name == "Router":
            found += _routes(inner)
    return found


def refuse_pickles(folder: Path) -> None:
    """Raises InputError where a library would take a pickle for want of safetensors by the name that it looks for."""
    for inner, _ in module_folders(folder):
        safe = any((inner / name).is_file() for name in ("model.safetensors", _INDEX))
        if not safe and (pickled := sorted(inner.glob("pytorch_model*.bin"))):
            raise InputError(
                "weights in pickle form only, and unpickling can run any code; safetensors only",
                where=str(pickled[0]),
                remedy="Take a revision with model.safetensors, or load it where you trust it and save_pretrained it",
            )


def check_folder(folder: Path) -> None:
    """Raises InputError where a file is damaged, missing or of another form than its reader takes in words, names the
    file, and never needs a library for it."""
    if (folder / "adapter_config.json").is_file():
        raise InputError(
            "an adapter without its base", where=str(folder), remedy="Give resolve(FOLDER).path, where both are merged"
        )
    refuse_pickles(folder)
    for inner, name in module_folders(folder):
        if name == "Transformer":
            _check_transformer(inner)
        elif name in ("Pooling", "Dense", "Router"):
            read_object(inner / (ROUTER if name == "Router" else CONFIG))
        elif not inner.is_dir() and name != "Normalize":  # which has no settings, and git keeps no empty folders
            raise InputError(f"{name} has no folder here", where=str(inner), remedy=_AGAIN)
    if (folder / SETTINGS).is_file():
        _check_settings(folder / SETTINGS)


def _routes(folder: Path) -> Iterator[tuple[Path, str]]:
    path = folder / ROUTER
    if not path.is_file():  # in a hub's cache that is not whole yet; `check_folder` asks for it
        return
    types = read_object(path).get("types")
    if not isinstance(types, dict) or not all(isinstance(name, str) for name in types.values()):
        raise InputError("types is no object of modules and their classes", where=str(path), remedy=_AGAIN)
    for name, kind in types.items():
        yield _inside(folder, name, path), _class(kind, path)


def _inside(folder: Path, path: str, listed: Path) -> Path:
    windows = PureWindowsPath(path)
    if windows.is_absolute() or windows.root or windows.drive or ".." in windows.parts:
        remedy = "Put the module into the model's own folder, and give its path from there"
        raise InputError(f"the path {excerpt(path)} leads out of the folder", where=str(listed), remedy=remedy)
    return folder / path


def _class(name: str, listed: Path) -> str:
    if name.partition(".")[0] not in ("sentence_transformers", "pylate"):
        raise InputError(
            f"the module class {excerpt(name)} is code of the model's own, and none is run",
            where=str(listed),
            remedy="Give a model made of sentence-transformers' own modules",
        )
    return name.rpartition(".")[2]


def _check_transformer(folder: Path) -> None:
    config = read_object(folder / CONFIG)
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        remedy = "Give the config.json that transformers wrote beside the weights"
        raise InputError("no model_type, so no architecture", where=str(folder / CONFIG), remedy=remedy)
    if not isinstance(names := config.get("architectures") or [], list) or not all(isinstance(n, str) for n in names):
        remedy = 'Give a list of names, as ["BertModel"]'
        raise InputError(f"architectures is {excerpt(names)}", where=str(folder / CONFIG), remedy=remedy)
    if kind == "new":  # GTE's own repositories; transformers has the same as `gte`
        raise InputError(
            "the model's type is 'new', which needs code from its hub, and none is run",
            where=str(folder / CONFIG),
            remedy="Give the same weights as type 'gte': alibaba-nlp-community/gte-multilingual-base",
        )
    for path in sorted(folder.glob("sentence_*_config.json")):
        _check_lengths(path)
    for pattern in _OBJECTS:
        for path in folder.glob(pattern):
            values = read_object(path)
            if path.name == _INDEX and not (folder / "model.safetensors").is_file():
                _check_shards(path, values.get("weight_map"))
    if not any(path.is_file() for pattern in VOCABULARIES for path in folder.glob(pattern)):
        raise InputError(
            "no vocabulary: neither tokenizer.json nor vocab.txt, nor a .model",
            where=str(folder),
            remedy="Save the model's tokenizer into the folder: tokenizer.save_pretrained(FOLDER)",
        )


def _check_shards(index: Path, files: Any) -> None:
    if not isinstance(files, dict) or not files or not all(isinstance(file, str) for file in files.values()):
        raise InputError("weight_map is no object of weights and their files", where=str(index), remedy=_AGAIN)
    for file in sorted(set(files.values())):
        if not (index.parent / file).is_file():
            problem = f"the file is missing, and {index.name} names it"
            raise InputError(problem, where=str(index.parent / file), remedy=_AGAIN)


def _check_lengths(path: Path) -> None:
    values = read_object(path)
    length, lower, other = (values.get(key) for key in ("max_seq_length", "do_lower_case", "tokenizer_name_or_path"))
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 1):
        remedy = "Give a number of tokens, or null"
        raise InputError(f"max_seq_length is {excerpt(length)}", where=str(path), remedy=remedy)
    if lower is not None and not isinstance(lower, bool):
        raise InputError(f"do_lower_case is {excerpt(lower)}", where=str(path), remedy="Give true or false")
    if other is not None:
        remedy = "Save that tokenizer into the folder, and leave the key out"
        raise InputError(f"the tokenizer is another model's ({excerpt(other)})", where=str(path), remedy=remedy)


def _check_settings(path: Path) -> None:
    values = read_object(path)
    kind, prompts, default = (values.get(key) for key in ("model_type", "prompts", "default_prompt_name"))
    if "model_type" in values and kind not in _KINDS:
        raise InputError(
            f"the model is a {kind}, which strop does not read",
            where=str(path),
            remedy=f"Give a {', '.join(_KINDS[:2])} or {_KINDS[2]}",
        )
    texts = isinstance(prompts, Mapping) and all(isinstance(prompt, str | None) for prompt in prompts.values())
    if "prompts" in values and not texts:
        remedy = 'Give an object of texts, as {"query": "query: ", "document": ""}'
        raise InputError(f"prompts is {excerpt(prompts)}", where=str(path), remedy=remedy)
    if default is not None and default not in {"query", "document", *(prompts or {})}:
        remedy = "Give the name of one of its prompts, or null"
        raise InputError(
            f"default_prompt_name is {excerpt(default)}, and prompts has none", where=str(path), remedy=remedy
        )


def _kind(value: Any) -> str:
    names = {list: "list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "number")
