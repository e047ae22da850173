"""Checkpoints: all a run needs to go on bit by bit, in safetensors and JSON, appearing whole or not at all.

Each file holds a digest of its content, and a damaged one is never gone on from.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from strop.records.errors import InputError, InputWarning
from strop.records.writing import sync, sync_names, whole_file

_PREFIX = "step-"
_PARTIAL = "checkpoint.partial"
_TENSORS, _STATE = "tensors.safetensors", "state.json"
_DIGEST = "sha256"
#: Of the weights that a selection keeps, and of those after given numbers of updates.
BEST, SNAPSHOTS = "best.safetensors", "snapshots"


class _DamagedError(Exception):
    """A file that is not as it was written; the message says what is wrong with it."""


def save(folder: Path, step: int, module: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Write `folder/step-N` (trainable weights, optimiser moments, `state`), then drop older ones.

    Random states need no saving, because every update seeds its own. The weights kept so far, which a run that goes on
    will not make again, are named in the state.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in _trainable(module):
        tensors[f"weight/{name}"] = parameter.detach()
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}/{name}"] = value
    partial = folder / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _write(tensors, partial / _TENSORS)
    kept = [path for path in (folder / BEST, *folder.glob(f"{SNAPSHOTS}/*.safetensors")) if path.is_file()]
    _write_state({"step": step, **state, "kept": [path.relative_to(folder).as_posix() for path in kept]}, partial)
    older = _checkpoints(folder)
    os.rename(partial, folder / f"{_PREFIX}{step}")
    sync_names(folder)
    for path in older:
        shutil.rmtree(path)


def restore(folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any] | None:
    """Load the newest whole checkpoint into `module` and `optimizer`; its state with `step`, or None if there is none.

    A damaged one is removed, with a warning.
    """
    if (newest := _newest_whole(folder)) is None:
        return None
    tensors, state = newest
    with torch.no_grad():
        for name, parameter in _trainable(module):
            parameter.copy_(tensors.pop(f"weight/{name}"))
            for key, value in tensors.items():
                kind, of = key.split("/", 1)
                if of == name:  # AdamW keeps its step count on the CPU, the moments beside the weights
                    optimizer.state[parameter][kind] = value if kind == "step" else value.to(parameter.device)
    return state


def take_over(source: Path, folder: Path) -> None:
    """Start from the newest checkpoint of another run, and the weights it kept, unless this one has one that is whole.

    The other is an artifact, whose files are checked when it is read.
    """
    if _newest_whole(folder):
        return
    newest = _checkpoints(source)[-1]
    partial = folder / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(newest, partial)
    if (source / BEST).exists():
        shutil.copy(source / BEST, folder / BEST)
    if (source / SNAPSHOTS).exists():
        shutil.copytree(source / SNAPSHOTS, folder / SNAPSHOTS, dirs_exist_ok=True)
    os.rename(partial, folder / newest.name)


def save_weights(path: Path, module: nn.Module) -> None:
    """Write the trainable weights to a safetensors file, whole or not at all."""
    with whole_file(path, replace=True) as own:
        _write({name: p.detach() for name, p in _trainable(module)}, own)


def restore_weights(path: Path, module: nn.Module) -> None:
    """Load what `save_weights` wrote into `module`, which must train the same parameters. Raises InputError for a file
    that is damaged."""
    try:
        tensors = _read(path)
    except _DamagedError as error:
        remedy = "Run the same command again, which goes on from what is whole; else remove the folder it is in first"
        raise InputError(f"{error}", remedy=remedy) from None
    with torch.no_grad():
        for name, parameter in _trainable(module):
            parameter.copy_(tensors[name])


def clear(folder: Path) -> None:
    """Remove every checkpoint of a run that is done, and what a killed one was writing.

    Each loses its name first, oldest first: one that is half removed must not be mistaken for a whole one.
    """
    partial = folder / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    (folder / BEST).unlink(missing_ok=True)
    for path in _checkpoints(folder):
        os.rename(path, partial)
        shutil.rmtree(partial)


def _newest_whole(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and state of the newest checkpoint that is whole, and so is what it names as kept; damaged ones go."""
    for path in reversed(_checkpoints(folder)):
        try:
            tensors, state = _read_whole(path)
            for name in state["kept"]:
                _read(folder / name)
            return tensors, state
        except _DamagedError as error:
            shutil.rmtree(path)
            left = _checkpoints(folder)
            goes_on = f"from update {left[-1].name.removeprefix(_PREFIX)}" if left else "from the start"
            problem = f"{error}: this checkpoint is removed, and the training goes on {goes_on}"
            warnings.warn(problem, InputWarning, stacklevel=2)
    return None


def _read_whole(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state of a checkpoint. Raises _DamagedError."""
    tensors = _read(path / _TENSORS)
    try:
        state = json.loads((path / _STATE).read_text(encoding="utf-8"))
        digest = state.pop(_DIGEST)
        if _state_digest(state) != digest or f"{_PREFIX}{state['step']}" != path.name:
            raise ValueError("its content has changed")
    except (OSError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise _DamagedError(f"{path / _STATE}: damaged ({_line(error)})") from None
    return tensors, state


def _write_state(values: Mapping[str, Any], folder: Path) -> None:
    """With its own digest, on the disk when this returns, and the folder's names too."""
    text = json.dumps({**values, _DIGEST: _state_digest(values)})
    (folder / _STATE).write_text(text, encoding="utf-8")
    sync(folder / _STATE)
    sync_names(folder)


def _write(tensors: Mapping[str, Tensor], path: Path) -> None:
    """A safetensors file with its own digest, on the disk when this returns."""
    tensors = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    save_file(tensors, path, metadata={_DIGEST: _digest(tensors)})
    sync(path)


def _read(path: Path) -> dict[str, Tensor]:
    """What `_write` wrote. Raises _DamagedError for anything else."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            digest = (file.metadata() or {}).get(_DIGEST)
        if digest != _digest(tensors):
            raise ValueError("its content has changed")
    except (OSError, ValueError, SafetensorError) as error:
        raise _DamagedError(f"{path}: damaged ({_line(error)})") from None
    return tensors


def _digest(tensors: Mapping[str, Tensor]) -> str:
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()


def _state_digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _checkpoints(folder: Path) -> list[Path]:
    """Oldest first. What else lies in the folder is none of ours."""
    names = folder.glob(f"{_PREFIX}*")
    found = [(int(number), path) for path in names if (number := path.name.removeprefix(_PREFIX)).isdecimal()]
    return [path for _, path in sorted(found)]


def _trainable(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, p) for name, p in module.named_parameters() if p.requires_grad)
