"""Artifacts: folders named by the hash of what made them, so that equal inputs and values are never worked on twice."""

from __future__ import annotations

import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strop.artifacts import integrity
from strop.artifacts.keys import canonical, content_key
from strop.records.errors import InputWarning
from strop.records.writing import naming, sync_names, write_text

#: The field of a record that lists the keys of the artifacts of the same stage that it consists of.
PARTS = "parts"


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


class NotMadeError(Exception):
    """The artifact is not there, and may not be made now."""


class Store:
    """Artifacts under one root folder; safe for several processes at once.

    A stage writes into `KEY.partial`, which is renamed to `KEY` when it is done and on the disk. A killed stage leaves
    its partial folder: a resumable stage goes on from there, any other starts clean. An artifact with a file that is
    not as it was written is never used: it is made again, with a warning that names the file.
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
        """The artifact; None where it is not there, or damaged."""
        return self.look(stage, key)[0]

    def look(self, stage: Stage, key: str) -> tuple[Artifact | None, str]:
        """The artifact, or else which of its files is damaged; of one that is not there, nothing is said."""
        path = self.root / stage.name / key
        try:
            record = json.loads((path / integrity.RECORD).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None, ""
        except (ValueError, RecursionError):
            return None, f"{path / integrity.RECORD} is not a record"
        if damage := integrity.damage(path, record):
            return None, damage
        for part in record.get(PARTS, ()):  # artifacts of the same stage that it needs
            found, damage = self.look(stage, part)
            if found is None:
                return None, damage or f"{path.parent / part} is missing"
        return Artifact(key, path, record), ""

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
        artifact, _ = self.look(stage, key)
        if artifact:
            return artifact
        if self._closed:
            raise NotMadeError(f"{stage.name} {key}")
        from filelock import FileLock  # asyncio and all: only what is to be made waits for it

        path = self.root / stage.name / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):  # the operating system's: a killed holder frees it
            artifact, damage = self.look(stage, key)
            if artifact:
                return artifact
            if damage:
                warnings.warn(f"{damage}: the artifact is damaged and is made again", InputWarning, stacklevel=2)
            partial = path.with_suffix(".partial")
            if not resumable:
                shutil.rmtree(partial, ignore_errors=True)
            started = time.perf_counter()
            try:
                with naming(path, partial):
                    partial.mkdir(exist_ok=True)
                    remarks = make(partial)
                    record = {
                        "stage": canonical(stage),
                        "values": canonical(values),
                        "inputs": dict(inputs),
                        "libraries": _libraries(),
                        "wall_seconds": round(time.perf_counter() - started, 3),
                        "peak_memory_bytes": _peak_memory(),
                        **(remarks or {}),
                        "files": integrity.inventory(partial),
                    }
                    text = json.dumps(integrity.sealed(record), indent=1)
                    write_text(text + "\n", partial / integrity.RECORD, replace=True)
            except BaseException:
                if not resumable:
                    shutil.rmtree(partial, ignore_errors=True)
                raise
            if path.exists():  # damaged, or without a record: nobody knows whether it is whole
                shutil.rmtree(path)
            os.rename(partial, path)
            sync_names(path.parent)
        return Artifact(key, path, json.loads(text))  # as `find` will read it: tuples are lists by now


def _libraries() -> dict[str, str]:
    """major.minor of what decides the numbers."""
    from importlib.metadata import version

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
