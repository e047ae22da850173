"""Integrity: the size and hash of every file of an artifact, and which file is not as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strop.artifacts.keys import content_key
from strop.records.seals import file_sha256
from strop.records.writing import sync

RECORD = "record.json"
#: The field of a record that holds the hash of its other fields.
OWN = "sha256"


def inventory(folder: Path) -> dict[str, list[object]]:
    """Of every file by its name in the folder: bytes, SHA-256, and the times at which content and status changed, in
    nanoseconds. All of it is on the disk by then."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / RECORD):
        sync(path)
        state = path.stat()
        name = path.relative_to(folder).as_posix()
        files[name] = [state.st_size, file_sha256(path), state.st_mtime_ns, state.st_ctime_ns]
    return files


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its own hash."""
    return {**record, OWN: content_key(dict(record))}


def damage(folder: Path, record: Any) -> str:
    """The file that is not as it was written and why, in one line; empty when all are.

    A file is read again only if the times of it are others than those recorded: what changes a file changes these.
    Artifacts of before their files were recorded are taken as they are.
    """
    if not isinstance(record, Mapping):
        return f"{folder / RECORD} is not a record"
    if OWN in record and content_key({k: v for k, v in record.items() if k != OWN}) != record[OWN]:
        return f"{folder / RECORD} is not as it was written"
    for name, (size, digest, *times) in record.get("files", {}).items():
        path = folder / name
        if not path.is_file():
            return f"{path} is missing"
        state = path.stat()
        if state.st_size != size:
            return f"{path} has {state.st_size:,} bytes instead of {size:,}"
        if [state.st_mtime_ns, state.st_ctime_ns] != times and file_sha256(path) != digest:
            return f"{path} is not as it was written"
    return ""
