"""The record of `strop tune`: the verdict, its evidence, what was tried, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: SHIP: the gain and every guard are certified. HOLD: they are not, and the base is kept. TRADE: the gain is certified,
#: a guard is not, and the user asked for such a model.
Decision = Literal["SHIP", "HOLD", "TRADE"]
#: Queries whose answers are some training query's answers too, those whose answers are not, or both.
Population = Literal["all", "known answers", "new answers"]
#: The last update's weights, or the average of late checkpoints.
End = Literal["last", "average"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The tuned model against the base on one set of test queries, in the measure of the record.

    `low` and `high` are the 95 % interval of the difference tuned - base. `bound` is the one-sided lower bound that the
    test used, at the record's `alpha`; it `passed` when the bound reached `threshold` (0 for a gain, minus the margin
    for a guard). `smallest` is the smallest gain, or the smallest margin, that so many queries can be expected to
    certify.
    """

    collection: str
    split: str
    population: Population
    queries: int
    base: float
    tuned: float
    difference: float
    low: float
    high: float
    bound: float
    threshold: float
    passed: bool
    smallest: float
    won: int
    tied: int
    lost: int


@dataclass(frozen=True, slots=True)
class Tried:
    """One training of the race. `score` is what candidates were ranked by on dev queries; `guards` are mean differences
    by collection on the guards' own dev queries. `reason` says why it went on or was dropped."""

    name: str
    round: int
    settings: Mapping[str, str]
    pairs: int
    updates: int
    seconds: float
    gain: float
    guards: Mapping[str, float]
    score: float
    kept: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One point between the base (`share` 0) and tuned weights (1). `overlap` is the mean share of a document's ten
    nearest neighbours that it keeps.
    `allowed` is whether every guard and the drift permit it; `reason` says what forbids it. `training` is the place of
    its training among those that were `tried`; -1 is the last one. `likely` is the chance, judged by dev queries, that
    the test certifies its gain and every guard."""

    end: End
    share: float
    gain: float
    guards: Mapping[str, float]
    overlap: float | None
    allowed: bool
    chosen: bool
    reason: str = ""
    training: int = -1
    likely: float | None = None


@dataclass(frozen=True, slots=True)
class QueryMoved:
    """A test query by its value with the base and with the tuned model, and the rank of its first relevant document
    (None: not in the top 100)."""

    query_id: str
    text: str
    population: Population
    base: float
    tuned: float
    base_rank: int | None
    tuned_rank: int | None


@dataclass(frozen=True, slots=True)
class Beside:
    """A recipe that the user wanted to see beside the tuned model: trained for as long, tested on the same
    queries, and no candidate. `alarms` are those of its training, which say why it went as it did."""

    recipe: str
    pairs: int
    evidence: Evidence
    guards: tuple[Evidence, ...] = ()
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TuneRecord:
    """What `strop tune` did. Seconds are of the clock."""

    title: str
    command: str
    decision: Decision
    #: The verdict in one sentence, with the population that it holds for.
    verdict: str
    #: Why it is not SHIP, and what to do about it; sentences.
    reasons: tuple[str, ...]
    base: str
    collection: str
    measure: str
    margin: float
    #: Of the one-sided tests, after the looks at this test split before this one.
    alpha: float
    #: This was the so-manieth look at the test split.
    look: int
    precision: str
    #: Findings of the audit: sentences, warnings marked.
    audit: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    #: In domain: all test queries first, then by population. Empty where no test was opened.
    gain: tuple[Evidence, ...] = ()
    guards: tuple[Evidence, ...] = ()
    #: Truncated vectors against the base's whole ones, by dimension.
    truncated: Mapping[str, Evidence] = field(default_factory=dict)
    beside: tuple[Beside, ...] = ()
    tried: tuple[Tried, ...] = ()
    #: Where candidates of the race were ranked by dev queries: how many, and on how many documents.
    dev_queries: int = 0
    dev_documents: int = 0
    path: tuple[Point, ...] = ()
    won: tuple[QueryMoved, ...] = ()
    lost: tuple[QueryMoved, ...] = ()
    #: Phase -> seconds, in order.
    seconds: Mapping[str, float] = field(default_factory=dict)
    budget_seconds: float = 0.0
    #: What the new model costs in production: sentences (re-indexing, or none with a kept index).
    costs: tuple[str, ...] = ()
    #: package -> version.
    versions: Mapping[str, str] = field(default_factory=dict)
    study: str = "tune"
