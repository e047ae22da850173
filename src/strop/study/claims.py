"""Claim: what a paper says; Verdict: what our numbers say to it, with theirs beside ours."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from strop.evaluation.comparison import Comparison, compare
from strop.evaluation.measures import measure
from strop.evaluation.significance import Values

Kind = Literal["arithmetic", "effect"]
Rule = Literal["value", "above", "below", "equal"]
Word = Literal["holds", "fails", "analogue: same direction", "analogue: opposite", "not resolved"]

#: With fewer queries no assignment of signs reaches p < 0.05 (2 / 2^5 = 0.06), so nothing is settled.
FEWEST_QUERIES = 6

_RULES: dict[Kind, tuple[Rule, ...]] = {"arithmetic": ("value",), "effect": ("above", "below", "equal")}


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of a paper, and the rule that judges it, fixed before anything is run.

    arithmetic  `value`: our figure is `published` within `tolerance`.
    effect      `system` is `above` or `below` `against` by more than `tolerance`, or `equal` to it within `tolerance`,
                in `measure` on `collection`.

    `published` is their value for `system` (or their figure), `published_against` theirs for `against`; in the unit
    of ours (a measure in [0, 1]). Raises ValueError when rule and kind do not fit or the kind lacks what it needs.
    """

    id: str
    paper: str
    table: str
    kind: Kind
    statement: str
    rule: Rule
    system: str = ""
    against: str = ""
    collection: str = ""
    measure: str = ""
    published: float | None = None
    published_against: float | None = None
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.rule not in _RULES[self.kind]:
            raise ValueError(f"claim {self.id}: rule {self.rule!r} does not judge {self.kind}; {_RULES[self.kind]} do")
        if not self.table:
            raise ValueError(f"claim {self.id} names no table")
        if self.tolerance < 0 or (self.rule == "equal" and self.tolerance == 0):
            raise ValueError(f"claim {self.id}: tolerance {self.tolerance} decides nothing")
        if self.kind == "arithmetic" and self.published is None:
            raise ValueError(f"claim {self.id}: arithmetic needs the published figure")
        if self.kind == "effect":
            if not (self.system and self.against and self.collection):
                raise ValueError(f"claim {self.id}: an effect needs system, against and collection")
            measure(self.measure)

    @property
    def published_difference(self) -> float | None:
        published, against = self.published, self.published_against
        return None if published is None or against is None else published - against


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim, the word on it, and for an effect the comparison behind the word.

    `ours` is our figure (for an effect, the mean of `system`). `detectable` is the minimum detectable difference;
    `queries_needed` (`queries_needed_published`) would resolve a difference as large as ours (theirs), None where there
    is none. Raises ValueError on an effect that holds or fails away from its paper's own setting.
    """

    claim: Claim
    word: Word
    own_setting: bool
    ours: float | None = None
    comparison: Comparison | None = None
    detectable: float | None = None
    queries_needed: int | None = None
    queries_needed_published: int | None = None

    def __post_init__(self) -> None:
        if self.claim.kind == "effect" and not self.own_setting and self.word in ("holds", "fails"):
            raise ValueError(f"claim {self.claim.id}: {self.word!r} is no word for an effect away from its setting")

    def as_json(self) -> dict[str, Any]:
        """Flat but for `claim` and `comparison`; plain numbers and strings, as results.write_json wants them."""
        return {**asdict(self), "published_difference": self.claim.published_difference}


def judge_figure(claim: Claim, ours: float) -> Verdict:
    """An arithmetic claim against our figure: holds or fails. Raises ValueError for an effect."""
    if claim.kind != "arithmetic" or claim.published is None:
        raise ValueError(f"claim {claim.id} is {claim.kind}, not arithmetic")
    # A billionth of slack: 0.1 + 0.2 is within 0 of 0.3, and a tolerance of .05 includes what is printed .05 away.
    slack = 1e-9 * max(1.0, abs(ours), abs(claim.published))
    within = abs(ours - claim.published) <= claim.tolerance + slack
    return Verdict(claim, "holds" if within else "fails", own_setting=True, ours=float(ours))


def judge(claim: Claim, system: Values, against: Values, own_setting: bool = False) -> Verdict:
    """An effect claim against per-query values of both systems (one mapping, or one per seed).

    In the paper's own setting (its scale, weights and collection) it holds, fails, or is not resolved, by interval,
    primary test and tolerance. Anywhere else it is an analogue of the same or the opposite direction, whatever the
    margin, or not resolved. Raises ValueError when the claim is no effect, and as `compare` does.
    """
    if claim.kind != "effect":
        raise ValueError(f"claim {claim.id} is {claim.kind}, not effect")
    comparison = compare(system, against)
    margin = claim.tolerance if own_setting or claim.rule == "equal" else 0.0
    supported, contradicted = _evidence(claim, comparison, margin)
    word: Word = "not resolved"
    if supported:
        word = "holds" if own_setting else "analogue: same direction"
    elif contradicted:
        word = "fails" if own_setting else "analogue: opposite"
    return Verdict(
        claim,
        word,
        own_setting,
        ours=comparison.mean_a,
        comparison=comparison,
        detectable=comparison.minimum_detectable_difference,
        queries_needed=comparison.queries_needed(comparison.difference),
        queries_needed_published=comparison.queries_needed(claim.published_difference),
    )


def _evidence(claim: Claim, comparison: Comparison, margin: float) -> tuple[bool, bool]:
    """Whether the interval settles the claim for, or against it; a sign must be resolved as well."""
    low, high, resolved = comparison.low, comparison.high, comparison.resolved
    if comparison.n < FEWEST_QUERIES:
        return False, False
    if claim.rule == "equal":
        return -margin <= low and high <= margin, low > margin or high < -margin
    if claim.rule == "below":
        low, high = -high, -low
    return low > margin and resolved, high < margin and (resolved or margin > 0)
