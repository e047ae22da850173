"""JSON files that strop wrote, read back strictly: what it would never write is a fault that is named."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from strop.records.errors import InputError
from strop.records.text_lines import whole_text

#: Lists and objects inside one another: ours have fewer than ten.
_DEEPEST = 64
#: No count of ours is larger; a larger one is a number to JSON, and too large for a float.
_LARGEST = 2**63
_AGAIN = "Run what wrote the folder again, or restore the file"


def read_content(path: Path) -> Any:
    """The plain value that a file holds. Raises InputError, naming file and line, for a file that cannot be read, that
    is not UTF-8 or not JSON, and for NaN, infinite or endless numbers and endless nesting."""
    text, line = whole_text(path, _AGAIN), 0
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_counted)
        if "\\u" in text:  # of what is escaped only half a surrogate pair is no text
            json.dumps(value, ensure_ascii=False).encode()
        if _depth(value, _DEEPEST) <= _DEEPEST:
            return value
        problem = f"more than {_DEEPEST} lists or objects inside one another"
    except RecursionError:
        problem = "endless lists or objects inside one another"
    except json.JSONDecodeError as error:
        problem, line = f"{error.msg}, column {error.colno}", error.lineno
    except UnicodeEncodeError as error:
        problem = f"half a surrogate pair, {error.object[error.start]!a}"
    except ValueError as error:
        problem = str(error)
    where = f"{path}:{line}" if line else str(path)
    raise InputError(f"not a JSON file that can be read ({problem})", where=where, remedy=_AGAIN)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:20]} is too large")
    return value


def _counted(text: str) -> int:
    if len(text) > 20 or abs(value := int(text)) > _LARGEST:
        raise ValueError(f"{text[:20]}… is too large")
    return value


def _depth(value: Any, most: int) -> int:
    """Levels of lists and objects, counted up to one more than `most`."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    nested = [each for each in inside if isinstance(each, (dict, list))]
    return 1 + max((_depth(each, most - 1) for each in nested), default=0) if most >= 0 else 1
