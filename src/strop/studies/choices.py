"""Where a paper's text, its code and our correction of it differ, one choice per row."""

from __future__ import annotations

from collections.abc import Mapping

#: The presets that stand for a paper: by its text, by its code, and ours.
PRESETS = ("as_written", "as_coded", "corrected")


def choices(*rows: tuple[str, str, str, str]) -> Mapping[str, Mapping[str, str]]:
    """Rows of (choice, as written, as coded, corrected) as a study holds them: choice -> preset -> words."""
    return {name: dict(zip(PRESETS, words, strict=True)) for name, *words in rows}
