"""Passages of a file of `id TAB text` lines, left on disk: a memory map, one offset per line, an index of the ids."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from strop.collection.line_index import LineIndex, line_number
from strop.records.documents import Document
from strop.records.errors import InputError
from strop.records.text_lines import excerpt


class LineStore:
    """A `DocumentStore` over an indexed file: each passage is read when it is needed.

    Ids that are the row numbers, as in MS MARCO, need no memory; others take 16 bytes each, their sorted hashes and the
    rows these belong to. Raises InputError on a file without passages, and on an id that has white space or is used
    twice.
    """

    def __init__(self, path: Path, index: LineIndex) -> None:
        if not len(index.starts):  # an empty file cannot be mapped
            raise InputError("no documents", where=str(path), remedy="Write a line for each: id, one tab, text")
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._path, self._starts, self._numbered = path, index.starts, index.numbered
        if not self._numbered:
            hashes = np.fromiter((hash(i) for i in self._checked_ids()), dtype=np.int64, count=self.count())
            self._rows = np.argsort(hashes, kind="stable")
            self._hashes = hashes[self._rows]
            self._check_unique()

    def count(self) -> int:
        return len(self._starts)

    def ids(self) -> Iterator[str]:
        return map(str, range(self.count())) if self._numbered else map(self._id, self._offsets())

    def stream(self) -> Iterator[Document]:
        return map(self._document, self._offsets())

    def holds(self, doc_id: str) -> bool:
        return self._row(doc_id) is not None

    def find(self, doc_id: str) -> Document | None:
        row = self._row(doc_id)
        return None if row is None else self._document(int(self._starts[row]))

    def id_of(self, row: int) -> str:
        return self._id(int(self._starts[row]))

    def _offsets(self) -> Iterator[int]:
        """In pieces, because a list of all of them as Python numbers is ten times the array."""
        for low in range(0, self.count(), 1 << 16):
            yield from self._starts[low : low + (1 << 16)].tolist()

    def _id(self, start: int) -> str:
        return self._data[start : self._data.find(b"\t", start)].decode()

    def _document(self, start: int) -> Document:
        end = self._data.find(b"\n", start)
        line = self._data[start : end if end >= 0 else len(self._data)].rstrip(b"\r")
        doc_id, _, text = line.decode().partition("\t")
        return Document(doc_id, text)

    def _row(self, doc_id: str) -> int | None:
        if self._numbered:
            canonical = doc_id.isascii() and doc_id.isdigit() and len(doc_id) < 19 and str(int(doc_id)) == doc_id
            return int(doc_id) if canonical and int(doc_id) < self.count() else None
        key = hash(doc_id)
        at = int(np.searchsorted(self._hashes, key))
        while at < len(self._hashes) and self._hashes[at] == key:
            row = int(self._rows[at])
            if self.id_of(row) == doc_id:
                return row
            at += 1
        return None

    def _checked_ids(self) -> Iterator[str]:
        for start in self._offsets():
            doc_id = self._id(start)
            if doc_id.split() != [doc_id]:
                raise InputError(
                    f"id {excerpt(doc_id)} contains white space, which TREC files cannot hold",
                    where=f"{self._path}:{line_number(self._path, start)}",
                    remedy="Replace it, here and in the qrels",
                )
            yield doc_id

    def _check_unique(self) -> None:
        for at in np.flatnonzero(self._hashes[1:] == self._hashes[:-1]) + 1:
            start = int(self._starts[self._rows[at]])
            doc_id = self._id(start)
            first = self._row(doc_id)  # rows of one hash are in the file's order
            if first is not None and first != self._rows[at]:
                above = line_number(self._path, int(self._starts[first]))
                raise InputError(
                    f"id {doc_id!r} is already used on line {above}",
                    where=f"{self._path}:{line_number(self._path, start)}",
                    remedy="Keep one line for each id",
                )
