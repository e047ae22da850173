"""Numbered lines of a UTF-8 file, and the JSON objects on them: each fault is named by its file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strop.records.errors import InputError


def text_lines(path: Path, remedy: str = "Check the path") -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of every line that is not blank; a byte-order mark is dropped.

    Raises InputError, with `remedy`, on a file that cannot be read and, with its number, on a line that is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise not_utf8(error.object[error.start], error.start + 1, f"{path}:{number}") from None
                if line.strip():
                    yield number, line
    except OSError as error:
        raise unreadable(path, error, remedy) from None


def json_lines(path: Path, layout: str, remedy: str = "Check the path") -> Iterator[tuple[str, dict[str, Any]]]:
    """("file:line", object) of every line of a JSONL file; `layout` shows what a line should look like.

    Raises InputError as `text_lines` does, and on a line that is not a JSON object.
    """
    for number, line in text_lines(path, remedy):
        where = f"{path}:{number}"
        try:
            value = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "too deep"
            raise InputError(f"broken JSON ({reason}): {excerpt(line)}", where=where, remedy=layout) from None
        if not isinstance(value, dict):
            problem = f"not a JSON object but a {type(value).__name__}: {excerpt(line)}"
            raise InputError(problem, where=where, remedy=layout)
        yield where, value


def check_whole_characters(text: str, where: str) -> None:
    r"""Raises InputError on half a surrogate pair, which JSON can escape (\ud800) and UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise InputError(f"half a surrogate pair, {half!r}", where=where, remedy="Write the whole character") from None


def unreadable(path: Path, error: OSError, remedy: str = "Check the path") -> InputError:
    """The error for a file that cannot be opened or read."""
    return InputError(f"cannot be read ({error.strerror})", where=str(path), remedy=remedy)


def not_utf8(byte: int, column: int, where: str) -> InputError:
    """The error for a line that is not UTF-8 from `column` (from 1) on."""
    return InputError(f"not UTF-8 (byte 0x{byte:02x} at column {column})", where=where, remedy="Save the file as UTF-8")


def excerpt(value: object, limit: int = 60) -> str:
    """A faulty value as an error shows it: quoted, and cut to `limit` characters."""
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"
