"""Tables of rerankers on one collection: systems by measure, pairs, sets of candidates, cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strop.evaluation.comparison import UNRESOLVED
from strop.records import formats
from strop.records.exhibits.reranking import (
    Candidates,
    CandidateSet,
    Means,
    RankingCost,
    RerankedSystem,
    Reranking,
    RerankingComparison,
)
from strop.report.differences import Change, marked_and_span
from strop.report.tables import Columns, Table, table
from strop.report.transfer_pairs import pair_name

#: What a terminal has room for.
_NARROW = ("nDCG@10", "RR@10", "AP", "P@10", "R@10", "Judged@10")
_STAGES = {"rerank": "reranks", "search": "searches", "lexical": "searches"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One preset on one collection: what the exhibit has of it."""

    measure: str
    about: Candidates
    rows: tuple[RerankedSystem, ...]
    comparisons: tuple[RerankingComparison, ...]
    candidates: tuple[CandidateSet, ...]
    stages: tuple[RankingCost, ...]

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """(the least grade that counts as relevant, measure), as the ceilings or else any row has them."""
        means: Means = next(filter(None, (self.about.ceilings, *(row.values for row in self.rows))), {})
        return tuple((level, measure) for level, of in means.items() for measure in of)

    def label(self, system: str) -> str:
        """What the preset calls it."""
        return next((row.label for row in self.rows if row.system == system), system)

    def pair(self, row: RerankingComparison) -> str:
        """A comparison's two systems, named by what differs."""
        return pair_name(self.label(row.system), self.label(row.against))

    def measured(self, row: RerankingComparison) -> str:
        """And the measure, where it is not the primary one."""
        return self.pair(row) + ("" if row.measure == self.measure else f", {row.measure}")

    def about_words(self) -> str:
        """How far to trust the figures: depth, ceiling, what is judged, and the minimum detectable difference."""
        p, values = self.about, ""
        if p.ceiling is not None:
            value, best = formats.fixed(p.value), formats.fixed(p.ceiling)
            values = f" {self.measure} is {value} as they came and {best} in the best order."
        between = " and ".join(map(self.label, p.sd_of))
        return (
            f"{formats.count(p.queries)} queries; candidates of {p.first_label}, {p.depth_note}.{values} "
            f"{formats.percent(p.judged)} of their first ten are judged; the others count as not relevant. With an SD "
            f"of {formats.fixed(p.sd)} {f'between {between}' if between else 'as is usual'}, the "
            f"minimum detectable difference is {formats.fixed(p.detectable)}."
        )

    def systems(self) -> Table:
        """Every system by measure, the ceiling last."""
        p = self.about
        rows = [(self.label(r.system), formats.count(r.seeds), *self._values(r.values)) for r in self.rows]
        caption = f"{p.collection}, {p.split}: {p.depth_note}"
        if p.ceilings:
            rows.append((f"Ceiling of {p.first_label}", formats.DASH, *self._values(p.ceilings)))
        if p.ceiling is not None:
            caption += f", ceiling {formats.fixed(p.ceiling)}"
        caption += f", {formats.percent(p.judged)} of the candidates’ first ten judged"
        graded = sum(level != "1" for level, _ in self.columns)
        head = ("System", "Seeds", *(measure for _, measure in self.columns))
        groups = (("", len(head) - graded), ("Relevant from grade 2 on", graded)) if graded else ()
        return Table(caption, head, tuple(rows), groups=groups)

    def _values(self, values: Means) -> list[str]:
        return [formats.fixed(values.get(level, {}).get(measure)) for level, measure in self.columns]

    def terminal_rows(self) -> Sequence[Sequence[str]]:
        """Systems by the first measures, as text for a terminal, the header first. Fits 100 columns when labels keep to
        40 characters."""
        systems, columns = self.systems(), enumerate(self.columns, start=2)
        kept = [0, *(i for i, (level, m) in columns if level == "1" and m in (self.measure, *_NARROW))]
        return [[row[i] for i in kept] for row in (systems.columns, *systems.rows)]

    def pairs(self) -> Table | None:
        if not self.comparisons:
            return None
        columns: Columns[RerankingComparison] = {
            "a against b": self.measured,
            "a": lambda row: formats.fixed(row.mean_a),
            "b": lambda row: formats.fixed(row.mean_b),
            "Difference": lambda row: marked_and_span(change(row)),
            "p (Holm)": lambda row: formats.p_value(row.p),
            "Verdict": lambda row: change(row).verdict,
            "Won / tied / lost": lambda row: f"{row.won} / {row.tied} / {row.lost}",
            "Queries": lambda row: f"{formats.count(row.queries)}\n{seeds(row)}",
            "Minimum detectable difference": lambda row: formats.fixed(row.detectable),
            "Queries needed": lambda row: formats.count(row.needed if change(row).verdict == UNRESOLVED else None),
        }
        return table(f"Pairs on {self.about.collection}, {self.measure}", self.comparisons, columns, text=("Verdict",))

    def candidate_sets(self) -> Table | None:
        """The same model on several sets of candidates."""
        if not self.candidates:
            return None
        columns: Columns[CandidateSet] = {
            "System": lambda row: row.label,
            "Candidates": lambda row: f"{row.first_label}, {row.depth_note}",
            "As they came": lambda row: formats.fixed(row.first_value),
            "Reranked": lambda row: formats.fixed(row.value),
            "Ceiling": lambda row: formats.fixed(row.ceiling),
            "Judged of its ten": lambda row: formats.percent(row.judged),
        }
        caption = f"The same model on several sets of candidates, {self.measure} on {self.about.collection}"
        return table(caption, self.candidates, columns, text=("Candidates",))

    def costs(self) -> Table | None:
        if not self.stages:
            return None
        columns: Columns[RankingCost] = {
            "System": lambda row: self.label(row.system),
            "It": lambda row: _STAGES.get(row.stage, row.stage),
            "Time": lambda row: formats.duration(row.wall_seconds),
            "Pairs": lambda row: formats.count(row.pairs),
            "Tokens": lambda row: formats.count(row.tokens),
            "Cut": lambda row: formats.count(row.cut),
            "ms a query": lambda row: formats.fixed(row.ms_per_query, 1),
        }
        return table(f"What ranking {self.about.collection} took", self.stages, columns, text=("It",))


def panels(exhibit: Reranking) -> tuple[Panel, ...]:
    def on(place: Candidates, name: str) -> Any:
        rows = getattr(exhibit, name)
        return tuple(row for row in rows if (row.preset, row.collection) == (place.preset, place.collection))

    parts = ("rows", "comparisons", "candidates", "stages")
    return tuple(Panel(exhibit.measure, place, *(on(place, name) for name in parts)) for place in exhibit.panels)


def seeds(row: RerankingComparison) -> str:
    return f"{row.seeds} seed{'s' if row.seeds > 1 else ''}"


def change(row: RerankingComparison) -> Change:
    """A comparison's difference, with its verdict."""
    return Change(row.difference, row.low, row.high, row.p)
