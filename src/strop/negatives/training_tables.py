"""The rows of a CSV or TSV file whose first line names the columns."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from strop.negatives.row_layouts import QUERY_COLUMNS
from strop.negatives.row_values import LINE
from strop.records.errors import InputError, excerpt

Row = dict[str, Any]
Lines = Iterator[tuple[int, str]]
"""Numbered from 1, each with its end."""

_DELIMITERS = "\t,;"
_TABLE = f"Write JSON lines ({LINE}), or CSV or TSV whose first line names the columns, like query,positive,negative"
_QUOTE = 'Quote such a text, and double its "'
#: Columns that hold a number or, as JSON, a list of them.
_NUMBERS = {"label", "scores", "pos_scores", "neg_scores"}
#: How a list of texts looks once it was written to a cell.
_LIST = re.compile(r"\s*\[\s*(['\"]).*\1\s*\]\s*", re.DOTALL)


def table_rows(lines: Lines, path: Path) -> Iterator[tuple[str, Row]]:
    """(file and line, columns) of each row below the header, which is the first of the lines. An empty cell is None.

    A quote at the start of a cell opens a text that may hold delimiters, quotes (doubled) and line ends. Raises
    InputError on a header without a query, a name twice, broken quotes, and a row of more or fewer cells than the
    header; also where a quote may have joined rows of a TSV file, which many programs write without quoting.
    """
    number, header = next(lines)
    where = f"{path}:{number}"
    delimiter = next((d for d in _DELIMITERS if QUERY_COLUMNS & {*header.strip().replace('"', "").split(d)}), None)
    if delimiter is None:
        problem = f"neither JSON nor a header with a query among its columns: {excerpt(header.strip())}"
        raise InputError(problem, where=where, remedy=_TABLE)
    limit = csv.field_size_limit(2**31 - 1)
    held: list[str] = []
    reader = csv.reader(_kept(chain([header], (line for _, line in lines)), held), delimiter=delimiter, strict=True)
    try:
        names = next(reader)
        if len(set(names)) < len(names):
            raise twice(names, where)
        while True:
            number, held[:] = number + len(held), []
            if (cells := next(reader, None)) is None:
                return
            where = f"{path}:{number}"
            if len(cells) > 1 or "".join(cells).strip():
                _check_cells(cells, names, held, delimiter, where)
                yield where, {name: _cell(name, cell, where) for name, cell in zip(names, cells, strict=True)}
    except csv.Error as error:
        where = f"{path}:{number + len(held) - 1}"
        raise InputError(f"broken table ({error})", where=where, remedy=_QUOTE) from None
    finally:
        csv.field_size_limit(limit)


def twice(names: Sequence[str], where: str = "", row: str = "") -> InputError:
    """The error for columns of which two have one name."""
    problem = f"the column {excerpt(next(name for name in names if names.count(name) > 1))} is there twice{row}"
    return InputError(problem, where=where, remedy="Keep one, or rename the other")


def _kept(lines: Iterator[str], held: list[str]) -> Iterator[str]:
    for line in lines:
        held.append(line)
        yield line


def _check_cells(cells: Sequence[str], names: Sequence[str], held: Sequence[str], delimiter: str, where: str) -> None:
    if len(cells) != len(names):
        problem = f"{len(cells)} cells below a header of {len(names)}"
        raise InputError(problem, where=where, remedy=f"Quote a text that holds {excerpt(delimiter)}, or add cells")
    if delimiter == "\t" and len(held) > 1 and all(line.count(delimiter) == len(names) - 1 for line in held):
        problem = (
            f"a quote joins this line and the next {len(held) - 1}, of which each could be a row: {excerpt(held[0])}"
        )
        raise InputError(problem, where=where, remedy=f"{_QUOTE}; or write JSON lines")


def _cell(name: str, cell: str, where: str) -> Any:
    if name in _NUMBERS and cell:
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell  # which its reader names
    if _LIST.fullmatch(cell):
        problem = f"{excerpt(name)} holds a list written as a text: {excerpt(cell)}"
        raise InputError(problem, where=where, remedy=f"Write JSON lines, which hold lists: {LINE}")
    return cell or None
