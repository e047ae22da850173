"""The summary: what every system reached and how it differs from the baseline. One computation for terminal and page.

What it reads of a Results folder
    rows    evaluation rows have step -1, a query id as item, and a measure without a slash; every system of one
            collection has the same queries. Training rows are `train/...` with step >= 0 and an empty item.
    record  `baseline` and `primary_measure` name the comparison; `systems` maps each name to its `label`, `values`,
            `updates`, `sum_learning_rates` and `wall_seconds`, in the order to show; `random_weights: true` there
            withholds every quality number of that system; `published` maps system -> measure -> value.

What is shown and what is judged: intervals are 95 %, over seeds and queries together; p is corrected by Holm over the
systems compared with the baseline on one measure of one collection; a difference is *resolved* when the corrected p
is at most 0.05 and its interval excludes zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from strop import significance
from strop.nouns import InputError
from strop.report import formats
from strop.results import Results

BETTER, WORSE, UNRESOLVED = "better", "worse", "not resolved"


@dataclass(frozen=True, slots=True)
class Panel:
    """One collection as evaluated in one reading: everything inside is compared on the same queries."""

    preset: str
    collection: str
    split: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A system minus the baseline, as `significance.compare` has it, and what depends on the company it is in.

    `smallest_visible` is the effect this design sees with power 0.8, in units of the measure; `queries_needed` how
    many queries would make the observed difference that effect (None where it is resolved, or nothing differs).
    """

    seen: significance.Comparison
    p_holm: float
    smallest_visible: float | None
    queries_needed: int | None

    @property
    def verdict(self) -> str:
        if self.p_holm <= significance.ALPHA and (self.seen.low > 0 or self.seen.high < 0):
            return BETTER if self.seen.difference > 0 else WORSE
        return UNRESOLVED

    @property
    def relative_interval(self) -> tuple[float, float] | None:
        """The difference's interval over the baseline's mean, which counts as fixed here."""
        return (self.seen.low / self.seen.mean_b, self.seen.high / self.seen.mean_b) if self.seen.mean_b else None


@dataclass(frozen=True, slots=True)
class Cell:
    """One system on one measure of one panel, the paper's figures beside ours.

    `difference` is None for the baseline itself; `published_relative` is the paper's change against its own base.
    """

    panel: Panel
    measure: str
    system: str
    label: str
    queries: int
    seeds: int
    mean: float
    low: float
    high: float
    difference: Difference | None
    published: float | None
    published_relative: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Every cell, in the order to show: panels as they first appear, the primary measure first, systems as recorded.

    `trained` are the systems with updates, or every rival of the baseline where none has any.
    """

    baseline: str
    primary_measure: str
    panels: tuple[Panel, ...]
    measures: tuple[str, ...]
    systems: tuple[str, ...]
    cells: Mapping[tuple[Panel, str, str], Cell]
    trained: tuple[str, ...]
    withheld: tuple[str, ...]

    def headline(self) -> tuple[Cell, ...]:
        """The primary measure on the first panel: what the verdict and the terminal's table are about."""
        return self.column(self.panels[0], self.primary_measure) if self.panels else ()

    def measures_on(self, panel: Panel) -> tuple[str, ...]:
        return tuple(m for m in self.measures if (panel, m, self.baseline) in self.cells)

    def column(self, panel: Panel, measure: str) -> tuple[Cell, ...]:
        return tuple(c for s in self.systems if (c := self.cells.get((panel, measure, s))) is not None)


#: (panel, measure, system) -> one mapping a seed of query id to value.
PerQuery = dict[tuple[Panel, str, str], tuple[Mapping[str, float], ...]]


def per_query(results: Results) -> PerQuery:
    """The evaluation rows by panel, measure and system. Raises InputError when systems have different queries."""
    read: dict[tuple[Panel, str, str], dict[int, dict[str, float]]] = {}
    for row in results.rows:
        if row.step == -1 and row.item and "/" not in row.measure:
            panel = Panel(row.preset, row.collection, row.split)
            read.setdefault((panel, row.measure, row.system), {}).setdefault(row.seed, {})[row.item] = row.value
    expected: dict[Panel, set[str]] = {}
    for (panel, measure, system), by_seed in read.items():
        for seed, values in by_seed.items():
            queries = expected.setdefault(panel, set(values))
            if set(values) != queries:
                raise InputError(
                    f"{system} (seed {seed}) has {len(values)} values of {measure} on {panel.collection}, "
                    f"not on the {len(queries)} queries of the others",
                    where="rows.csv",
                    remedy="Evaluate every system on the same queries: a missing result counts as 0",
                )
    return {key: tuple(values for _, values in sorted(by_seed.items())) for key, by_seed in read.items()}


