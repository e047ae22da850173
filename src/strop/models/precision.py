"""The precision of a forward pass. Weights, and what comes out of it, are float32 either way."""

from __future__ import annotations

from typing import Literal, get_args

from strop.records.errors import InputError, excerpt

#: bfloat16 is by autocast.
Precision = Literal["float32", "bfloat16"]


def check_precision(precision: str) -> None:
    """Raises InputError for one that is not known."""
    if precision not in get_args(Precision):
        raise InputError(f"precision is {excerpt(precision)}", remedy="Give float32 or bfloat16")
