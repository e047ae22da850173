"""Interpolation: a model folder between a base and what was tuned from it, weight by weight."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from strop.models.pretrained import FETCHED, NOT_FETCHED, weight_files
from strop.models.transformer import read_json
from strop.records.errors import InputError, excerpt
from strop.records.writing import whole_folder

#: What `export` leaves beside a model: it is already in the weights.
_ADAPTER = "adapter"


def interpolate(base: Path, tuned: Sequence[Path], share: float, target: Path) -> None:
    """Write to `target` the base with weights base + share * (mean of tuned - base), in the base's dtype and names.

    All other files, tokenizer, prompts and lengths among them, are the base's byte for byte, and at share 0 the weights
    are too. Copies of the weights in other formats, an adapter and a model card are left out: they are another model's.
    Integers, and weights that a tuned folder does not save (a pooler that nothing uses), stay the base's. Raises
    InputError for a share outside [0, 1], nothing tuned, a target that is there, and a tuned folder of another
    architecture: with weights that the base has not, or in other shapes.

    Source: Wortsman et al. 2022 (WiSE-FT, arXiv 2109.01903), equation 1; the mean is a uniform soup (arXiv 2203.05482).
    """
    if not 0 <= share <= 1:
        raise InputError(f"the share of the tuned weights is {share}", remedy="Give 0 (the base) to 1 (tuned)")
    if not tuned:
        raise InputError("there is nothing tuned to interpolate to", remedy="Give one tuned model folder or more")
    if os.path.lexists(target):
        raise InputError("something is there already", where=str(target), remedy="Give the name of a new folder")
    weights = [path for path in weight_files(base) if _is_part(path.relative_to(base))]
    folders: dict[Path, list[_Weights]] = {}
    for folder in {path.parent for path in weights}:
        shapes = {n: shape for path in weights if path.parent == folder for n, shape in _shapes(path).items()}
        folders[folder] = [_Weights.of(base, folder, model, shapes) for model in tuned]
    _check_whole(base, set(folders), tuned)
    with whole_folder(target) as own:
        for path in _files(base):
            copy = own / path.relative_to(base)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if share and path in weights:
                _write(path, folders[path.parent], share, copy)
            else:
                shutil.copyfile(path, copy)


@dataclass(frozen=True, slots=True)
class _Weights:
    """Of one folder of a tuned model, by the names that the base has for them: the file, and the name in it."""

    places: Mapping[str, tuple[Path, str]]

    @classmethod
    def of(cls, base: Path, folder: Path, tuned: Path, shapes: Mapping[str, Sequence[int]]) -> _Weights:
        """What the tuned model has for the base's `folder`, whose weights have these names and shapes. Raises
        InputError for others."""
        own = _counterpart(base, folder, tuned)
        found = {name: (path, shape) for path in own.glob("*.safetensors") for name, shape in _shapes(path).items()}
        if not found:
            raise _foreign(own, f"no weights for the base's {folder.relative_to(base).as_posix()}")
        prefix = _prefix(shapes.keys(), found.keys())
        for name, (_, shape) in sorted(found.items()):
            if (expected := shapes.get(prefix + name)) is None:
                raise _foreign(own, f"the base has no weights {excerpt(name)}")
            if shape != expected:
                raise _foreign(own, f"{excerpt(name)} has the shape {tuple(shape)}, the base's {tuple(expected)}")
        return cls({prefix + name: (path, name) for name, (path, _) in found.items()})

    def read(self, name: str, start: Tensor) -> Tensor:
        """The base's weights of that name after tuning: `start`, as they were, where they were not saved."""
        if name not in self.places:
            return start
        path, own = self.places[name]
        with safe_open(path, framework="pt") as file:
            tensor: Tensor = file.get_tensor(own)
        return tensor


def _write(path: Path, tuned: Sequence[_Weights], share: float, target: Path) -> None:
    """One of the base's files of weights, moved."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: _between(name, file.get_tensor(name), tuned, share) for name in _shapes(path)}
        save_file(tensors, target, file.metadata())


def _between(name: str, start: Tensor, tuned: Sequence[_Weights], share: float) -> Tensor:
    if not start.is_floating_point():
        return start
    dtype = torch.promote_types(start.dtype, torch.float32)
    origin, ends = start.to(dtype), [weights.read(name, start).to(dtype) for weights in tuned]
    if all(torch.equal(end, origin) for end in ends):
        return start  # a frozen tower's stay to the bit, which a mean of three equal numbers may miss
    return origin.lerp(torch.stack(ends).mean(dim=0), share).to(start.dtype)


def _prefix(names: AbstractSet[str], found: AbstractSet[str]) -> str:
    """What the base's names have before the tuned ones': a checkpoint of a model with a head has `bert.` before all
    that a bare model saves."""
    some = min(found)
    prefixes = sorted((name.removesuffix(some) for name in names if f".{name}".endswith(f".{some}")), key=len)
    return next((prefix for prefix in prefixes if all(prefix + name in names for name in found)), "")


def _counterpart(base: Path, folder: Path, tuned: Path) -> Path:
    """Where the tuned model keeps what the base keeps in `folder`. Modules are told by their number, since folders have
    had other names: the first was in one of its own, and is now where the settings are."""
    relative = folder.relative_to(base)
    modules, others = (_modules(model) for model in (base, tuned))
    for own, other in sorted(zip(modules, others, strict=False), key=lambda pair: len(pair[0].parts), reverse=True):
        if relative.is_relative_to(own):
            return tuned / other / relative.relative_to(own)
    return tuned / relative


def _modules(model: Path) -> list[Path]:
    return [Path(module["path"]) for module in read_json(model / "modules.json") or ()]


def _check_whole(base: Path, folders: set[Path], tuned: Sequence[Path]) -> None:
    """Raises InputError where a tuned model has weights in a folder for which the base has none."""
    for model in tuned:
        known = {_counterpart(base, folder, model) for folder in folders}
        for path in weight_files(model):
            if path.parent not in known and _is_part(path.relative_to(model)):
                raise _foreign(path.parent, "the base has no weights for it")


def _files(folder: Path) -> list[Path]:
    """All that a loader may read."""
    kept = {path for pattern in FETCHED for path in folder.rglob(pattern)}
    left_out = {path for pattern in NOT_FETCHED for path in folder.rglob(pattern)}
    inside = [path for path in kept - left_out if path.is_file()]
    return sorted(path for path in inside if _is_part(path.relative_to(folder)))


def _is_part(path: Path) -> bool:
    return _ADAPTER not in path.parts and not any(part.startswith(".") for part in path.parts)


def _shapes(path: Path) -> dict[str, list[int]]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - it is no mapping


def _foreign(folder: Path, reason: str) -> InputError:
    problem = f"the tuned model is of another architecture than its base: {reason}"
    return InputError(problem, where=str(folder), remedy="Give the base that it was tuned from")
