"""Numbered lines of a UTF-8 file, and the JSON objects on them: each fault named by its file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strop.records.errors import InputError


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of every line that is not blank; a byte-order mark is dropped.

    Raises InputError on a file that cannot be read and, with its number, on a line that is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise InputError(
                        f"not UTF-8 (byte 0x{error.object[error.start]:02x} at column {error.start + 1})",
                        where=f"{path}:{number}",
                        remedy="Save the file as UTF-8",
                    ) from None
                if line.strip():
                    yield number, line
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})",
            where=str(path),
            remedy="A collection folder holds corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv",
        ) from None


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of every line of a JSONL file. Raises InputError on a line that is not a JSON object."""
    for number, line in text_lines(path):
        where = f"{path}:{number}"
        try:
            value = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "too deep"
            raise InputError(
                f"broken JSON ({reason}): {shown(line)}",
                where=where,
                remedy="Write one whole JSON object a line",
            ) from None
        if not isinstance(value, dict):
            raise InputError(
                f"a JSON {type(value).__name__} instead of an object: {shown(line)}",
                where=where,
                remedy='A line reads: {"_id": "…", "text": "…"}',
            )
        yield number, value


def shown(value: object, limit: int = 60) -> str:
    """A faulty value as an error shows it: quoted and cut."""
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"
