"""What the tests of demonstrations share: the evidence's rows, and a paper's tables as if printed otherwise."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from strop.study.open_questions import Evidence


def row_of(evidence: Evidence, name: str) -> dict[str, str]:
    """The row of the first table that begins with `name`, by column."""
    table = evidence.tables[0]
    return next(dict(zip(table.columns, cells, strict=True)) for cells in table.rows if cells[0] == name)


def reads_well(evidence: Evidence) -> bool:
    """Whether it has a sentence with a figure in it, and a table."""
    digits = any(character.isdigit() for character in evidence.sentence)
    return digits and evidence.sentence.endswith(".") and bool(evidence.tables)


def as_if(monkeypatch: pytest.MonkeyPatch, modules: tuple[ModuleType, ...], change: Callable[[Any], Any]) -> None:
    """The printed rows that these modules read, each changed."""
    changed = tuple(map(change, modules[0].rows()))
    for module in modules:
        monkeypatch.setattr(module, "rows", lambda: changed)
