"""Where the lines of a huge file begin: one pass in blocks, as byte offsets, every line checked on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strop.records.errors import InputError
from strop.records.text_lines import excerpt, not_utf8, unreadable

Offsets = npt.NDArray[np.int64]

BLOCK = 1 << 24
_MARK = b"\xef\xbb\xbf"
_REMEDY = "A line reads: id, one tab, text"

#: Bytes that a white-space character can begin with, in UTF-8.
_WHITE = np.array([*range(33), 0xC2, 0xE1, 0xE2, 0xE3], dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class LineIndex:
    """Where the rows of a file are; blank lines are no rows.

    `starts[r]` is the byte at which row r begins; `empty` are the rows without text; `numbered` is whether every row r
    has the id r.
    """

    starts: Offsets
    empty: tuple[int, ...]
    numbered: bool


class _Block(NamedTuple):
    offset: int
    line: int
    data: bytes


def index_lines(path: Path) -> LineIndex:
    """Index a file of `id TAB text` lines, read raw: no quoting, the first tab ends the id.

    Holds 8 bytes per line. Raises InputError on a file that cannot be read and, with its number, on a line that is
    not UTF-8, has no tab or no id.
    """
    starts: list[Offsets] = []
    empty: list[int] = []
    rows, numbered = 0, True
    for block in _blocks(path):
        data = np.frombuffer(block.data, dtype=np.uint8)
        begins, tabs, ends = _lines(data, path, block)
        numbered = numbered and _are_numbers(data, begins, tabs - begins, rows)
        empty += [rows + int(row) for row in _without_text(data, block.data, tabs, ends)]
        starts.append(begins + block.offset)
        rows += len(begins)
    return LineIndex(np.concatenate(starts) if starts else np.empty(0, np.int64), tuple(empty), numbered)


def line_starts(path: Path) -> Offsets:
    """The bytes at which the lines that are not empty begin; the lines themselves are not checked."""
    starts: list[Offsets] = []
    for block in _blocks(path, decoded=False):
        begins, ends = _divided(np.frombuffer(block.data, dtype=np.uint8))
        starts.append(begins[ends > begins] + block.offset)
    return np.concatenate(starts) if starts else np.empty(0, np.int64)


def line_number(path: Path, offset: int) -> int:
    """The number, from 1, of the line that holds a byte."""
    number = 1
    with path.open("rb") as file:
        while offset > 0 and (data := file.read(min(BLOCK, offset))):
            number += data.count(b"\n")
            offset -= len(data)
    return number


def _blocks(path: Path, decoded: bool = True) -> Iterator[_Block]:
    """The file in pieces of whole lines, a byte-order mark left out."""
    try:
        with path.open("rb") as file:
            offset = len(_MARK) if file.read(len(_MARK)) == _MARK else 0
            file.seek(offset)
            line, rest = 1, b""
            while True:
                read = file.read(BLOCK)
                end = read.rfind(b"\n") + 1 if read else 0
                data, rest = (rest + read[:end], read[end:]) if end or not read else (b"", rest + read)
                if data:
                    if decoded:
                        _check_encoding(data, path, line)
                    yield _Block(offset, line, data)
                    offset += len(data)
                    line += data.count(b"\n")
                if not read:
                    return
    except OSError as error:
        raise unreadable(path, error) from None


def _check_encoding(data: bytes, path: Path, line: int) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        column = error.start - data.rfind(b"\n", 0, error.start)
        where = f"{path}:{line + data.count(bytes([10]), 0, error.start)}"
        raise not_utf8(data[error.start], column, where) from None


def _divided(data: npt.NDArray[np.uint8]) -> tuple[Offsets, Offsets]:
    """Begin and end (its newline, or the block's end) of every line."""
    ends = np.flatnonzero(data == 10)
    if not len(ends) or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data))
    return np.concatenate([[0], ends[:-1] + 1]), ends


def _lines(data: npt.NDArray[np.uint8], path: Path, block: _Block) -> tuple[Offsets, Offsets, Offsets]:
    """Begin, first tab and end of every line that is not blank."""
    begins, ends = _divided(data)
    tabs = np.append(np.flatnonzero(data == 9), len(data))
    first = tabs[np.searchsorted(tabs, begins)]
    keep = np.ones(len(begins), dtype=bool)
    for i in np.flatnonzero((first >= ends) | (first == begins)):
        line = block.data[begins[i] : ends[i]].decode()
        if line.strip():
            problem = "no tab in" if first[i] >= ends[i] else "no id in"
            where = f"{path}:{block.line + int(i)}"
            raise InputError(f"{problem} {excerpt(line.rstrip())}", where=where, remedy=_REMEDY)
        keep[i] = False
    return begins[keep], first[keep], ends[keep]


def _are_numbers(data: npt.NDArray[np.uint8], begins: Offsets, widths: Offsets, row: int) -> bool:
    """Whether the ids are row, row + 1, … in decimal, without leading zeros."""
    expected = np.arange(row, row + len(begins))
    if not len(begins) or widths.max() > 18:
        return not len(begins)
    value = np.zeros(len(begins), dtype=np.int64)
    for place in range(int(widths.max())):
        longer = widths > place
        digits = data[begins[longer] + place].astype(np.int64) - 48
        if digits.min() < 0 or digits.max() > 9:
            return False
        value[longer] = value[longer] * 10 + digits
    padded = (widths > 1) & (data[begins] == 48)
    return bool((value == expected).all() and not padded.any())


def _without_text(data: npt.NDArray[np.uint8], raw: bytes, tabs: Offsets, ends: Offsets) -> list[int]:
    following = data[np.minimum(tabs + 1, len(data) - 1)]
    candidates = np.flatnonzero((tabs + 1 >= ends) | np.isin(following, _WHITE))
    return [int(i) for i in candidates if not raw[tabs[i] : ends[i]].decode().strip()]
