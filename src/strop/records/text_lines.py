"""Numbered lines of a UTF-8 file, packed with gzip or not, and the JSON objects on them; faults name file and line."""

from __future__ import annotations

import gzip
import json
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from mmap import mmap
from pathlib import Path
from typing import Any, NamedTuple, cast

from strop.records.errors import InputError, excerpt

_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)
_BLOCK = 2**18  # columns of thousands of lines, which stay in a processor's cache


def raw_lines(path: Path, remedy: str = "Check the path") -> Iterator[tuple[int, int, bytes]]:
    """(number from 1, first byte, line) of every line that is not blank; a byte-order mark is dropped.

    Raises InputError, with `remedy`, on a file that cannot be read; and on one in UTF-16, or packed, whose bytes are
    those of no line.
    """
    try:
        with path.open("rb") as file:
            if _packed(file):
                problem = "packed with gzip, and read in place"
                raise InputError(problem, where=str(path), remedy="Unpack it first: gunzip")
            yield from ((number, start, line) for number, start, line in _lines(file, path) if line.strip())
    except OSError as error:
        raise unreadable(path, error, remedy) from None


def unpacked_lines(path: Path, remedy: str = "Check the path") -> Iterator[tuple[int, bytes]]:
    """(number from 1, line) of every line that is not blank, of a file that gzip packed or not: its bytes tell.

    Raises InputError as `raw_lines` does, and on a packed file that is broken.
    """
    return ((number, line) for number, line in every_line(path, remedy) if line.strip())


def every_line(path: Path, remedy: str = "Check the path") -> Iterator[tuple[int, bytes]]:
    """As `unpacked_lines`, with the blank lines. The file is read once, so that it may be a pipe."""
    return ((number, line) for number, _, line in _placed_lines(path, remedy))


def _placed_lines(path: Path, remedy: str) -> Iterator[tuple[int, int | bytes, bytes]]:
    """(number from 1, first byte, line) of every line; of a file that cannot be read in place the line stands twice."""
    with _unpacked(path, remedy) as file:
        in_place = not isinstance(file, gzip.GzipFile) and file.seekable()
        for number, start, line in _lines(file, path):
            yield number, start if in_place else line, line


def line_blocks(path: Path, remedy: str = "Check the path") -> Iterator[tuple[int, bytes]]:
    """(number from 1 of its first line, block): the file as `every_line` reads it, many whole lines at a time."""
    with _unpacked(path, remedy) as file:
        _refuse_wide(file, path)
        number = 1
        for block in _blocks(file):
            yield number, block.removeprefix(BOM_UTF8) if number == 1 else block
            number += block.count(b"\n")


def _blocks(file: BufferedReader) -> Iterator[bytes]:
    parts, size = list[bytes](), 0
    try:
        while part := file.read1():
            parts.append(part)
            size += len(part)
            if size >= _BLOCK and (end := part.rfind(b"\n") + 1):
                parts[-1] = part[:end]
                yield b"".join(parts)
                parts, size = [part[end:]], len(part) - end
    except (*_BROKEN, OSError):  # the lines above the fault come first, as they do line by line
        whole = b"".join(parts)
        yield whole[: whole.rfind(b"\n") + 1]
        raise
    yield b"".join(parts)


@contextmanager
def _unpacked(path: Path, remedy: str) -> Iterator[BufferedReader]:
    try:
        with path.open("rb") as file:
            # GzipFile is a BufferedIOBase with all that is used of a BufferedReader
            yield cast(BufferedReader, gzip.GzipFile(fileobj=file)) if _packed(file) else file
    except _BROKEN as error:
        raise InputError(f"broken gzip ({error})", where=str(path), remedy="Pack it, or fetch it, anew") from None
    except OSError as error:
        raise unreadable(path, error, remedy) from None


def packed_or_not(path: Path) -> Path:
    """The path; where only the same with .gz behind it is there, that."""
    packed = path.with_name(path.name + ".gz")
    return packed if packed.is_file() and not path.exists() else path


def _packed(file: BufferedReader) -> bool:
    return file.peek(2).startswith(b"\x1f\x8b")


def _refuse_wide(file: BufferedReader, path: Path) -> None:
    head = file.peek(4)[:4]
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE, BOM_UTF32_BE)) or b"\0" in head[:2]:  # without a mark, of ASCII
        raise InputError("UTF-16 or UTF-32, and not UTF-8", where=f"{path}:1", remedy="Save the file as UTF-8")


def _lines(file: BufferedReader, path: Path) -> Iterator[tuple[int, int, bytes]]:
    _refuse_wide(file, path)
    start = 0
    for number, line in enumerate(file, start=1):
        if number == 1 and line.startswith(BOM_UTF8):
            start, line = len(BOM_UTF8), line[len(BOM_UTF8) :]
        yield number, start, line
        start += len(line)


def text_lines(path: Path, remedy: str = "Check the path") -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of every line that is not blank.

    Raises InputError as `unpacked_lines` and `decoded` do.
    """
    for number, raw in unpacked_lines(path, remedy):
        line = decoded(raw, f"{path}:{number}")
        if line.strip():
            yield number, line


class Row(NamedTuple):
    """One object of a JSONL file; `place` is the byte where its line begins or, where it cannot be read again, the
    line itself."""

    number: int
    place: int | bytes
    where: str
    value: dict[str, Any]


def json_rows(path: Path, layout: str, remedy: str = "Check the path") -> Iterator[Row]:
    """Every line of a JSONL file that is not blank; `layout` shows what a line should look like.

    Raises InputError as `text_lines` does, and on a line that is not a JSON object, or has a key twice.
    """
    for number, place, raw in _placed_lines(path, remedy):
        where = f"{path}:{number}"
        line = decoded(raw, where)
        if not line.strip():
            continue
        try:
            value = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError too
            reason = "too deep" if isinstance(error, RecursionError) else str(error)
            if isinstance(error, json.JSONDecodeError):
                reason = f"{error.msg}, column {error.colno}"
            raise InputError(f"broken JSON ({reason}): {excerpt(line)}", where=where, remedy=layout) from None
        if not isinstance(value, dict):
            problem = f"not a JSON object but a {type(value).__name__}: {excerpt(line)}"
            raise InputError(problem, where=where, remedy=layout)
        yield Row(number, place, where, value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Python's own keeps the last of two values in silence."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands there twice")
    return made


def whole_text(path: Path, remedy: str) -> str:
    """A UTF-8 file as text. Raises InputError, with `remedy` and the line, when it cannot be read or is not UTF-8."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise unreadable(path, error, remedy) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
        raise InputError(problem, where=f"{path}:{line}", remedy=remedy) from None


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
        raise InputError(
            f"half a surrogate pair, {excerpt(half)}", where=where, remedy="Write the whole character"
        ) from None


def unreadable(path: Path, error: OSError, remedy: str = "Check the path") -> InputError:
    """The error for a file that cannot be opened or read."""
    if str(path) == "-":
        remedy = "For standard input write /dev/stdin"
    return InputError(f"cannot be read ({error.strerror})", where=str(path), remedy=remedy)
