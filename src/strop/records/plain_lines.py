"""Many plain lines of a TREC run read at once."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strop.records.decimals import decimals

#: Beyond it a score is infinite as float32.
LARGEST = float(np.finfo(np.float32).max)
_OF_DECIMALS = b"0123456789+-.eE"  # what else a number may hold (inf, nan, _) is for `decimal` to judge
_SPREAD = 16  # times a block's size: what its longest id may make of a column

Codes = npt.NDArray[np.uint8]
Whole = npt.NDArray[np.int64]


class PlainLines(NamedTuple):
    """Consecutive lines: the places among them where another query begins, its id; all document ids, each with a blank
    behind it, the bytes to the end of each, and the scores."""

    changes: list[int]
    query_ids: list[str]
    doc_ids: bytes
    ends: Whole
    scores: npt.NDArray[np.float64]


def plain_lines(block: bytes) -> PlainLines | None:
    """Lines of which each has six columns, and a finite decimal; else None.

    All is done to the block at once: a run of millions of lines is read in seconds.
    """
    codes = np.frombuffer(block, dtype=np.uint8)
    if (codes < 9).any() or (codes - np.uint8(14) < 18).any():  # below the blank, and none; NUL among them
        return None
    if not block.isascii() and (BOM_UTF8 in block or not _utf8(block)):
        return None
    if (bounds := _bounds(codes)) is None:
        return None
    starts, ends = bounds
    lengths = ends - starts
    if len(starts) * int(lengths[:, ::2].max()) > _SPREAD * len(block) or (codes[starts[:, 0]] == ord("#")).any():
        return None
    if (scores := _scores(block, ends[:, 4], lengths[:, 4])) is None:
        return None
    queries = _words(block, ends[:, 0], lengths[:, 0])
    whole = queries.view(f"S{queries.shape[1]}").ravel()
    changes = [0, *(np.flatnonzero(whole[1:] != whole[:-1]) + 1).tolist()]
    query_ids = [each.lstrip(b"\0").decode() for each in whole[changes].tolist()]
    documents = _words(block, ends[:, 2] + 1, lengths[:, 2] + 1)
    documents[:, -1] = ord(" ")
    return PlainLines(changes, query_ids, documents[documents > 0].tobytes(), np.cumsum(lengths[:, 2] + 1), scores)


def _bounds(codes: Codes) -> tuple[Whole, Whole] | None:
    """Where each word (lines, 6) begins and where it ends; None unless each line has six."""
    inside = codes > ord(" ")
    bounds = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    breaks = np.flatnonzero(codes == ord("\n"))
    lines = len(breaks) + (not len(codes) or bool(codes[-1] != ord("\n")))
    if len(bounds) != 12 * lines:
        return None
    starts, ends = bounds.reshape(-1, 6, 2).transpose(2, 0, 1)
    if (breaks < ends[: len(breaks), -1]).any() or (breaks[: lines - 1] > starts[1:, 0]).any():
        return None
    return starts, ends


def _words(block: bytes, ends: Whole, lengths: Whole) -> Codes:
    """A word per row, at the right, with zeros before it."""
    width = int(lengths.max())
    windows = np.ndarray(len(block) + 1, f"V{width}", bytes(width) + block, strides=(1,))
    words = windows[ends].view(np.uint8).reshape(-1, width)
    words *= np.arange(width, dtype=np.int32) >= (width - lengths).astype(np.int32)[:, None]
    return words


def _scores(block: bytes, ends: Whole, lengths: Whole) -> npt.NDArray[np.float64] | None:
    written = _words(block, ends, lengths)
    if (scores := decimals(written, lengths)) is None:
        words = [block[end - length : end] for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)]
        if b"".join(words).translate(None, _OF_DECIMALS):
            return None
        try:
            scores = np.fromiter(map(float, words), dtype=np.float64, count=len(words))
        except ValueError:
            return None
    return None if (np.abs(scores) > LARGEST).any() else scores


def _utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True
