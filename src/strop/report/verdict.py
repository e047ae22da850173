"""The answer in plain words, from the summary alone: what each trained system did, and what could not be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE
from strop.records import formats
from strop.report.differences import span
from strop.report.summary import Cell, Summary
from strop.report.tables import spaced

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


def lead(summary: Summary) -> str:
    """One sentence over all trained systems, and the minimum detectable difference."""
    cells = findings(summary)
    if not cells:
        return "Nothing was compared with the baseline."
    differences = [c.difference for c in cells if c.difference]
    tally = Counter(d.verdict for d in differences)
    base = next(c for c in summary.headline() if c.system == summary.baseline)
    verbs = {WORSE: "ended below", BETTER: "ended above", UNRESOLVED: "cannot be told from"}
    parts = [f"{_word(tally[v])} {verb} it" for v, verb in verbs.items() if tally[v]]
    many = "tuned system" if len(cells) == 1 else "tuned systems"
    panel = summary.matrix[0]
    where = f"on {panel.collection}, {formats.count(cells[0].queries)} queries"
    if len(summary.matrix) > 1:
        where = f"with preset {spaced(panel.preset)}, {where}"
    whole = (
        f"{where[0].upper()}{where[1:]}, {base.label} reaches {formats.fixed(base.mean)} in {summary.primary_measure}. "
        f"Of {_word(len(cells))} {many}, {listed(parts)}."
    )
    if least := [each for d in differences if (each := d.minimum_detectable_difference)]:
        low, high = formats.fixed(min(least)), formats.fixed(max(least))
        whole += f" The minimum detectable difference is {low if low == high else f'{low} to {high}'}."
    return whole


def findings(summary: Summary) -> tuple[Cell, ...]:
    """The trained systems on the headline measure, in the order of the summary."""
    return tuple(c for c in summary.headline() if c.system in summary.trained and c.difference is not None)


def sentence(cell: Cell, summary: Summary) -> str:
    """What one trained system did against the baseline; for one that is not resolved, what could have been."""
    d = cell.difference
    assert d is not None  # the baseline has no finding
    base = next((c.label for c in summary.headline() if c.system == summary.baseline), summary.baseline)
    figures = (
        f"{formats.fixed(d.mean_a)} against {formats.fixed(d.mean_b)}, a difference of "
        f"{formats.signed(d.difference)} with 95 % interval {span(d)}"
    )
    counts = f"{d.won} queries won, {d.tied} tied, {d.lost} lost"
    if d.resolved:
        amount = formats.percent(abs(d.relative)) if d.relative is not None else ""
        where = "above" if d.verdict == BETTER else "below"
        return f"{amount} {where} {base}: {figures} (p {_equals(d.p_corrected)}; {counts})."
    null = f"Not resolved: {figures} (p {_equals(d.p_corrected)}; {counts})."
    if not (d.won or d.lost):
        return f"{null} Nothing differs on any query."
    if (least := d.minimum_detectable_difference) is None:
        return null
    null += f" The minimum detectable difference is {formats.fixed(least)}"
    if (needed := d.queries_needed(d.difference)) is None:
        return f"{null}."
    return f"{null}; a difference as small as this would need {formats.count(needed)} queries."


def relation(cell: Cell) -> str:
    """Ours beside the paper's change; an "analogue", because scale and collection are ours. Empty without theirs."""
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


def listed(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
