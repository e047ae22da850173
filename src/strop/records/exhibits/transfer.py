"""The exhibit `transfer`: every system on every test collection, and pairs of systems compared over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EvaluatedCollection:
    """`own` is the one trained on; `seen` says what the base saw of it in its own training."""

    name: str
    queries: int
    documents: int
    own: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like the training collection another one is.

    `distance` is the squared MMD, `sd` its spread over draws; `together` counts the draws that group both.
    """

    name: str
    distance: float
    sd: float
    together: int
    group: str


@dataclass(frozen=True, slots=True)
class Similarity:
    """Nearest collection first; nothing where panels are too small to tell."""

    training: str | None = None
    draws: int | None = None
    collections: tuple[Likeness, ...] | None = None


@dataclass(frozen=True, slots=True)
class SystemMeans:
    """A system's mean of the primary measure, by collection, averaged over seeds."""

    preset: str
    system: str
    label: str
    seeds: int
    means: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class OnCollection:
    """a - b on the n queries of one collection."""

    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    p: float
    n: int


@dataclass(frozen=True, slots=True)
class RelativeDifference:
    """a - b over b (`to_old`) and over a (`to_new`); None where that is zero."""

    to_old: float | None
    to_new: float | None


@dataclass(frozen=True, slots=True)
class MacroInterval:
    """95 % interval of a macro difference; `detectable` is the smallest that this design resolves with power 0.8."""

    low: float
    high: float
    error: float
    detectable: float | None = None


@dataclass(frozen=True, slots=True)
class OverCollections:
    """a - b over n collections of equal weight, as `evaluation.macro.Macro` says.

    `fixed` is the interval for these very collections, `general` that for collections like these, None with one only.
    """

    n: int
    mean_a: float
    mean_b: float
    difference: float
    ratio_of_means: RelativeDifference
    mean_of_ratios: RelativeDifference
    won: int
    tied: int
    lost: int
    t: float | None
    t_p: float | None
    wilcoxon_p: float | None
    no_wilcoxon: str
    p: float
    fixed: MacroInterval
    general: MacroInterval | None


@dataclass(frozen=True, slots=True)
class TransferComparison:
    """System a against b: on the training collection (`own`), over the others (`elsewhere`) and on `each` of them.

    `kind`: `tuned` (b is what a was tuned from), `reranked` (b found a's candidates), `claim` or `knob`. The p of `own`
    and `elsewhere` are by Holm over the comparisons of a preset and kind; those of `each` are not corrected.
    """

    preset: str
    kind: str
    a: str
    b: str
    own: OnCollection
    elsewhere: OverCollections
    each: Mapping[str, OnCollection]


@dataclass(frozen=True, slots=True)
class Transfer:
    trained_on: str
    measure: str
    collections: tuple[EvaluatedCollection, ...]
    similarity: Similarity
    systems: tuple[SystemMeans, ...]
    comparisons: tuple[TransferComparison, ...]
