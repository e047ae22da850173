"""Numbered lines of a UTF-8 file, and the JSON objects on them: each fault is named by its file and line."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from mmap import mmap
from pathlib import Path
from typing import Any

from strop.records.errors import InputError


def raw_lines(path: Path, remedy: str = "Check the path") -> Iterator[tuple[int, int, bytes]]:
    """(number from 1, first byte, line) of every line that is not blank; a byte-order mark is dropped.

    Raises InputError, with `remedy`, on a file that cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = len(BOM_UTF8) if file.read(len(BOM_UTF8)) == BOM_UTF8 else 0
            file.seek(start)
            for number, line in enumerate(file, start=1):
                if not line.isspace():
                    yield number, start, line
                start += len(line)
    except OSError as error:
        raise unreadable(path, error, remedy) from None


def text_lines(path: Path, remedy: str = "Check the path") -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of every line that is not blank.

    Raises InputError as `raw_lines` and `decoded` do.
    """
    for number, _, raw in raw_lines(path, remedy):
        line = decoded(raw, f"{path}:{number}")
        if line.strip():
            yield number, line


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


def line_at(data: mmap, start: int) -> bytes:
    """The line of a mapped file that begins at a byte."""
    end = data.find(b"\n", start)
    return data[start : end if end >= 0 else len(data)]


def line_number(path: Path, start: int) -> int:
    """The number, from 1, of the line that begins at a byte and is not blank."""
    return next(number for number, first, _ in raw_lines(path) if first == start)


def decoded(line: bytes, where: str) -> str:
    """A line as text without its end. Raises InputError, with the column, when it is not UTF-8."""
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 (byte 0x{line[error.start]:02x} at column {error.start + 1})"
        raise InputError(problem, where=where, remedy="Save the file as UTF-8") from None


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


def excerpt(value: object) -> str:
    """A faulty value as an error shows it: quoted, and cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
