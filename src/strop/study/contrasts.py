"""Contrasts: systems that differ by one thing, compared query by query, and what that says to a doubt."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from strop.evaluation.significance import ALPHA, Comparison, compare, holm, minimum_detectable_effect, queries_needed
from strop.records import formats
from strop.study.open_questions import Evidence, Grid, Verdict
from strop.study.workbench import Workbench

Direction = Literal["up", "down", "any"]

_COLUMNS = ("reading", "beside", "system", "{measure}", "difference [95 %]", "p (Holm)", "loss won back", "queries")


@dataclass(frozen=True, slots=True)
class Pair:
    """A system and the one it is held against, in one preset."""

    preset: str
    centre: str
    variant: str


@dataclass(frozen=True, slots=True)
class Contrast:
    """A demonstration of an effect: every pair's paired comparison in the study's primary measure.

    The rule, fixed here before anything runs: shown when a difference is resolved in the direction `expect`; not shown
    when what is resolved points the other way only; else not resolved. Resolved means that the 95 % interval leaves
    out zero and p, by Holm over all pairs, is below 0.05.
    """

    pairs: tuple[Pair, ...]
    expect: Direction

    @property
    def needs(self) -> tuple[tuple[str, str], ...]:
        """(preset, system) of everything compared; the study's baseline, which is not trained, aside."""
        return tuple(dict.fromkeys((p.preset, name) for p in self.pairs for name in (p.centre, p.variant)))

    def __call__(self, bench: Workbench) -> Evidence:
        measured = [_measured(bench, pair) for pair in self.pairs]
        adjusted = holm([compared.p for _, compared, _ in measured])
        seen = [_Seen(*of_pair, p) for of_pair, p in zip(measured, adjusted, strict=True)]
        measure = bench.study.primary_measure
        verdict = judged([(s.effect, s.p) for s in seen], self.expect)
        table = Grid(
            f"{measure}, each system beside the one it differs from by one thing",
            tuple(column.format(measure=measure) for column in _COLUMNS),
            tuple(s.row() for s in seen),
        )
        return Evidence(verdict, f"{measure} {_said(seen)}. {_conclusion(verdict, seen)}.", (table,))


def around(preset: str, centre: str, variants: tuple[str, ...], expect: Direction) -> Contrast:
    """One centre and several variants of it."""
    return Contrast(tuple(Pair(preset, centre, variant) for variant in variants), expect)


def judged(effects: list[tuple[Comparison, float]], expect: Direction) -> Verdict:
    """The verdict on (comparison, p adjusted over all of them); the rule is `Contrast`'s."""
    signs = {1 if effect.difference > 0 else -1 for effect, p in effects if _resolved(effect, p)}
    wanted = {"up": {1}, "down": {-1}, "any": {1, -1}}[expect]
    return "shown" if signs & wanted else "not shown" if signs else "not resolved"


@dataclass(frozen=True, slots=True)
class _Seen:
    """`effect`: the variant against its centre. `loss`: the centre against the baseline, None where it is that."""

    words: tuple[str, str, str]
    effect: Comparison
    loss: Comparison | None
    p: float

    @property
    def name(self) -> str:
        return f"{self.words[2]} ({self.words[0]})"

    @property
    def won_back(self) -> float | None:
        """(variant - centre) / (baseline - centre), None unless the centre's loss is resolved."""
        if self.loss is None or not self.loss.resolved or self.loss.difference >= 0:
            return None
        return self.effect.difference / -self.loss.difference

    @property
    def size(self) -> str:
        seeds = self.effect.seeds_a
        return f"{formats.count(self.effect.n)}{f' × {seeds} seeds' if seeds > 1 else ''}"

    @property
    def difference(self) -> str:
        effect = self.effect
        return f"{formats.signed(effect.difference)} {formats.interval(effect.low, effect.high, signs=True)}"

    def row(self) -> tuple[str, ...]:
        effect, won = self.effect, formats.percent(self.won_back, 0)
        figures = (formats.fixed(effect.mean_a), self.difference, formats.p_value(self.p), won, self.size)
        return (*self.words, *figures)

    def centre(self) -> str:
        name = f"{self.words[1]} ({self.words[0]}, {formats.fixed(self.effect.mean_b)}"
        if self.loss is None:
            return f"{name})"
        lost = "" if self.loss.resolved else ", not resolved"
        return f"{name}, {formats.signed(self.loss.difference)} from the base{lost})"

    def changed(self) -> str:
        won = self.won_back
        back = "" if won is None else f", {formats.percent(won, 0)} of the loss won back"
        return f"{self.words[2]} {self.difference} (p {formats.p_value(self.p)}{back})"


def _measured(bench: Workbench, pair: Pair) -> tuple[tuple[str, str, str], Comparison, Comparison | None]:
    study, preset = bench.study, bench.study.preset(pair.preset)
    measure = study.primary_measure
    variant, centre = (bench.values(preset, name, measure) for name in (pair.variant, pair.centre))
    loss = None
    if pair.centre != study.baseline:
        loss = compare(centre, bench.values(preset, study.baseline, measure))
    words = (pair.preset, preset.system(pair.centre).label, preset.system(pair.variant).label)
    return words, compare(variant, centre), loss


def _said(seen: list[_Seen]) -> str:
    """All pairs, those of one centre together."""
    parts = [(s.centre(), f"over {s.size} queries", s.changed()) for s in seen]
    return "; ".join(
        f"beside {centre}, {size}: {', '.join(changed for *_, changed in group)}"
        for (centre, size), group in groupby(parts, key=lambda part: part[:2])
    )


def _conclusion(verdict: Verdict, seen: list[_Seen]) -> str:
    if verdict == "shown":
        names = [s.name for s in seen if _resolved(s.effect, s.p)]
        return f"Resolved: {', '.join(names)}"
    if verdict == "not shown":
        return "What is resolved points the other way"
    nearest = min(seen, key=lambda s: s.effect.p)
    effect = nearest.effect
    if not effect.sd:
        return f"Nothing is resolved: {nearest.name} sets no query of {formats.count(effect.n)} apart"
    least = minimum_detectable_effect(effect.sd, effect.n)
    nothing = f"Nothing is resolved: {formats.count(effect.n)} queries see ±{formats.fixed(least)}"
    if not effect.difference:
        return f"{nothing}, and no number of them resolves a difference of zero"
    needed = queries_needed(effect.difference, effect.sd)
    return (
        f"{nothing}, and {formats.count(needed)} would resolve the {formats.signed(effect.difference, 4)} "
        f"of {nearest.name}"
    )


def _resolved(effect: Comparison, p: float) -> bool:
    return (effect.low > 0 or effect.high < 0) and p < ALPHA
