"""The section on one training collection and many test collections: what tuning does out of domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE
from strop.records import formats
from strop.records.exhibits.transfer import Transfer
from strop.records.record import Record
from strop.report import transfer_charts, transfer_tables
from strop.report.charts import Figure
from strop.report.differences import span
from strop.report.tables import Table, spaced
from strop.report.transfer_pairs import KINDS, Pair, pairs
from strop.report.verdict import listed

_NAMED = 3  # systems that the sentence names, each way
ONE_SEED = " One seed each: no interval knows how much another training would differ."


@dataclass(frozen=True, slots=True)
class OfPreset:
    """The forest plots, each with its table, and in domain against out of it where anything was tuned."""

    preset: str
    forests: tuple[tuple[Figure, Table], ...]
    scatter: tuple[Figure, Table] | None
    similarity: Table | None


@dataclass(frozen=True, slots=True)
class Section:
    """What the template `transfer.html` shows."""

    lead: str
    grid: transfer_tables.Grid
    presets: tuple[OfPreset, ...]
    draws: int | None


def section(exhibit: Transfer, record: Record) -> Section:
    compared = pairs(exhibit, record)
    presets = tuple(_of_preset(exhibit, compared, preset) for preset in dict.fromkeys(p.row.preset for p in compared))
    grid = transfer_tables.grid(exhibit, record, compared)
    return Section(_lead(exhibit, compared), grid, presets, exhibit.similarity.draws)


def _lead(exhibit: Transfer, compared: Sequence[Pair]) -> str:
    """One sentence: what the tuned systems of the first preset gained or lost on the other collections."""
    others = len(exhibit.collections) - 1
    opening = f"Trained on {exhibit.trained_on} and tested on {others} other{'s' if others > 1 else ''}"
    tuned = [p for p in compared if p.row.kind == "tuned"]
    if not tuned:
        return f"{opening}: nothing tuned was compared with its start."
    preset = tuned[0].row.preset
    first = [p for p in tuned if p.row.preset == preset]
    if len({p.row.preset for p in compared}) > 1:
        opening += f", preset {spaced(preset)}"
    verbs = {BETTER: ("gains", "gain"), WORSE: ("loses", "lose"), UNRESOLVED: ("cannot be told from it",) * 2}
    parts = []
    for verdict, (one, several) in verbs.items():
        if group := [p for p in first if p.out_of_domain.verdict == verdict]:
            number = "" if len(first) == 1 else f"{len(group)} "
            names = "" if verdict == UNRESOLVED else f" ({_names(group)})"
            parts.append(f"{number}{several if len(group) > 1 else one}{names}")
    whole = f"the one tuned system, {first[0].name}," if len(first) == 1 else f"of {len(first)} tuned systems"
    return f"{opening}: out of domain, against what it was tuned from, {whole} {listed(parts)}."


def _of_preset(exhibit: Transfer, compared: Sequence[Pair], preset: str) -> OfPreset:
    by_kind = {kind: [p for p in compared if (p.row.preset, p.row.kind) == (preset, kind)] for kind in KINDS}
    several = {row.system for row in exhibit.systems if row.preset == preset and row.seeds > 1}
    forests = tuple(
        (_forest(exhibit, group, several), transfer_tables.comparisons(group, exhibit.measure))
        for group in by_kind.values()
        if group
    )
    tuned = by_kind["tuned"]
    scatter = (_scatter(exhibit, tuned), transfer_tables.placed(tuned)) if tuned else None
    return OfPreset(spaced(preset), forests, scatter, transfer_tables.similarity(exhibit, tuned))


def _forest(exhibit: Transfer, group: Sequence[Pair], several_seeds: set[str]) -> Figure:
    texts = [f"{_out_of_domain(p)} {span(p.out_of_domain)}, {p.out_of_domain.verdict}" for p in group]
    caption = "Thick: 95 % interval for these very collections, seeds and queries drawn. "
    if any(p.general for p in group):
        caption += "Thin: for collections in general, which are drawn too. "
    caption += "▲ and ▼, in colour: resolved for these collections."
    if not several_seeds & {system for p in group for system in (p.row.a, p.row.b)}:
        caption += ONE_SEED
    row, spec = group[0].row, transfer_charts.forest(group, exhibit.measure)
    text = f"Mean of the other collections: {'; '.join(texts)}."
    return Figure(f"transfer-{row.preset}-{row.kind}", KINDS[row.kind], spec, text, caption)


def _scatter(exhibit: Transfer, tuned: Sequence[Pair]) -> Figure:
    texts = [
        f"{p.name} {formats.signed(p.in_domain.difference)} and {formats.signed(p.out_of_domain.difference)}"
        for p in tuned
    ]
    return Figure(
        f"transfer-{tuned[0].row.preset}-scatter",
        "In domain against out of domain",
        transfer_charts.in_and_out_of_domain(tuned, exhibit.trained_on),
        f"Change in domain and out of domain, from the start: {'; '.join(texts)}.",
        "Numbers are the systems of the table; arms are 95 % intervals. ▲ and ▼, in colour: resolved out of domain.",
    )


def _names(of: Sequence[Pair]) -> str:
    names = [_out_of_domain(p) for p in sorted(of, key=lambda p: -abs(p.out_of_domain.difference))]
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return "; ".join(names[:_NAMED] + more)


def _out_of_domain(pair: Pair) -> str:
    return f"{pair.name} {formats.signed(pair.out_of_domain.difference)}"
