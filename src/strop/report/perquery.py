"""Query by query: what a system changed against the baseline, with the text and the ranks behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from strop.records.formats import DASH, count
from strop.records.record import Record
from strop.records.results import Results
from strop.report.summary import Summary

SHORT, LISTED = 110, 10


@dataclass(frozen=True, slots=True)
class QueryChange:
    """One query: the system's value minus the baseline's (each averaged over its seeds), and where both ranked it.

    A rank is that of the first relevant document, as text: one per seed where the exhibit `queries` has several.
    """

    query: str
    difference: float
    text: str
    rank_before: str
    rank_after: str

    @property
    def short_text(self) -> str:
        return self.text if len(self.text) <= SHORT else self.text[: SHORT - 1].rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Changes:
    """All changes of one system on the primary measure of the matrix's first panel."""

    system: str
    label: str
    values: tuple[QueryChange, ...]

    def largest(self, sign: int) -> tuple[QueryChange, ...]:
        """The ten largest losses (-1) or wins (1)."""
        these = [c for c in self.values if c.difference * sign > 0]
        return tuple(sorted(these, key=lambda c: (-sign * c.difference, c.query))[:LISTED])


def changes(results: Results[Record], summary: Summary) -> tuple[Changes, ...]:
    """One `Changes` for each trained system, in the order of the summary."""
    if not summary.matrix:
        return ()
    panel, measure, values = summary.matrix[0], summary.primary_measure, summary.values
    base = averaged(values[panel, measure, summary.baseline])
    out = []
    for cell in summary.headline():
        if cell.system not in summary.trained:
            continue
        rows = []
        for query, value in averaged(values[panel, measure, cell.system]).items():
            difference = value - base[query]
            known = results.exhibits.queries.get(query)
            ranks = known.systems if known else {}
            rows.append(
                QueryChange(
                    query=query,
                    difference=0.0 if abs(difference) < 1e-12 else difference,
                    text=known.text if known else query,
                    rank_before=rank_text(ranks.get(summary.baseline, ())),
                    rank_after=rank_text(ranks.get(cell.system, ())),
                )
            )
        out.append(Changes(cell.system, cell.label, tuple(rows)))
    return tuple(out)


def averaged(by_seed: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Query id -> mean over seeds."""
    return {query: fmean(values[query] for values in by_seed) for query in by_seed[0]}


def rank_text(ranks: int | Sequence[int | None] | None) -> str:
    """`3`, or `3, 1, not found` over seeds; one figure where all agree, a dash where nothing is known."""
    several = ranks if isinstance(ranks, Sequence) else (ranks,)
    texts = [count(rank) if rank is not None else "not found" for rank in several]
    return DASH if not texts else texts[0] if len(set(texts)) == 1 else ", ".join(texts)
