"""What a user may call a model: a folder, or a name that a hub may have."""

from __future__ import annotations

import os
import re
from pathlib import Path

from strop.records.errors import InputError

#: Endings of files' names, with which no model's name ends.
_FILES = {
    ".bin", ".csv", ".gguf", ".gz", ".h5", ".json", ".jsonl", ".model", ".msgpack", ".onnx", ".pt", ".pth", ".py",
    ".safetensors", ".tar", ".trec", ".tsv", ".txt", ".zip",
}  # fmt: skip


def check_named(name_or_path: str) -> None:
    """Raises InputError for what is neither a folder nor a name that a hub may have.

    It costs nothing, unlike finding the model: for what has to be read before that.
    """
    name = name_or_path if os.path.exists(name_or_path) else name_or_path.partition("@")[0]
    folder = Path(os.path.expanduser(name))
    if not (name and os.path.isdir(folder)) and (os.path.exists(folder) or not is_hub_id(name)):
        raise no_folder(name_or_path)


def is_hub_id(name: str) -> bool:
    """Whether a hub may have a model of this name. What looks like a path, and is none, is asked for nowhere."""
    whole = re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", name, re.ASCII)
    return whole is not None and Path(name).suffix not in _FILES


def no_folder(named: str) -> InputError:
    """The error for a name that is no folder and no hub's."""
    problem = "a file, and no model folder" if os.path.isfile(os.path.expanduser(named)) else "no such folder"
    remedy = "Give an existing folder with a config.json and safetensors, or a hub id such as org/name@revision"
    return InputError(problem, where=named or "''", remedy=remedy)
