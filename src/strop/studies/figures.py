"""Printed figures: reading the tables that a study carries, and whether a figure is another one rounded."""

from __future__ import annotations

import csv
from pathlib import Path

_EPSILON = 1e-9


def lines(path: Path) -> list[dict[str, str]]:
    """A CSV file with a header, one dictionary per line."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def is_rounded(printed: float, value: float, decimals: int) -> bool:
    """Whether `printed`, of so many decimals, can be `value` rounded: either way where it is half-way between two."""
    return abs(printed - value) <= 0.5 * 0.1**decimals + _EPSILON
