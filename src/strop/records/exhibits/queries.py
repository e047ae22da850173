"""The exhibit `queries`: per test query its text, and where each system ranks its first relevant document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Of the first relevant document, from 1; None where it was not retrieved.
Rank = int | None


@dataclass(frozen=True, slots=True)
class QueryRanks:
    """A test query; `systems` -> the rank of its first relevant document, one or one for each seed."""

    text: str
    systems: Mapping[str, Rank | tuple[Rank, ...]]
