"""The exhibit `parameters`: what each system trains, beside what its paper prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ledger:
    """A system's parameters, counted in the model; `published` is what its paper prints as trained."""

    system: str
    total: int
    trainable: int
    by_part: Mapping[str, int]
    share: float
    published: int | None
    note: str
