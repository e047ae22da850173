"""Documents of a JSONL file that stay there: each line is found, and parsed, when its document is needed."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from strop.records.documents import Document
from strop.records.errors import InputError
from strop.records.text_lines import unreadable


class RowStore:
    """A `DocumentStore` over lines that were checked: id -> the byte where its line begins, or the line itself where
    the file cannot be read again, as one that is packed.

    `document` makes one of an object. Raises InputError when the file is not what it was.
    """

    def __init__(
        self, path: Path, places: Mapping[str, int | bytes], document: Callable[[dict[str, Any]], Document]
    ) -> None:
        self._path, self._places, self._made = path, places, document
        if any(isinstance(place, int) for place in places.values()):
            self._file = self._opened()

    def count(self) -> int:
        return len(self._places)

    def ids(self) -> Iterator[str]:
        return iter(self._places)

    def stream(self) -> Iterator[Document]:
        return (self._document(doc_id, place) for doc_id, place in self._places.items())

    def holds(self, doc_id: str) -> bool:
        return doc_id in self._places

    def find(self, doc_id: str) -> Document | None:
        place = self._places.get(doc_id)
        return None if place is None else self._document(doc_id, place)

    def _document(self, doc_id: str, place: int | bytes) -> Document:
        try:
            document = self._made(json.loads(self._line(place).decode()))
        except (ValueError, LookupError, TypeError, AttributeError):
            document = None
        if document is None or document.id != doc_id:
            raise InputError("the file changed while it was read", where=str(self._path), remedy="Run the command anew")
        return document

    def _opened(self) -> BinaryIO:
        """The file, open as long as this is there."""
        try:
            file = self._path.open("rb")
        except OSError as error:
            raise unreadable(self._path, error) from None
        weakref.finalize(self, file.close)
        return file

    def _line(self, place: int | bytes) -> bytes:
        if isinstance(place, bytes):
            return place
        try:
            self._file.seek(place)
            return self._file.readline()
        except OSError as error:
            raise unreadable(self._path, error) from None
