"""The answer in plain words, from the summary alone: what each trained system did, and what could not be told."""

from __future__ import annotations

from dataclasses import dataclass

from strop.records import formats
from strop.report.summary import BETTER, UNRESOLVED, WORSE, Cell, Summary

_WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
#: verdict -> the tone of its badge (a class of the style sheet).
TONES = {
    BETTER: "good",
    WORSE: "bad",
    UNRESOLVED: "open",
    "holds": "good",
    "shown": "good",
    "analogue: same direction": "good",
    "fails": "bad",
    "not shown": "bad",
    "analogue: opposite": "bad",
}


def tone(word: str) -> str:
    return TONES.get(word, "open")


@dataclass(frozen=True, slots=True)
class Finding:
    """One trained system against the baseline on the headline measure.

    `relation` compares directions with the paper's own change: "analogue", because scale and collection are ours.
    """

    system: str
    label: str
    verdict: str
    change: str
    sentence: str
    relation: str
    published_change: str


def lead(summary: Summary) -> str:
    """One sentence over all trained systems, and what the design can see at all."""
    cells = [c for c in summary.headline() if c.system in summary.trained and c.difference is not None]
    if not cells:
        return "Nothing was compared with the baseline."
    tally = {v: sum(c.difference.verdict == v for c in cells if c.difference) for v in (BETTER, WORSE, UNRESOLVED)}
    base = next(c for c in summary.headline() if c.system == summary.baseline)
    said = {BETTER: "ended above", WORSE: "ended below", UNRESOLVED: "cannot be told from"}
    parts = [f"{_word(tally[v])} {said[v]} it" for v in (WORSE, BETTER, UNRESOLVED) if tally[v]]
    many = "tuned system" if len(cells) == 1 else "tuned systems"
    where = f"on {cells[0].panel.collection}, {formats.count(cells[0].queries)} queries"
    if len(summary.readings) > 1:
        where = f"read {cells[0].panel.preset.replace('_', ' ')}, {where}"
    opening = f"{where[0].upper()}{where[1:]}, {base.label} reaches"
    whole = f"{opening} {formats.fixed(base.mean)} in {base.measure}. Of {_word(len(cells))} {many}, {_listed(parts)}."
    visible = [c.difference.smallest_visible for c in cells if c.difference and c.difference.smallest_visible]
    if visible:
        low, high = formats.fixed(min(visible)), formats.fixed(max(visible))
        whole += f" This design can see a difference of {low if low == high else f'{low} to {high}'} or more."
    return whole


def findings(summary: Summary) -> tuple[Finding, ...]:
    """One for each trained system, in the order of the summary."""
    base = next((c.label for c in summary.headline() if c.system == summary.baseline), summary.baseline)
    return tuple(
        Finding(
            system=cell.system,
            label=cell.label,
            verdict=cell.difference.verdict,
            change=formats.signed_percent(cell.difference.seen.relative),
            sentence=_sentence(cell, base),
            relation=relation(cell),
            published_change=formats.signed_percent(cell.published_relative) if cell.published_relative else "",
        )
        for cell in summary.headline()
        if cell.system in summary.trained and cell.difference is not None
    )


def _sentence(cell: Cell, base: str) -> str:
    d = cell.difference
    assert d is not None  # the baseline has no finding
    seen = d.seen
    figures = (
        f"{formats.fixed(seen.mean_a)} against {formats.fixed(seen.mean_b)}, a difference of "
        f"{formats.signed(seen.difference)} with 95 % interval {formats.interval(seen.low, seen.high, signs=True)}"
    )
    counts = f"{seen.won} queries won, {seen.tied} tied, {seen.lost} lost"
    if d.verdict != UNRESOLVED:
        amount = formats.percent(abs(seen.relative)) if seen.relative is not None else ""
        where = "above" if d.verdict == BETTER else "below"
        return f"{amount} {where} {base}: {figures} (p {_equals(d.p_holm)}; {counts})."
    null = f"Not resolved: {figures} (p {_equals(d.p_holm)}; {counts})."
    if d.smallest_visible is None:
        return f"{null} Nothing differs on any query."
    null += f" This design can see ±{formats.fixed(d.smallest_visible)}"
    if d.queries_needed is None:
        return f"{null}."
    return f"{null}; for a difference as small as this {formats.count(d.queries_needed)} queries would be needed."


def relation(cell: Cell) -> str:
    """Ours beside the paper's change: the same direction, opposite, or not resolved; empty where it printed none."""
    if cell.difference is None or not cell.published_relative:
        return ""
    if cell.difference.verdict == UNRESOLVED:
        return "not resolved"
    same = (cell.difference.verdict == BETTER) == (cell.published_relative > 0)
    return "analogue: same direction" if same else "analogue: opposite"


def _equals(p: float) -> str:
    text = formats.p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _word(n: int) -> str:
    return _WORDS[n] if n < len(_WORDS) else formats.count(n)


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
