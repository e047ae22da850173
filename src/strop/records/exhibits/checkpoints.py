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
    """What a rule's checkpoints gain over the base, fall short of the oracle's, and gain over the baseline rule's.

    `p`: paired randomisation test of the last over runs, corrected over rules; None for the baseline and the oracle.
    """

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
    """How well one diagnostic predicts a checkpoint's mean test difference to the base.

    `spearman` over all checkpoints. `r2_*` and `auc_*`: predictions of a one-variable linear regression for each
    family (collection) from all others; R² is 1 where exact, 0 where no better than the others' mean, and can be
    below; AUC is for "worse than the base", 0.5 at chance. None with one collection, or where none or all are worse.
    `p`: permutation test of `r2_family`; `p_holm`: corrected over diagnostics; None for trivial ones. `over_trivial`:
    `r2_family` minus the best trivial one's, a plain difference that is not tested.
    """

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
