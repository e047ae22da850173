"""The record of a Results folder: what was run, with which values, on what, and how to run it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SystemAbout:
    """`values` are those of a BM25. Of a system of `random_weights` no quality number is shown."""

    label: str = ""
    note: str = ""
    values: Mapping[str, object] | None = None
    random_weights: bool = False


@dataclass(frozen=True, slots=True)
class TrainingAbout:
    """One training of the first seed. `rates`: setting of the grid -> its value on held-out queries."""

    values: Mapping[str, object]
    updates: int
    sum_learning_rates: float
    learning_rate: float
    wall_seconds: float
    rates: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Contrast:
    """A system that differs by one knob from another of its preset, its centre; `point` is what asks for it."""

    point: str
    preset: str
    system: str
    centre: str
    label: str


@dataclass(frozen=True, slots=True)
class CollectionAbout:
    queries: int
    documents: int
    fingerprint: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weights:
    """The base model: `source` says where its folder came from."""

    name: str
    sha256: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class StageAbout:
    """An artifact that the study built or reused."""

    name: str
    key: str
    wall_seconds: float


@dataclass(frozen=True, slots=True)
class Record:
    """The record of a conducted study. What an older folder lacks is empty."""

    study: str
    title: str = ""
    paper: str = ""
    scale: str = ""
    #: Sentences: how this scale departs from the paper.
    deviations: tuple[str, ...] = ()
    #: In the order they ran; the verdict is about the first.
    presets_run: tuple[str, ...] = ()
    command: str = ""
    baseline: str = "base"
    primary_measure: str = ""
    #: In the order to show.
    systems: Mapping[str, SystemAbout] = field(default_factory=dict)
    #: preset -> system -> its training.
    trained: Mapping[str, Mapping[str, TrainingAbout]] = field(default_factory=dict)
    #: What a budget left out, as text.
    unfinished: tuple[str, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    #: system -> measure -> the paper's value.
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    #: The paper's printed tables: number -> system -> column -> figure.
    tables: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    #: By `name/split`.
    collections: Mapping[str, CollectionAbout] = field(default_factory=dict)
    weights: Weights | None = None
    #: package -> version.
    versions: Mapping[str, str] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    stages: tuple[StageAbout, ...] = ()
    #: What the paper leaves open -> preset -> its value there.
    presets: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    #: What has a command of its own -> the command.
    commands: Mapping[str, str] = field(default_factory=dict)
    #: The folders of measured checkpoints that the exhibit of that name compares.
    checkpoints: tuple[str, ...] | None = None

    def label(self, system: str) -> str:
        """What a page calls a system: its own name where the record has none for it."""
        about = self.systems.get(system)
        return about.label if about and about.label else system


@dataclass(frozen=True, slots=True)
class ExplainRecord:
    """The record of `strop explain`. `facts` are shown as they are."""

    title: str
    command: str
    facts: Mapping[str, str | int]
    study: str = "explain"


@dataclass(frozen=True, slots=True)
class CheckpointsRecord:
    """The record of `strop study checkpoints`: the study and scale it measured, and `preset/system` -> family."""

    of: str
    scale: str
    command: str
    collection: str
    families: Mapping[str, str]
    study: str = "checkpoints"
