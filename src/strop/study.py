"""Studies as values: systems, scales, and the readings of a paper they stand for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar

from strop.claims import Claim
from strop.lexical import BM25
from strop.models.architecture import Start
from strop.negatives.from_run import RankWindow
from strop.negatives.positive_relative import PositiveRelative
from strop.negatives.sampled import Uniform
from strop.nouns import InputError
from strop.points import Point
from strop.train import Recipe

#: Where a claim is about the mean over all collections but the one that was trained on.
ELSEWHERE = "out of domain"


@dataclass(frozen=True, slots=True)
class Mined:
    """Negatives from a window of ranks of what a miner finds among the training documents: BM25, the base (None), or
    the finished model of another system of the preset, by name, at the first seed."""

    window: RankWindow
    miner: BM25 | str | None = None


@dataclass(frozen=True, slots=True)
class Provided:
    """The triples that come with the collection; where none come, `otherwise`, which is what they are made of."""

    otherwise: Mined


@dataclass(frozen=True, slots=True)
class SelfMined:
    """Negatives from the trainee's own ranks: of the start at first, then anew from the model at each of `refreshes`
    evenly spread updates, with the same optimiser and schedule going on."""

    window: RankWindow
    refreshes: int = 1


@dataclass(frozen=True, slots=True)
class Union:
    """Every query once with the negatives of each source, so many times the rows; or, with `counts`, one row a query
    with so many of each."""

    of: tuple[Mined, ...]
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The first `keep` negatives of a window that the estimator does not flag as false; `of` draws more than that.

    The estimator's sources are `dense` (the base) and `bm25`.
    """

    of: Mined
    estimator: PositiveRelative
    keep: int = 1


Negatives: TypeAlias = Uniform | Mined | Provided | SelfMined | Union | Cleaned


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates to choose from: the system `on` is trained with each at the first seed, and the rate whose model
    ranks the held-out queries best (RR@10 over the training documents) serves every system that names the same."""

    values: tuple[float, ...]
    on: str


@dataclass(frozen=True, slots=True)
class Tuned:
    """A fine-tuned system: a recipe, how many epochs it sees, and its negatives (None: only the batch's own).

    The recipe's `updates` are set from the epochs and the number of training groups, of which only `share` are used;
    its learning rate from `rates`, where there are some. `start` is what it is tuned from (None: the base). Raises
    ValueError when a recipe that needs negatives has none, or `share` is outside (0, 1].
    """

    recipe: Recipe
    epochs: int
    negatives: Negatives | None = None
    share: float = 1.0
    rates: Rates | None = None
    start: Start | None = None

    def __post_init__(self) -> None:
        if self.negatives is None and not self.recipe.batching.in_batch:
            raise ValueError("the recipe takes no negatives from its batch, and `negatives` names no others")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}, not a share of the training groups")


@dataclass(frozen=True, slots=True)
class System:
    """One row of the study's table. `how` is BM25, the untouched base model (None), the base in another architecture or
    size, or a tuned one.

    `point` names the doubtful point a knob's system stands for: it differs from the system `centre` by that alone.
    """

    name: str
    label: str
    how: BM25 | Start | Tuned | None
    note: str = ""
    point: str = ""
    centre: str = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of a collection a run uses. Panels are drawn by chance before any training.

    Documents are cut to `cut_chars`, so that a small machine can afford many of them; None leaves a limit out.
    `presets` are those to run, in this order, each with as many of the `seeds`; `systems`, where given, the only ones.
    `others` are further collections, on whose panels of `other_queries` and `other_documents` every system is tested
    too; `base` stands in for the study's. A preset's batches shrink alike until the largest is `largest_batch`, or all
    by `batch_share`; its epochs by `epochs_share`. A `thorough` run sets the base and BM25 on the whole corpus beside
    the panel and reruns slow demonstrations. `deviations` says, a sentence each, how this differs from the paper's own
    scale.
    """

    name: str
    collection: str
    test_queries: int | None
    test_documents: int | None
    train_queries: int | None
    train_documents: int | None
    cut_chars: int | None
    depth: int
    seeds: tuple[int, ...]
    presets: Mapping[str, int]
    largest_batch: int | None = None
    systems: tuple[str, ...] = ()
    test_split: str = "test"
    thorough: bool = False
    deviations: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    base: str | None = None
    other_queries: int | None = None
    other_documents: int | None = None
    batch_share: float | None = None
    epochs_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Preset:
    """One reading of the paper, as systems in the order to show them.

    Every system sees the same queries and positives. `watched` are the kinds of negatives by name: held-out queries
    get each, and every tuned system is watched on all of them. Raises ValueError when two systems share a name, or
    a system's centre is none of them.
    """

    name: str
    systems: tuple[System, ...]
    watched: tuple[tuple[str, Negatives], ...] = ()

    def __post_init__(self) -> None:
        names = [s.name for s in self.systems]
        if len(set(names)) != len(names):
            raise ValueError(f"preset {self.name}: two systems share a name")
        for centre in {s.centre for s in self.systems} - {"", *names}:
            raise ValueError(f"preset {self.name}: no system is the centre {centre!r}")

    def system(self, name: str) -> System:
        """Raises KeyError when there is none."""
        return {s.name: s for s in self.systems}[name]


_Named = TypeVar("_Named", Preset, Scale)


@dataclass(frozen=True, slots=True)
class Study:
    """A paper as data. `choices` lists, per doubtful choice, what text, code and strop each say; `points` are its
    doubtful points, each with what shows it; `tables` its printed tables, {table: {system: {column: figure}}}. Only on
    a corpus of `own_documents` is its setting its own; effects anywhere else are analogues. A base of `random_weights`
    shows machinery and cost, and no quality number of its study is shown. `checkpointed` are the (preset, system) whose
    checkpoints `strop study checkpoints` compares. `seen` says of collections, by name, what its base saw of them.

    Raises ValueError when a preset lacks the baseline, a claim names a system that no preset has, or a scale a preset.
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
    points: tuple[Point, ...] = ()
    tables: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    own_documents: int | None = None
    random_weights: bool = False
    checkpointed: tuple[tuple[str, str], ...] = ()
    seen: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for preset in self.presets:
            if self.baseline not in (s.name for s in preset.systems):
                raise ValueError(f"preset {preset.name} lacks the baseline {self.baseline!r}")
        known = {s.name for preset in self.presets for s in preset.systems}
        for claim in self.claims:
            for name in {claim.system, claim.against} - {"", *known}:
                raise ValueError(f"claim {claim.id}: no preset has a system {name!r}")
        for scale in self.scales:
            for name in set(scale.presets) - {p.name for p in self.presets}:
                raise ValueError(f"scale {scale.name}: there is no preset {name!r}")

    def preset(self, name: str) -> Preset:
        return _named(self.presets, name, "preset", self.name)

    def scale(self, name: str) -> Scale:
        return _named(self.scales, name, "scale", self.name)

    def point(self, name: str) -> Point:
        """Raises InputError when the study has no such point."""
        for point in self.points:
            if point.id == name:
                return point
        known = ", ".join(p.id for p in self.points)
        raise InputError(f"study {self.name} has no point {name!r}", remedy=f"Choose one of {known or 'none yet'}")


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


def with_point(name: str) -> str:
    """The study that comes with strop and has a point of that name. Raises InputError when none has."""
    for study in studies():
        if any(point.id == name for point in find(study).points):
            return study
    raise InputError(f"no study has a point {name!r}", remedy="'strop study show all' lists them")


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
