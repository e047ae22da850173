"""Studies that run in parts, each with plain files of its own, where no paper's systems are to be replicated."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from strop.artifacts.progress import Progress
from strop.artifacts.store import Store
from strop.records.errors import InputError, excerpt

_STUDIES = Path(__file__).parents[1] / "studies"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The folder that a part wrote, and what a terminal shows of it: rows by title, the first row a header."""

    folder: Path
    tables: Mapping[str, Sequence[Sequence[str]]]


#: Called with the store, progress, and the collections or Results folders that a user names.
Part: TypeAlias = Callable[[Store, Progress, Sequence[str]], Outcome]


def parts(study: str) -> Mapping[str, Part]:
    """The parts of a study that comes with strop, by name; none where it is run as a whole."""
    if not study.isidentifier() or not (_STUDIES / study / "parts.py").is_file():
        return {}
    found: Mapping[str, Part] = importlib.import_module(f"strop.studies.{study}.parts").PARTS
    return found


def part(study: str, name: str) -> Part:
    """Raises InputError when the study has no such part."""
    known = parts(study)
    if not known:
        raise InputError(f"study {study} has no parts", remedy="Leave --part out, or name a study that has some")
    if name not in known:
        raise InputError(f"study {study} has no part {excerpt(name)}", remedy=f"Choose {' or '.join(known)}")
    return known[name]
