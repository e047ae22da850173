"""Studies as values: scales, presets of systems, and the study that holds them."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TypeVar

from strop.models.architecture import Architecture
from strop.records.errors import InputError, excerpt
from strop.study.claims import Claim
from strop.study.negative_policies import Negatives
from strop.study.open_questions import OpenQuestion
from strop.study.parts import parts
from strop.study.systems import Reranked, System, Tuned

T = TypeVar("T")

#: More names than these are listed with commas.
MANY = 8
#: The collection of a claim about the mean over all collections but the one that was trained on.
OUT_OF_DOMAIN = "out of domain"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of a collection a run uses; None is no limit."""

    name: str
    collection: str
    test_queries: int | None
    test_documents: int | None
    train_queries: int | None
    train_documents: int | None
    #: Documents are cut to so many characters.
    cut_chars: int | None
    #: How many documents per query are retrieved.
    depth: int
    seeds: tuple[int, ...]
    #: The presets to run, in this order, each with as many of the seeds.
    presets: Mapping[str, int]
    #: A preset's batches shrink alike until its largest is this…
    largest_batch: int | None = None
    #: Where given, the only systems to run.
    systems: tuple[str, ...] = ()
    test_split: str = "test"
    #: Set the base and BM25 on the whole corpus beside the panel, and rerun slow demonstrations.
    thorough: bool = False
    #: How this scale differs from the paper's own, one sentence each.
    deviations: tuple[str, ...] = ()
    #: Further collections, on whose panels of `other_queries` and `other_documents` every system is tested too.
    others: tuple[str, ...] = ()
    #: Stands in for the study's base.
    base: str | None = None
    other_queries: int | None = None
    other_documents: int | None = None
    #: … or all shrink by this factor.
    batch_share: float | None = None
    epochs_share: float = 1.0
    #: How many candidates a reranker puts in a new order.
    rerank_depth: int = 100
    #: For models that are not at hand, by name, an architecture of random weights; no quality number of it is shown.
    stand_ins: Mapping[str, Architecture] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preset:
    """The paper's settings under one interpretation, as systems in the order to show them.

    Every system sees the same queries and positives. `watched` are kinds of negatives by name: held-out queries get
    each kind, and every tuned system is evaluated on all of them in training. Rerankers reorder what the system
    `candidates` retrieves. Raises ValueError when two systems share a name, one names a system that is not there or
    depends on itself, the system to rerank by has no model, or rerankers have no candidates.
    """

    name: str
    systems: tuple[System, ...]
    watched: tuple[tuple[str, Negatives], ...] = ()
    candidates: str = ""

    def __post_init__(self) -> None:
        names = {s.name: s for s in self.systems}
        if len(names) < len(self.systems):
            raise ValueError(f"preset {self.name}: two systems share a name")
        for centre in {s.centre for s in self.systems} - {"", *names}:
            raise ValueError(f"preset {self.name}: no system is the centre {centre!r}")
        if not self.candidates and any(s.way.needs_candidates for s in self.systems):
            raise ValueError(f"preset {self.name}: no system finds the candidates of its rerankers")
        needs = {name: self.needs(name) for name in names}
        for part in set().union(*needs.values()) - names.keys():
            raise ValueError(f"preset {self.name}: no system is the part {part!r}")
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            raise ValueError(f"preset {self.name}: systems are made of each other: {error.args[1]}") from None
        for name in names:
            reranking = self.reranking(name)
            if reranking and self.system(reranking.by).way.initial is None:
                raise ValueError(f"preset {self.name}: {reranking.by!r} has no model to rerank by")

    def system(self, name: str) -> System:
        """Raises KeyError when there is none."""
        return {s.name: s for s in self.systems}[name]

    def tuned(self, name: str) -> Tuned:
        """The recipe, epochs and negatives of a tuned system. Raises ValueError for any other."""
        how = self.system(name).how
        if not isinstance(how, Tuned):
            raise ValueError(f"preset {self.name}: the system {name!r} is not tuned")
        return how

    def reranking(self, name: str, depth: int = 0) -> Reranked | None:
        """Whose candidates a system reorders, by whose model; a cross-encoder gets `depth`. None where it retrieves."""
        way = self.system(name).way
        if way.needs_candidates:
            return Reranked(self.candidates, name, depth)
        return way if isinstance(way, Reranked) else None

    def parts(self, name: str) -> tuple[str, ...]:
        """The systems whose rankings a system's ranking needs."""
        way = self.system(name).way
        return (self.candidates,) if way.needs_candidates else way.parts

    def needs(self, name: str) -> tuple[str, ...]:
        """The systems that a system needs in any way: its parts, and what mines, teaches or chooses its rate."""
        return (*self.parts(name), *sorted(self.system(name).way.helpers(name)))

    def trained(self, name: str) -> tuple[str, ...]:
        """The tuned systems whose models a system's ranking needs: itself, or those it is made of."""
        own = (name,) if self.system(name).way.is_tuned else ()
        return tuple(dict.fromkeys((*own, *(t for part in self.parts(name) for t in self.trained(part)))))

    def is_random(self, name: str, scale: Scale) -> bool:
        """Whether a system is built on a stand-in of random weights: then no quality number of it is shown."""
        initial = self.system(name).way.initial
        own = initial is not None and initial.base in scale.stand_ins
        return own or any(self.is_random(part, scale) for part in self.needs(name))


