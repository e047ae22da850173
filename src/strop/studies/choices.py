"""Where a paper's text, its code and our correction of it differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from strop.studies.figures import lines


def choices(study: Path) -> Mapping[str, Mapping[str, str]]:
    """choice -> preset -> words, from `published/choices.csv` of a study's folder: one line per choice, one column per
    preset that stands for the paper (as written, as coded, corrected)."""
    return {line.pop("choice"): line for line in lines(study / "published" / "choices.csv")}
