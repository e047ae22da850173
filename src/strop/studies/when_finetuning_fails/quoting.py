"""What the default quoting of a CSV reader does to a file that has none: rows merged and rows lost, counted."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from strop.records.errors import InputError

#: What csv.field_size_limit takes on every platform; a merged field can be as long as the file.
_NO_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class QuotedRows:
    """`raw` = `kept` + `merged` + `lost`.

    `raw` lines that are not blank; `kept` rows that a quoting reader gives; `merged` lines that vanished in an
    earlier row, because a quotation mark opened it; `lost` rows with too many columns, dropped by readers that skip
    bad lines.
    """

    raw: int
    kept: int
    merged: int
    lost: int


def quoted_rows(path: str | Path, columns: int) -> QuotedRows:
    """Count a tab-separated file of so many columns as the thesis' preparation reads it (point T21).

    The csv module's defaults: a field that begins with `"` runs to the next single `"`, over tabs and lines. Raises
    InputError on a file that cannot be read as UTF-8.
    """
    path, limit = Path(path), csv.field_size_limit(_NO_LIMIT)
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            lines = (line.rstrip("\r\n").replace("\r", " ") + "\n" for line in file if line.strip())
            reader = csv.reader(lines, delimiter="\t")
            too_wide = Counter(len(row) > columns for row in reader)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), remedy="Check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 ({error.reason})", where=str(path), remedy="Save it as UTF-8") from None
    finally:
        csv.field_size_limit(limit)
    raw = reader.line_num
    return QuotedRows(raw, kept=too_wide[False], merged=raw - too_wide.total(), lost=too_wide[True])
