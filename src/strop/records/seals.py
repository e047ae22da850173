"""What a Results folder's files were when they were written, so that a part of one is not read as the whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strop.records.errors import InputError

#: The key of a record under which the files' hashes stand, and the name of its own among them.
FILES, OWN = "files", "record.json"


def seal(folder: Path, record: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """The record with the SHA-256 of the files of these names, and of itself."""
    whole = {**record, FILES: {name: file_sha256(folder / name) for name in names}}
    return {**whole, FILES: {OWN: _own(whole), **whole[FILES]}}


def check(folder: Path, record: object) -> bool:
    """Whether the record has a seal: an older one has none. Raises InputError where a file is another than was sealed.

    To be asked when every file was read: who damaged one is told of the damage first, by its line.
    """
    files = record.get(FILES) if isinstance(record, dict) else None
    if not isinstance(files, dict):
        return False
    for name, expected in files.items():
        path = folder / name
        found = _own(record) if name == OWN else file_sha256(path) if path.is_file() else ""
        if found != expected:
            raise InputError(
                f"this is {'not what was written' if found else 'missing'}",
                where=str(path),
                remedy="Restore it, or remove the folder and run what wrote it again",
            )
    return True


def _own(record: Any) -> str:
    """Of its content, however it is set: but for this very hash, which stands first among the files'."""
    files = {name: of for name, of in record[FILES].items() if name != OWN}
    return hashlib.sha256(json.dumps({**record, FILES: files}, sort_keys=True).encode()).hexdigest()


def file_sha256(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
