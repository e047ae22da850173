"""Frozen dataclasses to and from plain values, which is what JSON holds: one function each way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from strop.records.errors import InputError, excerpt

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Dictionaries, lists and scalars. A field whose default is None or False is left out while it holds that."""
    if is_dataclass(value):
        named = ((field, getattr(value, field.name)) for field in fields(value))
        return {f.name: to_plain(v) for f, v in named if v is not f.default or (v is not None and v is not False)}
    if isinstance(value, Mapping):
        return {key: to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(inner) for inner in value]
    return value


def from_plain(kind: type[T], value: object, where: object) -> T:
    """The value of type `kind` that `to_plain` made plain; fields that it does not know are ignored.

    Raises InputError, naming the key, its value and the place, where something is missing or of another type.
    """
    from pydantic import ValidationError

    adapter: Any = _adapter
    try:
        read: T = adapter(kind).validate_json(json.dumps(value), strict=True)  # of plain values lists are tuples too
        return read
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = ".".join(map(str, fault["loc"])) or "the file"
        missing = fault["type"] == "missing"
        problem = f"{key} is missing" if missing else f"{key} is {excerpt(str(fault['input']))}: {fault['msg']}"
        remedy = "Give a file as strop wrote it, or run what wrote it again"
        raise InputError(problem, where=str(where), remedy=remedy) from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # only who reads a file waits for the import

    return TypeAdapter(kind)
