"""Passages of a file of `id TAB text` lines, left on disk: a memory map, one offset per line, an index of the ids."""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from strop.records.documents import Document
from strop.records.errors import InputError, excerpt
from strop.records.text_lines import decoded, line_at, line_number, raw_lines
from strop.records.trec_columns import check_id


class LineStore:
    """A `DocumentStore` over a file that is read raw: no quoting, the first tab ends the id, blank lines are no rows.

    `empty` are the passages without text: (line number, id). Ids that are the row numbers, as in MS MARCO, need 8 bytes
    per line; others 24: its offset, the sorted hashes and the rows these belong to. Raises InputError on a file that
    cannot be read in place or has no passages and, with its number, on a line that is not UTF-8, has no tab, no id, an
    id that no TREC file can hold, or the id of another line.
    """

    def __init__(self, path: Path) -> None:
        starts, hashes = array("q"), array("q")
        self.empty: list[tuple[int, str]] = []
        self._path, self._numbered = path, True
        for number, start, raw in raw_lines(path):
            where = f"{path}:{number}"
            line = decoded(raw, where)
            doc_id, tab, text = line.partition("\t")
            if not tab or not doc_id:
                problem = f"no {'id' if tab else 'tab'} in {excerpt(line)}"
                raise InputError(problem, where=where, remedy="A line reads: id, one tab, text")
            check_id(doc_id, where)
            if not text.strip():
                self.empty.append((number, doc_id))
            self._numbered = self._numbered and doc_id == str(len(starts))
            starts.append(start)
            hashes.append(hash(doc_id))
        if not starts:  # an empty file cannot be mapped
            raise InputError("no documents", where=str(path), remedy="Write a line for each: id, one tab, text")
        self._starts = np.frombuffer(starts, dtype=np.int64)
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if not self._numbered:
            self._rows = np.argsort(np.frombuffer(hashes, dtype=np.int64), kind="stable")
            self._hashes = np.frombuffer(hashes, dtype=np.int64)[self._rows]
            self._check_unique()

    def count(self) -> int:
        return len(self._starts)

    def ids(self) -> Iterator[str]:
        return map(str, range(self.count())) if self._numbered else (document.id for document in self.stream())

    def stream(self) -> Iterator[Document]:
        return map(self._document, range(self.count()))

    def holds(self, doc_id: str) -> bool:
        return self._row(doc_id) is not None

    def find(self, doc_id: str) -> Document | None:
        row = self._row(doc_id)
        return None if row is None else self._document(row)

    def _document(self, row: int) -> Document:
        doc_id, _, text = line_at(self._data, int(self._starts[row])).decode().rstrip("\r").partition("\t")
        return Document(doc_id, text)

    def _row(self, doc_id: str) -> int | None:
        if self._numbered:
            canonical = doc_id.isascii() and doc_id.isdigit() and len(doc_id) < 19 and str(int(doc_id)) == doc_id
            return int(doc_id) if canonical and int(doc_id) < self.count() else None
        first, last = (np.searchsorted(self._hashes, hash(doc_id), side) for side in ("left", "right"))
        rows = map(int, self._rows[first:last])  # those of one hash are in the file's order
        return next((row for row in rows if self._document(row).id == doc_id), None)

    def _check_unique(self) -> None:
        for at in np.flatnonzero(self._hashes[1:] == self._hashes[:-1]) + 1:
            row = int(self._rows[at])
            doc_id = self._document(row).id
            first = self._row(doc_id)
            if first is not None and first != row:
                here, above = (line_number(self._path, int(self._starts[r])) for r in (row, first))
                problem = f"id {excerpt(doc_id)} is already used on line {above}"
                raise InputError(problem, where=f"{self._path}:{here}", remedy="Keep one line for each id")
