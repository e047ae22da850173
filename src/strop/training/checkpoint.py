"""Checkpoints: all a run needs to go on bit by bit, in safetensors and JSON, appearing whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_PREFIX = "step-"
_PARTIAL = "checkpoint.partial"
BEST = "best.safetensors"


def save(folder: Path, step: int, module: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Write `folder/step-N` (trainable weights, optimiser moments, `state`), then drop older ones.

    Random states need no saving, because every update seeds its own.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in _trainable(module):
        tensors[f"weight/{name}"] = parameter.detach()
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}/{name}"] = value
    partial = folder / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file({k: v.contiguous().cpu() for k, v in tensors.items()}, partial / "tensors.safetensors")
    (partial / "state.json").write_text(json.dumps({"step": step, **state}), encoding="utf-8")
    older = _checkpoints(folder)
    os.rename(partial, folder / f"{_PREFIX}{step}")
    for path in older:
        shutil.rmtree(path)


def restore(folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any] | None:
    """Load the newest checkpoint into `module` and `optimizer`; its state with `step`, or None if there is none."""
    if not (checkpoints := _checkpoints(folder)):
        return None
    tensors = load_file(checkpoints[-1] / "tensors.safetensors")
    with torch.no_grad():
        for name, parameter in _trainable(module):
            parameter.copy_(tensors.pop(f"weight/{name}"))
            for key, value in tensors.items():
                kind, of = key.split("/", 1)
                if of == name:  # AdamW keeps its step count on the CPU, the moments beside the weights
                    optimizer.state[parameter][kind] = value if kind == "step" else value.to(parameter.device)
    state: dict[str, Any] = json.loads((checkpoints[-1] / "state.json").read_text(encoding="utf-8"))
    return state


def take_over(source: Path, folder: Path) -> None:
    """Start from the newest checkpoint of another run and what it selected, unless this one has its own already."""
    if not _checkpoints(folder):
        newest = _checkpoints(source)[-1]
        partial = folder / _PARTIAL
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(newest, partial)
        if (source / BEST).exists():
            shutil.copy(source / BEST, folder / BEST)
        os.rename(partial, folder / newest.name)


def save_weights(path: Path, module: nn.Module) -> None:
    """Write the trainable weights to a safetensors file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({name: p.detach().contiguous().cpu() for name, p in _trainable(module)}, partial)
    os.replace(partial, path)


def restore_weights(path: Path, module: nn.Module) -> None:
    """Load what `save_weights` wrote into `module`, which must train the same parameters."""
    tensors = load_file(path)
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


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{_PREFIX}*"), key=lambda p: int(p.name.removeprefix(_PREFIX)))


def _trainable(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, p) for name, p in module.named_parameters() if p.requires_grad]
