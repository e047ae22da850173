"""Studies as values: systems, scales, and the readings of a paper they stand for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from strop.claims import Claim
from strop.lexical import BM25
from strop.negatives.from_run import RankWindow
from strop.nouns import InputError
from strop.train import Recipe


@dataclass(frozen=True, slots=True)
class Tuned:
    """A fine-tuned system: a recipe, how many epochs it sees, and its negatives (None: only the batch's own).

    The recipe's `updates` are set from the epochs and the number of training groups. Raises ValueError when a recipe
    that needs negatives has none.
    """

    recipe: Recipe
    epochs: int
    negatives: RankWindow | None = None

    def __post_init__(self) -> None:
        if self.negatives is None and not self.recipe.batching.in_batch:
            raise ValueError("the recipe takes no negatives from its batch, and `negatives` names no others")


@dataclass(frozen=True, slots=True)
class System:
    """One row of the study's table. `how` is BM25, the untouched base model (None), or a tuned one."""

    name: str
    label: str
    how: BM25 | Tuned | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of a collection a run uses. Panels are drawn by chance before any training.

    `max_chars` keeps to short documents, so that a small machine can afford many of them. `deviations` says, a
    sentence each, how this differs from the paper's own scale.
    """

    name: str
    collection: str
    test_queries: int
    test_documents: int
    train_queries: int
    train_documents: int
    max_chars: int | None
    depth: int
    seeds: tuple[int, ...]
    deviations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preset:
    """One reading of the paper, as systems in the order to show them.

    Negatives are mined once, for the same queries in every system. Raises ValueError when two systems share a name, or
    their windows differ.
    """

    name: str
    systems: tuple[System, ...]

    def __post_init__(self) -> None:
        names = [s.name for s in self.systems]
        if len(set(names)) != len(names):
            raise ValueError(f"preset {self.name}: two systems share a name")
        if len(self._windows) > 1:
            raise ValueError(f"preset {self.name}: negatives are mined from one window, not from {self._windows}")

    @property
    def window(self) -> RankWindow | None:
        """Where the negatives of its tuned systems come from; None where no system takes any."""
        return next(iter(self._windows), None)

    @property
    def _windows(self) -> set[RankWindow]:
        return {s.how.negatives for s in self.systems if isinstance(s.how, Tuned) and s.how.negatives}


_Named = TypeVar("_Named", Preset, Scale)


@dataclass(frozen=True, slots=True)
class Study:
    """A paper as data. `choices` lists, per doubtful choice, what text, code and strop each say.

    Raises ValueError when a preset lacks the baseline, or a claim names a system that no preset has.
    """

    name: str
    title: str
    paper: str
    base: str
    baseline: str
    primary_measure: str
    presets: tuple[Preset, ...]
    scales: tuple[Scale, ...]
    claims: tuple[Claim, ...]
    published: Mapping[str, Mapping[str, float]]
    published_loss: Mapping[str, tuple[tuple[int, float], ...]]
    choices: Mapping[str, Mapping[str, str]]

    def __post_init__(self) -> None:
        for preset in self.presets:
            if self.baseline not in (s.name for s in preset.systems):
                raise ValueError(f"preset {preset.name} lacks the baseline {self.baseline!r}")
        known = {s.name for preset in self.presets for s in preset.systems}
        for claim in self.claims:
            for name in {claim.system, claim.against} - {"", *known}:
                raise ValueError(f"claim {claim.id}: no preset has a system {name!r}")

    def preset(self, name: str) -> Preset:
        return _named(self.presets, name, "preset", self.name)

    def scale(self, name: str) -> Scale:
        return _named(self.scales, name, "scale", self.name)


def find(name_or_path: str) -> Study:
    """A study that comes with strop, or the value `STUDY` of a user's own Python file.

    Raises InputError when there is none.
    """
    path = Path(name_or_path)
    if path.suffix == ".py":
        if not path.is_file():
            raise InputError("there is no such study file", where=name_or_path, remedy="Check the path")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        known = studies()
        if name_or_path not in known:
            raise InputError(
                f"there is no study {name_or_path!r}",
                remedy=f"Choose {' or '.join(known)}, or give the path of a Python file that defines STUDY",
            )
        module = importlib.import_module(f"strop.studies.{name_or_path}.study")
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study):
        raise InputError("the file defines no STUDY", where=name_or_path, remedy="Define STUDY = strop.study.Study(…)")
    return study


def studies() -> tuple[str, ...]:
    """The names of the studies that come with strop."""
    folder = Path(__file__).parent / "studies"
    return tuple(sorted(p.parent.name for p in folder.glob("*/study.py")))


def _named(values: tuple[_Named, ...], name: str, what: str, study: str) -> _Named:
    for value in values:
        if value.name == name:
            return value
    raise InputError(
        f"study {study} has no {what} {name!r}", remedy=f"Choose {' or '.join(v.name for v in values) or 'none yet'}"
    )
