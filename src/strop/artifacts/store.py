"""Artifacts: folders named by the hash of what made them, so that equal inputs and values are never worked on twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

#: Metadata of a field that a value did not always have; see `canonical`.
ADDED = {"added": True}


@dataclass(frozen=True, slots=True)
class Stage:
    """A pure function of (inputs, values, seed) to a folder. `version` rises whenever its outcome changes."""

    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Artifact:
    key: str
    path: Path
    record: Mapping[str, Any]


def canonical(value: Any) -> Any:
    """A frozen value as JSON with its type's name and its fields: what keys are hashed from, and records show.

    A type of strop's own goes by its bare name, so that it may move between modules; any other by module and name, so
    that a user's own `Triplet` never gets the artifact of strop's. A field added later, `field(default=…,
    metadata=ADDED)`, is left out while it has its default, so that older artifacts keep their keys. Raises TypeError
    for anything without a canonical form, such as a path: equal content has equal keys wherever it lies.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value)
    if is_dataclass(value) and not isinstance(value, type):
        kept = [f.name for f in fields(value) if not (f.metadata == ADDED and getattr(value, f.name) == f.default)]
        return {"type": _type_name(type(value)), **{name: canonical(getattr(value, name)) for name in kept}}
    if isinstance(value, (tuple, list)):
        return [canonical(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): canonical(v) for k, v in value.items()}
    raise TypeError(f"{type(value).__name__} has no canonical form: {value!r}")


def _type_name(kind: type) -> str:
    own = kind.__module__.partition(".")[0] == "strop"
    return kind.__name__ if own else f"{kind.__module__}.{kind.__qualname__}"


def content_key(*parts: Any) -> str:
    """SHA-256 over the canonical JSON of `parts`: 64 hex digits."""
    return hashlib.sha256(json.dumps(canonical(parts), sort_keys=True).encode()).hexdigest()


def file_sha256(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def package_sha256() -> str:
    """Over every file of this package: Results are out of date once any of them changes."""
    root = Path(__file__).parents[1]
    files = sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return content_key({p.relative_to(root).as_posix(): file_sha256(p) for p in files})


class NotMadeError(Exception):
    """The artifact is not there, and may not be made now."""


class Store:
    """Artifacts under one root folder; safe for several processes at once.

    A stage writes into `KEY.partial`, which is renamed to `KEY` when it is done. A killed stage leaves its partial
    folder: a resumable stage goes on from there, any other starts clean.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._closed = False

    @property
    def docstrings(self) -> Path:
        """Where the built-in collection of docstrings is kept once it is extracted."""
        return self.root / "docstrings"

    def holds(self, ask: Callable[[], object]) -> bool:
        """Whether every artifact that `ask` builds in this store is there; none is made."""
        before, self._closed = self._closed, True
        try:
            ask()
        except NotMadeError:
            return False
        finally:
            self._closed = before
        return True

    def find(self, stage: Stage, key: str) -> Artifact | None:
        path = self.root / stage.name / key
        record = path / "record.json"
        return Artifact(key, path, json.loads(record.read_text(encoding="utf-8"))) if record.is_file() else None

    def key(self, stage: Stage, values: Any, inputs: Mapping[str, str]) -> str:
        return content_key(stage, values, inputs, _libraries())[:20]

    def build(
        self,
        stage: Stage,
        values: Any,
        inputs: Mapping[str, str],
        make: Callable[[Path], Mapping[str, Any] | None],
        resumable: bool = False,
    ) -> Artifact:
        """The artifact of these inputs and values; where it is not there yet, `make(folder)` makes it.

        `inputs` maps names to keys or content hashes. What `make` returns joins the record, beside the values,
        versions and wall time. Within `holds` raises NotMadeError instead of making it.
        """
        key = self.key(stage, values, inputs)
        if artifact := self.find(stage, key):
            return artifact
        if self._closed:
            raise NotMadeError(f"{stage.name} {key}")
        from filelock import FileLock  # asyncio and all: only what is to be made waits for it

        path = self.root / stage.name / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):  # the operating system's: a killed holder frees it
            if artifact := self.find(stage, key):
                return artifact
            partial = path.with_suffix(".partial")
            if partial.exists() and not resumable:
                shutil.rmtree(partial)
            partial.mkdir(exist_ok=True)
            started = time.perf_counter()
            remarks = make(partial)
            record = {
                "stage": canonical(stage),
                "values": canonical(values),
                "inputs": dict(inputs),
                "libraries": _libraries(),
                "wall_seconds": round(time.perf_counter() - started, 3),
                "peak_memory_bytes": _peak_memory(),
                **(remarks or {}),
            }
            text = json.dumps(record, indent=1)
            (partial / "record.json").write_text(text + "\n", encoding="utf-8")
            if path.exists():  # without a record: nobody knows whether it is whole
                shutil.rmtree(path)
            os.rename(partial, path)
        return Artifact(key, path, json.loads(text))  # as `find` will read it: tuples are lists by now


def _libraries() -> dict[str, str]:
    """major.minor of what decides the numbers."""
    return {name: ".".join(version(name).split(".")[:2]) for name in ("torch", "transformers")}


def _peak_memory() -> int | None:
    """Peak resident bytes of this process so far; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def store(root: str | Path | None = None) -> Store:
    """Artifacts live in `root`, else in $STROP_HOME, else in .strop of the current folder."""
    return Store(root or os.environ.get("STROP_HOME") or ".strop")
