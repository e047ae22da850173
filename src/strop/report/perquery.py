"""Query by query: what a system changed against the baseline, with the text and the ranks behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from strop.report.numbers import count
from strop.report.summary import Summary, per_query
from strop.results import Results

SHORT, LISTED = 110, 10


@dataclass(frozen=True, slots=True)
class Change:
    """One query: the system's value minus the baseline's (each averaged over its seeds), and where both ranked it.

    A rank is that of the first relevant document as the exhibit `queries` gives it; None where none was retrieved,
    and `ranked` is False where the exhibit does not know the query.
    """

    query: str
    difference: float
    text: str
    ranked: bool
    rank_before: int | None
    rank_after: int | None

    @property
    def short_text(self) -> str:
        return self.text if len(self.text) <= SHORT else self.text[: SHORT - 1].rstrip() + "…"

    def rank_text(self, rank: int | None) -> str:
        return count(rank) if rank is not None else "not found" if self.ranked else "–"


@dataclass(frozen=True, slots=True)
class Changes:
    """All changes of one system on the primary measure of the first panel, and the ten largest each way."""

    system: str
    label: str
    values: tuple[Change, ...]

    @property
    def losses(self) -> tuple[Change, ...]:
        lost = [c for c in self.values if c.difference < 0]
        return tuple(sorted(lost, key=lambda c: (c.difference, c.query))[:LISTED])

    @property
    def wins(self) -> tuple[Change, ...]:
        won = [c for c in self.values if c.difference > 0]
        return tuple(sorted(won, key=lambda c: (-c.difference, c.query))[:LISTED])

    @property
    def tied(self) -> int:
        return sum(c.difference == 0 for c in self.values)


def changes(results: Results, summary: Summary) -> tuple[Changes, ...]:
    """One `Changes` for each trained system (`record['systems']` gives it updates), else for every rival."""
    if not summary.panels:
        return ()
    panel, measure = summary.panels[0], summary.primary_measure
    values = per_query(results)
    exhibit: dict[str, Any] = results.exhibits.get("queries", {})
    base = averaged(values[panel, measure, summary.baseline])
    rivals = [c for c in summary.column(panel, measure) if c.difference is not None]
    described = results.record.get("systems", {})
    trained = [c for c in rivals if described.get(c.system, {}).get("updates")]
    out = []
    for cell in trained or rivals:
        rows = []
        for query, value in averaged(values[panel, measure, cell.system]).items():
            difference = value - base[query]
            known = exhibit.get(query, {})
            ranks = known.get("systems", {})
            rows.append(
                Change(
                    query=query,
                    difference=0.0 if abs(difference) < 1e-12 else difference,
                    text=str(known.get("text", query)),
                    ranked=cell.system in ranks and summary.baseline in ranks,
                    rank_before=ranks.get(summary.baseline),
                    rank_after=ranks.get(cell.system),
                )
            )
        out.append(Changes(cell.system, cell.label, tuple(rows)))
    return tuple(out)


def averaged(by_seed: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Query id -> mean over seeds."""
    return {query: fmean(values[query] for values in by_seed) for query in by_seed[0]}
