"""Columns of TREC files: where trec_eval splits a line, and what an id, a score and a grade may be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

from strop.records.errors import InputError, excerpt
from strop.records.text_lines import decoded

#: What C's isspace takes for a blank, and the NUL that ends a string in C.
_BREAKS = re.compile("[ \t\n\v\f\r\0]")
_WHOLE = re.compile(r"([+-]?[0-9]{1,9})(?:\.0*)?")


def columns(lines: Iterator[tuple[int, bytes]], path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, columns) of numbered lines, without blank ones and comments, which begin with #.

    A line is split at ASCII blanks alone, as by trec_eval: a non-breaking space is part of a column. Raises InputError,
    with file and line, on a line that is not UTF-8, and on an id that is none.
    """
    for number, raw in lines:
        found = raw.split()  # bytes: at what C calls a blank, and at nothing else
        if not found or found[0].startswith(b"#"):
            continue
        if b"\0" in raw or not raw.isascii():
            where = f"{path}:{number}"
            for word in decoded(raw, where).split(" "):  # which names the column of a byte that is wrong
                if "\0" in word:
                    raise _no_id(word, "a NUL, which ends a string in C", where)
            check_id(found[0].decode(), where, query=True)
        yield number, b" ".join(found).decode().split(" ")


def check_id(identifier: str, where: str = "", *, query: bool = False) -> None:
    """Raises InputError on what cannot be the id of a document, or of a `query`, in a TREC file.

    It is empty, holds an ASCII blank or a NUL, or begins with a byte-order mark; a query's that begins with # would be
    a comment.
    """
    if not identifier:
        raise InputError("an id is empty", where=where, remedy="Give it one or more characters")
    if found := _BREAKS.search(identifier):
        what = "a NUL, which ends a string in C" if found[0] == "\0" else "white space, which TREC files cannot hold"
        raise _no_id(identifier, what, where)
    if identifier.startswith("\ufeff"):
        raise _no_id(identifier, "a byte-order mark inside the file, as joined files have it", where)
    if query and identifier.startswith("#"):
        problem = f"query id {excerpt(identifier)} begins with #, which reads as a comment in a TREC file"
        raise InputError(problem, where=where, remedy="Rename it, here and in the qrels")


def _no_id(identifier: str, what: str, where: str) -> InputError:
    problem = f"id {excerpt(identifier)} contains {what}"
    return InputError(problem, where=where, remedy="Replace it, here and wherever the id stands")


def decimal(text: str) -> float | None:
    """A number in ASCII digits as C's strtod reads one; None for anything else, and for infinity, nan and hexadecimal.

    Python's own `float` also takes 9_5 and the digits of other scripts.
    """
    if "_" in text or not text.isascii():
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def grade(text: str, where: str) -> int:
    """A grade of relevance: a whole number of at most nine digits, also written 1.0. Raises InputError on another."""
    if not (whole := _WHOLE.fullmatch(text)):
        problem = f"relevance {excerpt(text)} is not a whole number of at most nine digits"
        raise InputError(problem, where=where, remedy="Write 0, 1, 2, …")
    return int(whole[1])


def twice(query_id: str, doc_id: str, verb: str, where: str) -> InputError:
    """The error for a document that a query has on two lines, which trec_eval refuses too."""
    problem = f"document {excerpt(doc_id)} is {verb} twice for query {excerpt(query_id)}"
    return InputError(problem, where=where, remedy="Keep one line for each query and document")
