"""The exhibit `checkpoints`: what each rule of choice gains, and what predicts a gain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over runs and queries with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RuleAbout:
    """What a rule's checkpoints gain over the base, fall short of the oracle's, and gain over the baseline rule's."""

    rule: str
    runs: int
    queries: int
    gain: Estimate
    regret: Estimate
    over_baseline: Estimate
    p: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class PredictorAbout:
    """How well one diagnostic predicts a checkpoint's mean difference to the base, as `predictors.Predictor` says."""

    name: str
    trivial: bool
    checkpoints: int
    runs: int
    families: int
    collections: int
    spearman: float
    r2_family: float
    auc_family: float | None
    r2_collection: float | None
    auc_collection: float | None
    p: float
    p_holm: float | None
    over_trivial: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Every rule's and every diagnostic's score, over all `runs`."""

    rules: tuple[RuleAbout, ...]
    predictors: tuple[PredictorAbout, ...]
    runs: int
    collections: tuple[str, ...]
