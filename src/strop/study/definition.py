"""Studies as values: systems, scales, and the readings of a paper they stand for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TypeVar

from strop.models.architecture import Architecture
from strop.records.errors import InputError
from strop.study.claims import Claim
from strop.study.open_questions import Point
from strop.study.systems import Negatives, Reranked, Start, System, Tuned, miners, teachers

#: Where a claim is about the mean over all collections but the one that was trained on.
ELSEWHERE = "out of domain"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of a collection a run uses. Panels are drawn by chance before any training.

    Documents are cut to `cut_chars`, so that a small machine can afford many of them; None leaves a limit out.
    `presets` are those to run, in this order, each with as many of the `seeds`; `systems`, where given, the only ones.
    `others` are further collections, on whose panels of `other_queries` and `other_documents` every system is tested
    too; `base` stands in for the study's. A preset's batches shrink alike until the largest is `largest_batch`, or all
    by `batch_share`; its epochs by `epochs_share`. Rerankers reorder `rerank_depth` candidates. `stand_ins` are models
    that are not at hand, by name, each with an architecture of random weights in its place: machinery and cost, and no
    quality number. A `thorough` run sets the base and BM25 on the whole corpus beside the panel and reruns slow
    demonstrations. `deviations` says, a sentence each, how this differs from the paper's own scale.
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
    rerank_depth: int = 100
    stand_ins: Mapping[str, Architecture] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preset:
    """One reading of the paper, as systems in the order to show them.

    Every system sees the same queries and positives. `watched` are the kinds of negatives by name: held-out queries
    get each, and every tuned system is watched on all of them. Rerankers reorder what the system `candidates` finds.
    Raises ValueError when two systems share a name, a system names none of them (as its centre, part, miner, teacher
    or where its rate is chosen) or itself over any number of steps, a model is asked of a system without one, or there
    is a reranker and nothing for it to reorder.
    """

    name: str
    systems: tuple[System, ...]
    watched: tuple[tuple[str, Negatives], ...] = ()
    candidates: str = ""

    def __post_init__(self) -> None:
        names = [s.name for s in self.systems]
        if len(set(names)) != len(names):
            raise ValueError(f"preset {self.name}: two systems share a name")
        for centre in {s.centre for s in self.systems} - {"", *names}:
            raise ValueError(f"preset {self.name}: no system is the centre {centre!r}")
        if not self.candidates and any(isinstance(s.how, Tuned) and s.how.reranks for s in self.systems):
            raise ValueError(f"preset {self.name}: no system finds the candidates of its rerankers")
        needs = {name: self.needs(name) for name in names}
        for part in {part for of in needs.values() for part in of} - {*names}:
            raise ValueError(f"preset {self.name}: no system is the part {part!r}")
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            raise ValueError(f"preset {self.name}: systems are made of each other: {error.args[1]}") from None
        for by in {s.how.by for s in self.systems if isinstance(s.how, Reranked)}:
            if not isinstance(self.system(by).how, Tuned | Start | None):
                raise ValueError(f"preset {self.name}: {by!r} has no model to rerank by")

    def system(self, name: str) -> System:
        """Raises KeyError when there is none."""
        return {s.name: s for s in self.systems}[name]

    def parts(self, name: str) -> tuple[str, ...]:
        """The systems whose rankings a system's ranking needs."""
        system = self.system(name)
        if isinstance(system.how, Tuned) and system.how.reranks:
            return (self.candidates,)
        return system.parts

    def needs(self, name: str) -> tuple[str, ...]:
        """The systems that a system needs in any way: its parts, and of a tuned one what mines, teaches or chooses its
        rate."""
        how = self.system(name).how
        if not isinstance(how, Tuned):
            return self.parts(name)
        chosen = {how.rates.on} - {name} if how.rates else set()
        return (*self.parts(name), *sorted(miners(how.negatives) | teachers(how.negatives) | chosen))

    def trained(self, name: str) -> tuple[str, ...]:
        """The tuned systems whose models a system's ranking needs: itself, or those it is made of."""
        own = (name,) if isinstance(self.system(name).how, Tuned) else ()
        return tuple(dict.fromkeys((*own, *(t for part in self.parts(name) for t in self.trained(part)))))

    def is_random(self, name: str, scale: Scale) -> bool:
        """Whether a stand-in of random weights has a say in a system: then it gets no quality number."""
        how = self.system(name).how
        start = how if isinstance(how, Start) else how.start if isinstance(how, Tuned) else None
        own = start is not None and start.base in scale.stand_ins
        return own or any(self.is_random(part, scale) for part in self.needs(name))


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
    folder = Path(__file__).parents[1] / "studies"
    return tuple(sorted(path.parent.name for path in folder.glob("*/study.py")))


def _named(values: tuple[_Named, ...], name: str, what: str, study: str) -> _Named:
    for value in values:
        if value.name == name:
            return value
    raise InputError(
        f"study {study} has no {what} {name!r}", remedy=f"Choose {' or '.join(v.name for v in values) or 'none yet'}"
    )
