"""Tables of rerankers on one collection: systems by measure, pairs, sets of candidates, cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

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
from strop.report.tables import Table
from strop.report.transfer_pairs import Change, pair_name

OfPanel = TypeVar("OfPanel", RerankedSystem, RerankingComparison, CandidateSet, RankingCost)
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


def panels(exhibit: Reranking) -> tuple[Panel, ...]:
    def on(place: Candidates, rows: tuple[OfPanel, ...]) -> tuple[OfPanel, ...]:
        return tuple(row for row in rows if (row.preset, row.collection) == (place.preset, place.collection))

    return tuple(
        Panel(
            exhibit.measure,
            place,
            on(place, exhibit.rows),
            on(place, exhibit.comparisons),
            on(place, exhibit.candidates),
            on(place, exhibit.stages),
        )
        for place in exhibit.panels
    )


def seeds(row: RerankingComparison) -> str:
    return f"{row.seeds} seed{'s' if row.seeds > 1 else ''}"


def change(row: RerankingComparison) -> Change:
    """A comparison's difference, with its verdict."""
    return Change(row.difference, row.low, row.high, row.p)


def about(panel: Panel) -> str:
    """How far to trust the figures: depth, ceiling, what is judged, and the minimum detectable difference."""
    p = panel.about
    queries, values = f"{formats.count(p.queries)} queries", ""
    if p.ceiling is not None:
        value, best = formats.fixed(p.value), formats.fixed(p.ceiling)
        values = f" {panel.measure} is {value} as they came and {best} in the best order."
    between = " and ".join(map(panel.label, p.sd_of))
    spread = f"an SD of {formats.fixed(p.sd)} {f'between {between}' if between else 'as is usual'}"
    return (
        f"{queries}; candidates of {p.first_label}, {p.depth_note}.{values} {formats.percent(p.judged)} of "
        f"their first ten are judged; the others count as not relevant. With {spread}, the "
        f"minimum detectable difference is {formats.fixed(p.detectable)}."
    )


def systems(panel: Panel) -> Table:
    """Every system by measure, the ceiling last."""
    p, columns = panel.about, panel.columns
    rows = [
        (
            panel.label(row.system),
            formats.count(row.seeds),
            *(_value(row.values, level, measure) for level, measure in columns),
        )
        for row in panel.rows
    ]
    if p.ceilings:
        best = (_value(p.ceilings, level, measure) for level, measure in columns)
        rows.append((f"Ceiling of {p.first_label}", formats.DASH, *best))
    caption = f"{p.collection}, {p.split}: {p.depth_note}"
    if p.ceiling is not None:
        caption += f", ceiling {formats.fixed(p.ceiling)}"
    caption += f", {formats.percent(p.judged)} of the candidates’ first ten judged"
    first = sum(level == "1" for level, _ in columns)
    groups = (("", 2 + first), ("Relevant from grade 2 on", len(columns) - first)) if len(columns) > first else ()
    head = ("System", "Seeds", *(measure for _, measure in columns))
    return Table(caption, head, tuple(rows), (False, *(True for _ in head[1:])), groups=groups)


def _value(values: Means, level: str, measure: str) -> str:
    return formats.fixed(values.get(level, {}).get(measure))


def pairs(panel: Panel) -> Table | None:
    if not panel.comparisons:
        return None
    rows = []
    for row in panel.comparisons:
        of = change(row)
        needed = row.needed if of.verdict == UNRESOLVED else None
        rows.append(
            (
                panel.measured(row),
                formats.fixed(row.mean_a),
                formats.fixed(row.mean_b),
                f"{of.text}\n{of.span}",
                formats.p_value(of.p),
                of.verdict,
                f"{row.won} / {row.tied} / {row.lost}",
                f"{formats.count(row.queries)}\n{seeds(row)}",
                formats.fixed(row.detectable),
                formats.count(needed),
            )
        )
    columns = (
        "a against b", "a", "b", "Difference", "p (Holm)", "Verdict", "Won / tied / lost", "Queries",
        "Minimum detectable difference", "Queries needed",
    )  # fmt: skip
    numeric = tuple(i not in (0, 5) for i in range(len(columns)))
    caption = f"Pairs on {panel.about.collection}, {panel.measure}"
    return Table(caption, columns, tuple(rows), numeric)


def candidates(panel: Panel) -> Table | None:
    """The same model on several sets of candidates."""
    if not panel.candidates:
        return None
    rows = tuple(
        (
            row.label,
            f"{row.first_label}, {row.depth_note}",
            formats.fixed(row.first_value),
            formats.fixed(row.value),
            formats.fixed(row.ceiling),
            formats.percent(row.judged),
        )
        for row in panel.candidates
    )
    columns = ("System", "Candidates", "As they came", "Reranked", "Ceiling", "Judged of its ten")
    caption = f"The same model on several sets of candidates, {panel.measure} on {panel.about.collection}"
    return Table(caption, columns, rows, (False, False, True, True, True, True))


def costs(panel: Panel) -> Table | None:
    if not panel.stages:
        return None
    rows = tuple(
        (
            panel.label(row.system),
            _STAGES.get(row.stage, row.stage),
            formats.duration(row.wall_seconds),
            formats.count(row.pairs),
            formats.count(row.tokens),
            formats.count(row.cut),
            formats.fixed(row.ms_per_query, 1),
        )
        for row in panel.stages
    )
    columns = ("System", "It", "Time", "Pairs", "Tokens", "Cut", "ms a query")
    return Table(f"What ranking {panel.about.collection} took", columns, rows, (False, False, *(True,) * 5))


def terminal_rows(panel: Panel) -> Sequence[Sequence[str]]:
    """Systems by the first measures, as text for a terminal, the header first. Fits 100 columns when labels keep to 40
    characters."""
    table, columns = systems(panel), panel.columns
    kept = [i for i, (level, m) in enumerate(columns, start=2) if level == "1" and m in (panel.measure, *_NARROW)]
    return [[row[i] for i in (0, *kept)] for row in (table.columns, *table.rows)]