@dataclass(frozen=True, slots=True)
class Study:
    """A paper as data.

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
    #: Per setting that the paper leaves open, what its text, its code and strop each say.
    choices: Mapping[str, Mapping[str, str]]
    #: The paper's figures of its systems by measure, and its loss curves as (update, loss).
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    published_loss: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    #: Open questions about the paper, each with what answers it.
    questions: tuple[OpenQuestion, ...] = ()
    #: The paper's printed tables: {table: {system: {column: figure}}}.
    tables: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    #: Only on a corpus of so many documents is the setting the paper's own; effects on any other are analogues.
    own_documents: int | None = None
    #: The base has random weights: no quality number is shown.
    random_weights: bool = False
    #: The (preset, system) whose checkpoints `strop study checkpoints` compares.
    checkpointed: tuple[tuple[str, str], ...] = ()
    #: By collection, what the base's own training saw of it.
    exposure: Mapping[str, str] = field(default_factory=dict)
    #: By system, what to know about the count of parameters that the paper prints for it.
    parameter_notes: Mapping[str, str] = field(default_factory=dict)

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
        return self._named({p.name: p for p in self.presets}, name, "preset")

    def scale(self, name: str) -> Scale:
        return self._named({s.name: s for s in self.scales}, name, "scale")

    def question(self, name: str) -> OpenQuestion:
        return self._named({q.id: q for q in self.questions}, name, "open question")

    def _named(self, values: Mapping[str, T], name: str, kind: str) -> T:
        """Raises InputError when there is none of that name."""
        if name not in values:
            known = f"one of {', '.join(values)}" if len(values) > MANY else " or ".join(values) or "none yet"
            raise InputError(f"study {self.name} has no {kind} {excerpt(name)}", remedy=f"Choose {known}")
        return values[name]


def find(name_or_path: str) -> Study:
    """A study that comes with strop, or the value `STUDY` of a user's own Python file.

    Raises InputError when there is none.
    """
    path = Path(name_or_path)
    if path.suffix == ".py":
        if not os.path.isfile(path):
            raise InputError("there is no such study file", where=name_or_path, remedy="Check the path")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except InputError:
            raise
        except Exception as error:  # a user's own code
            problem = f"the file cannot be run ({type(error).__name__}: {error})"
            raise InputError(problem, where=name_or_path, remedy="Correct it: python FILE shows where") from error
    else:
        known = studies()
        if of_study := parts(name_or_path):
            remedy = f"Type: strop study run {name_or_path} --part {next(iter(of_study))}"
            raise InputError(f"study {name_or_path} runs by parts only: {', '.join(of_study)}", remedy=remedy)
        if name_or_path not in known:
            raise InputError(
                f"there is no study {excerpt(name_or_path)}",
                remedy=f"Choose {' or '.join(known)}, or give the path of a Python file that defines STUDY",
            )
        module = importlib.import_module(f"strop.studies.{name_or_path}.study")
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study):
        raise InputError("the file defines no STUDY", where=name_or_path, remedy="Define STUDY = strop.study.Study(…)")
    return study


def with_question(name: str) -> str:
    """The study that comes with strop and has an open question of that name. Raises InputError when none has."""
    for study in studies():
        if any(question.id == name for question in find(study).questions):
            return study
    raise InputError(f"no study has an open question {excerpt(name)}", remedy="'strop study show all' lists them")


def studies() -> tuple[str, ...]:
    """The names of the studies that come with strop."""
    folder = Path(__file__).parents[1] / "studies"
    return tuple(sorted(path.parent.name for path in folder.glob("*/study.py")))
