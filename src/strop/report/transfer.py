"""The section on one training collection and many test collections: what tuning does out of domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE
from strop.records import formats
from strop.records.exhibits.transfer import Transfer
from strop.records.record import Record
from strop.report import charts, tables, transfer_charts, transfer_tables
from strop.report.gallery import Figure
from strop.report.transfer_pairs import KINDS, Pair, pairs

_NAMED = 3  # systems that the sentence names, each way


@dataclass(frozen=True, slots=True)
class Reading:
    """One preset: its forest plots, each with its table, and in domain against out of it where anything was tuned."""

    preset: str
    forests: tuple[tuple[Figure, tables.Table], ...]
    scatter: tuple[Figure, tables.Table] | None
    similarity: tables.Table | None


@dataclass(frozen=True, slots=True)
class Section:
    """Everything the template `transfer.html` shows; `specs` are the charts by their figures' names."""

    lead: str
    grid: transfer_tables.Grid
    readings: tuple[Reading, ...]
    draws: int | None
    specs: Mapping[str, charts.Spec]


def section(exhibit: Transfer, record: Record) -> Section:
    all_pairs = pairs(exhibit, record)
    specs: dict[str, charts.Spec] = {}
    readings = tuple(
        _reading(exhibit, all_pairs, preset, specs) for preset in dict.fromkeys(p.preset for p in all_pairs)
    )
    draws = exhibit.similarity.draws
    return Section(lead(exhibit, all_pairs), transfer_tables.grid(exhibit, record, all_pairs), readings, draws, specs)


def lead(exhibit: Transfer, all_pairs: Sequence[Pair]) -> str:
    """One sentence: what the tuned systems of the first preset gained or lost on the other collections."""
    others = len(exhibit.collections) - 1
    opening = f"Trained on {exhibit.trained_on} and tested on {others} other{'s' if others > 1 else ''}"
    tuned = [p for p in all_pairs if p.kind == "tuned"]
    if not tuned:
        return f"{opening}: nothing tuned was compared with its start."
    first = [p for p in tuned if p.preset == tuned[0].preset]
    read = f", preset {_said(first[0].preset)}" if len({p.preset for p in all_pairs}) > 1 else ""
    of = {verdict: [p for p in first if p.elsewhere.verdict == verdict] for verdict in (BETTER, WORSE, UNRESOLVED)}
    verbs = {BETTER: ("gains", "gain"), WORSE: ("loses", "lose"), UNRESOLVED: ("cannot be told from it",) * 2}
    parts = [
        f"{'' if len(first) == 1 else f'{len(group)} '}{verbs[verdict][len(group) > 1]}"
        f"{'' if verdict == UNRESOLVED else f' ({_names(group)})'}"
        for verdict, group in of.items()
        if group
    ]
    whole = f"the one tuned system, {first[0].name}," if len(first) == 1 else f"of {len(first)} tuned systems"
    return f"{opening}{read}: out of domain, against what it was tuned from, {whole} {_listed(parts)}."


def _reading(exhibit: Transfer, all_pairs: Sequence[Pair], preset: str, specs: dict[str, charts.Spec]) -> Reading:
    of = {kind: [p for p in all_pairs if p.preset == preset and p.kind == kind] for kind in KINDS}
    seeds = {row.system: row.seeds for row in exhibit.systems if row.preset == preset}
    forests = []
    for group in of.values():
        if group:
            figure = _forest(exhibit, group, seeds, specs)
            forests.append((figure, transfer_tables.comparisons(group, exhibit.measure)))
    tuned = of["tuned"]
    scatter = (_scatter(exhibit, tuned, specs), transfer_tables.placed(tuned)) if tuned else None
    return Reading(_said(preset), tuple(forests), scatter, transfer_tables.similarity(exhibit, tuned))


def _forest(
    exhibit: Transfer, group: Sequence[Pair], seeds: Mapping[str, int], specs: dict[str, charts.Spec]
) -> Figure:
    texts = [
        f"{p.name} {formats.signed(p.elsewhere.difference)} {p.elsewhere.span}, {p.elsewhere.verdict}" for p in group
    ]
    text = f"Mean of the other collections: {'; '.join(texts)}."
    caption = "Thick: 95 % interval for these very collections, seeds and queries drawn. "
    if any(p.general for p in group):
        caption += "Thin: for collections in general, which are drawn too. "
    caption += "▲ and ▼, in colour: resolved for these collections."
    if all(seeds.get(system, 1) == 1 for p in group for system in (p.a, p.b)):
        caption += " One seed each: no interval knows how much another training would differ."
    name = f"transfer-{group[0].preset}-{group[0].kind}"
    specs[name] = transfer_charts.forest(group, exhibit.measure, text)
    return Figure(name, KINDS[group[0].kind], text, caption)


def _scatter(exhibit: Transfer, tuned: Sequence[Pair], specs: dict[str, charts.Spec]) -> Figure:
    texts = [f"{p.name} {formats.signed(p.own.difference)} and {formats.signed(p.elsewhere.difference)}" for p in tuned]
    text = f"Change in domain and out of domain, from the start: {'; '.join(texts)}."
    name = f"transfer-{tuned[0].preset}-scatter"
    specs[name] = transfer_charts.in_and_out_of_domain(tuned, exhibit.trained_on, text)
    caption = (
        "Numbers are the systems of the table; arms are 95 % intervals. ▲ and ▼, in colour: resolved out of domain."
    )
    return Figure(name, "In domain against out of domain", text, caption)


def _names(of: Sequence[Pair]) -> str:
    ordered = sorted(of, key=lambda p: -abs(p.elsewhere.difference))
    named = [f"{p.name} {formats.signed(p.elsewhere.difference)}" for p in ordered[:_NAMED]]
    more = len(ordered) - _NAMED
    return "; ".join((*named, *((f"and {more} more",) if more > 0 else ())))


def _said(preset: str) -> str:
    return preset.replace("_", " ")


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
