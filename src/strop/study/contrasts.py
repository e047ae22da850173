"""Contrasts: systems that differ by one thing, compared query by query, and what that says to an open question."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from strop.evaluation.comparison import Comparison, compare, corrected
from strop.records import formats
from strop.study.open_questions import Evidence, Grid, Verdict
from strop.study.workbench import Workbench

Direction = Literal["up", "down", "any"]

_COLUMNS = ("preset", "beside", "system", "{measure}", "difference [95 %]", "p (Holm)", "loss won back", "queries")


@dataclass(frozen=True, slots=True)
class Pair:
    """A system and the one it is compared with, in one preset."""

    preset: str
    centre: str
    variant: str


@dataclass(frozen=True, slots=True)
class Contrast:
    """A demonstration of an effect: every pair's paired comparison in the study's primary measure.

    The rule, fixed here before anything runs: shown when a difference is resolved in the direction `expect`; not shown
    when all that is resolved points the other way; else not resolved. p is corrected over all pairs.
    """

    pairs: tuple[Pair, ...]
    expect: Direction

    @property
    def needs(self) -> tuple[tuple[str, str], ...]:
        """(preset, system) of everything compared; the study's baseline, which is not trained, aside."""
        return tuple(dict.fromkeys((p.preset, name) for p in self.pairs for name in (p.centre, p.variant)))

    def __call__(self, bench: Workbench) -> Evidence:
        alone = [_measured(bench, pair) for pair in self.pairs]
        effects = corrected([each.effect for each in alone])
        measured = [replace(each, effect=effect) for each, effect in zip(alone, effects, strict=True)]
        measure = bench.study.primary_measure
        verdict = judged(effects, self.expect)
        table = Grid(
            f"{measure}, each system beside the one it differs from by one thing",
            tuple(column.format(measure=measure) for column in _COLUMNS),
            tuple(each.row() for each in measured),
        )
        sentence = f"{measure} {_sentence(measured)}. {_conclusion(verdict, measured)}."
        return Evidence(verdict, sentence, (table,))


def judged(effects: list[Comparison], expect: Direction) -> Verdict:
    """The verdict on comparisons that were corrected together; the rule is `Contrast`'s."""
    resolved = {effect.verdict for effect in effects if effect.resolved}
    expected = {"up": {"better"}, "down": {"worse"}, "any": {"better", "worse"}}[expect]
    return "shown" if resolved & expected else "not shown" if resolved else "not resolved"


@dataclass(frozen=True, slots=True)
class _Measured:
    """`effect`: the variant against its centre. `loss`: the centre against the baseline, None where it is that."""

    words: tuple[str, str, str]
    effect: Comparison
    loss: Comparison | None

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
        mean, p = formats.fixed(self.effect.mean_a), formats.p_value(self.effect.p_corrected)
        return (*self.words, mean, self.difference, p, formats.percent(self.won_back, 0), self.size)

    def centre(self) -> str:
        name = f"{self.words[1]} ({self.words[0]}, {formats.fixed(self.effect.mean_b)}"
        if self.loss is None:
            return f"{name})"
        lost = "" if self.loss.resolved else ", not resolved"
        return f"{name}, {formats.signed(self.loss.difference)} from the base{lost})"

    def changed(self) -> str:
        won = self.won_back
        back = "" if won is None else f", {formats.percent(won, 0)} of the loss won back"
        return f"{self.words[2]} {self.difference} (p {formats.p_value(self.effect.p_corrected)}{back})"


def _measured(bench: Workbench, pair: Pair) -> _Measured:
    study, preset = bench.study, bench.study.preset(pair.preset)
    names = (pair.variant, pair.centre, study.baseline)
    variant, centre, baseline = (bench.values(preset, name, study.primary_measure) for name in names)
    loss = None if pair.centre == study.baseline else compare(centre, baseline)
    words = (pair.preset, preset.system(pair.centre).label, preset.system(pair.variant).label)
    return _Measured(words, compare(variant, centre), loss)


def _sentence(measured: list[_Measured]) -> str:
    """All pairs, those of one centre together."""
    parts = [(each.centre(), f"over {each.size} queries", each.changed()) for each in measured]
    return "; ".join(
        f"beside {centre}, {size}: {', '.join(changed for *_, changed in group)}"
        for (centre, size), group in groupby(parts, key=lambda part: part[:2])
    )


def _conclusion(verdict: Verdict, measured: list[_Measured]) -> str:
    if verdict == "shown":
        return f"Resolved: {', '.join(each.name for each in measured if each.effect.resolved)}"
    if verdict == "not shown":
        return "What is resolved points the other way"
    nearest = min(measured, key=lambda each: each.effect.p)
    effect, queries = nearest.effect, formats.count(nearest.effect.n)
    least, needed = effect.minimum_detectable_difference, effect.queries_needed(effect.difference)
    if least is None:
        return f"Nothing is resolved: {nearest.name} differs on no query of {queries}"
    nothing = f"Nothing is resolved: the minimum detectable difference of {queries} queries is {formats.fixed(least)}"
    if needed is None:
        return f"{nothing}, and no number of them resolves a difference of zero"
    difference = formats.signed(effect.difference, 4)
    return f"{nothing}; {formats.count(needed)} would resolve the {difference} of {nearest.name}"