def summarise(results: Results, headline_only: bool = False) -> Summary:
    """Everything the tables say, computed once. Raises InputError when the baseline has no rows.

    `headline_only` leaves out all but the primary measure of the first panel, for a terminal that shows no more.
    """
    record = results.record
    baseline = str(record.get("baseline", "base"))
    described: Mapping[str, Any] = record.get("systems", {})
    withheld = tuple(s for s, d in described.items() if d.get("random_weights"))
    values = {key: v for key, v in per_query(results).items() if key[2] not in withheld}
    panels = tuple(dict.fromkeys(panel for panel, _, _ in values))
    measures = tuple(dict.fromkeys(measure for _, measure, _ in values))
    present = dict.fromkeys(system for _, _, system in values)
    systems = tuple(s for s in described if s in present) + tuple(s for s in present if s not in described)
    primary = str(record.get("primary_measure", ""))
    if primary not in measures:
        primary = measures[0] if measures else ""
    if headline_only:
        panels, measures = panels[:1], tuple(m for m in measures if m == primary)
    cells: dict[tuple[Panel, str, str], Cell] = {}
    for panel in panels:
        for measure in measures:
            measured = [system for system in systems if (panel, measure, system) in values]
            if measured and baseline not in measured:
                raise InputError(
                    f"no rows of the baseline {baseline!r} for {measure} on {panel.collection}",
                    where="rows.csv",
                    remedy="Evaluate the baseline beside every system, or name another one in record.json",
                )
            column = [_cell(panel, measure, system, baseline, values, record) for system in measured]
            cells |= {(panel, measure, cell.system): cell for cell in _holm(column)}
    ordered = tuple(sorted(measures, key=lambda m: m != primary))
    rivals = tuple(s for s in systems if s != baseline)
    trained = tuple(s for s in rivals if described.get(s, {}).get("updates"))
    return Summary(baseline, primary, panels, ordered, systems, cells, trained or rivals, withheld)


def _cell(panel: Panel, measure: str, system: str, baseline: str, values: PerQuery, record: Mapping[str, Any]) -> Cell:
    own, base = values[panel, measure, system], values[panel, measure, baseline]
    matrix = [[seed[q] for q in own[0]] for seed in own]
    low, high = significance.bootstrap_interval(matrix)
    published = record.get("published", {})
    theirs, their_base = (published.get(s, {}).get(measure) for s in (system, baseline))
    return Cell(
        panel=panel,
        measure=measure,
        system=system,
        label=label(record, system),
        queries=len(own[0]),
        seeds=len(own),
        mean=fmean(map(fmean, matrix)),
        low=low,
        high=high,
        difference=None if system == baseline else _difference(significance.compare(own, base)),
        published=theirs,
        published_relative=theirs / their_base - 1 if theirs and their_base and system != baseline else None,
    )


def _difference(seen: significance.Comparison) -> Difference:
    """Not corrected yet: `_holm` needs the whole column."""
    visible = significance.minimum_detectable_effect(seen.sd, seen.n) if seen.sd is not None else None
    return Difference(seen, seen.p, visible, None)


def _holm(cells: list[Cell]) -> list[Cell]:
    """The same cells with p corrected over them, and the queries needed where nothing is resolved."""
    rivals = [c.difference for c in cells if c.difference is not None]
    corrected = iter(significance.holm([d.seen.p for d in rivals]))
    out = []
    for cell in cells:
        if (d := cell.difference) is not None:
            d = replace(d, p_holm=next(corrected))
            if d.verdict == UNRESOLVED and d.seen.sd and d.seen.difference:
                d = replace(d, queries_needed=significance.queries_needed(d.seen.difference, d.seen.sd))
        out.append(replace(cell, difference=d))
    return out


def label(record: Mapping[str, Any], system: str) -> str:
    return str(record.get("systems", {}).get(system, {}).get("label") or system)


def summary_table(results: Results) -> tuple[Cell, ...]:
    """Every system on the primary measure of the first panel, as values."""
    return summarise(results, headline_only=True).headline()


def terminal_table(results: Results) -> tuple[tuple[str, ...], ...]:
    """`summary_table` as text, the header first; fits 80 columns when labels keep to 22 characters."""
    cells = summary_table(results)
    out: list[tuple[str, ...]] = [
        ("system", cells[0].measure if cells else "", "against the baseline", "p", "W/T/L", "paper")
    ]
    for cell in cells:
        row = [cell.label, formats.fixed(cell.mean)]
        if (d := cell.difference) is None:
            row += [formats.DASH] * 3
        else:
            row.append(f"{formats.signed(d.seen.difference)} {formats.interval(d.seen.low, d.seen.high, signs=True)}")
            row += [formats.p_value(d.p_holm), f"{d.seen.won}/{d.seen.tied}/{d.seen.lost}"]
        out.append((*row, formats.signed_percent(cell.published_relative)))
    return tuple(out)
