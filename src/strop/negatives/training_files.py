"""The rows of a training file in JSON lines, a JSON array, CSV or TSV, and gzip of each, known by content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from strop.negatives.row_values import LINE
from strop.negatives.training_tables import Lines, Row, table_rows, twice
from strop.records.errors import InputError, excerpt
from strop.records.text_lines import decoded, every_line

_UNPACK = "Unpack it; of packed files gzip is read"
_FROM_ARROW = (
    "Write JSON lines: python -c \"import datasets; datasets.Dataset.from_file('FILE').to_json('rows.jsonl')\""
)
#: First bytes of what is not read, its name, and what to do instead.
_NOT_READ = {
    b"PAR1": (
        "Parquet",
        'Write JSON lines: python -c "import pandas; '
        "pandas.read_parquet('FILE').to_json('rows.jsonl', orient='records', lines=True)\"",
    ),
    b"ARROW1": ("Arrow", _FROM_ARROW),
    b"\xff\xff\xff\xff": ("Arrow", _FROM_ARROW),
    b"PK\x03\x04": ("a zip archive or a spreadsheet", "Unpack the archive, or save the spreadsheet as CSV in UTF-8"),
    b"BZh": ("bzip2", _UNPACK),
    b"\xfd7zXZ": ("xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("zstd", _UNPACK),
}


def rows(path: Path) -> Iterator[tuple[str, Row]]:
    """(file and line, columns) of each row that is not blank; an array's rows are numbered. An empty cell is None.

    Raises InputError on a file of another kind, text that is not UTF-8, broken JSON, a column that a row has twice, and
    as `table_rows` does.
    """
    raw = every_line(path)
    number, first = next(((number, line) for number, line in raw if line.strip()), (0, b""))
    if kind := next((start for start in _NOT_READ if first.startswith(start)), None):
        name, remedy = _NOT_READ[kind]
        raise InputError(f"this is {name}", where=str(path), remedy=remedy)
    lines = ((n, _text(line, f"{path}:{n}")) for n, line in chain([(number, first)] * bool(number), raw))
    if re.match(rb"\s*\[\s*([{\]]|$)", first):
        yield from _array(lines, path)
    elif first.lstrip().startswith((b"{", b"[")):
        yield from _lines(lines, path)
    elif first:
        yield from table_rows(lines, path)


def _text(raw: bytes, where: str) -> str:
    return decoded(raw, where) + raw[len(raw.rstrip(b"\r\n")) :].decode()


def _lines(lines: Lines, path: Path) -> Iterator[tuple[str, Row]]:
    for number, line in lines:
        if line.strip():
            where = f"{path}:{number}"
            yield where, _row(_json(line.rstrip("\r\n"), path, number), where)


def _array(lines: Lines, path: Path) -> Iterator[tuple[str, Row]]:
    first, line = next(lines)
    for number, value in enumerate(_json("".join([line, *(line for _, line in lines)]), path, first), start=1):
        where = f"{path}, row {number}"
        yield where, _row(value, where)


def _row(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        problem = f"not a JSON object but a {type(value).__name__}: {excerpt(value)}"
        raise InputError(problem, where=where, remedy=LINE)
    return value


def _json(text: str, path: Path, first: int) -> Any:
    """The value of a text that begins on line `first`."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        line = error.doc.split("\n")[error.lineno - 1].rstrip()
        problem = f"broken JSON ({error.msg}, column {error.colno}): {excerpt(line)}"
        raise InputError(problem, where=f"{path}:{first + error.lineno - 1}", remedy=LINE) from None
    except (ValueError, RecursionError) as error:
        where = str(path) if "\n" in text else f"{path}:{first}"
        if isinstance(error, InputError):
            raise InputError(error.problem, where=where, remedy=error.remedy) from None
        reason = "too deep" if isinstance(error, RecursionError) else "a number of thousands of digits"
        raise InputError(f"broken JSON ({reason})", where=where, remedy=LINE) from None


def _object(pairs: Sequence[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise twice([name for name, _ in pairs], row=f" in {excerpt(pairs)}")
    return row
