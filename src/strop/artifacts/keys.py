"""Keys: equal values and equal content have equal hashes, wherever they lie and whenever they were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from strop.records.seals import file_sha256

#: Metadata of a field that a value did not always have; see `canonical`.
ADDED = {"added": True}


def canonical(value: Any) -> Any:
    """A frozen value as JSON with its type's name and its fields: what keys are hashed from, and records show.

    A type of strop's own goes by its bare name, so that it may move between modules; any other by module and name, so
    that a user's own `Triplet` never gets the artifact of strop's. A field added later, `field(default=…,
    metadata=ADDED)`, is left out while it has its default, so that older artifacts keep their keys. Raises TypeError
    for anything without a canonical form, such as a path: equal content has equal keys wherever it lies.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value)
    if is_dataclass(value) and not isinstance(value, type):
        kept = [f.name for f in fields(value) if not (f.metadata == ADDED and getattr(value, f.name) == f.default)]
        return {"type": _type_name(type(value)), **{name: canonical(getattr(value, name)) for name in kept}}
    if isinstance(value, (tuple, list)):
        return [canonical(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): canonical(v) for k, v in value.items()}
    raise TypeError(f"{type(value).__name__} has no canonical form: {value!r}")


def _type_name(kind: type) -> str:
    own = kind.__module__.partition(".")[0] == "strop"
    return kind.__name__ if own else f"{kind.__module__}.{kind.__qualname__}"


def content_key(*parts: Any) -> str:
    """SHA-256 over the canonical JSON of `parts`: 64 hex digits."""
    return hashlib.sha256(json.dumps(canonical(parts), sort_keys=True).encode()).hexdigest()


@cache
def package_sha256() -> str:
    """Over every file of this package: Results are out of date once any of them changes."""
    root = Path(__file__).parents[1]
    files = sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return content_key({p.relative_to(root).as_posix(): file_sha256(p) for p in files})
