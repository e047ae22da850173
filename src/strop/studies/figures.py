"""Printed figures: reading the tables that a study carries, and whether a figure is another one rounded."""

from __future__ import annotations

import csv
from pathlib import Path

_EPSILON = 1e-9


def lines(path: Path) -> list[dict[str, str]]:
    """A CSV file with a header, one dictionary per line."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def texts(path: Path) -> dict[str, dict[str, str]]:
    """A table by its first column: name -> column -> cell."""
    return {line.pop(next(iter(line))): line for line in lines(path)}


def figures(path: Path) -> dict[str, dict[str, float]]:
    """A table of figures by its first column; empty cells are left out."""
    return {name: {column: float(v) for column, v in row.items() if v} for name, row in texts(path).items()}


def is_rounded(printed: float, value: float, decimals: int) -> bool:
    """Whether `printed`, of so many decimals, can be `value` rounded: either way where it is half-way between two."""
    return abs(printed - value) <= 0.5 * 0.1**decimals + _EPSILON
