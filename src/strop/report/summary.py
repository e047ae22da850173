"""The summary: what every system reached and how it differs from the baseline. One computation for terminal and page.

What is shown and what is judged: intervals are 95 %, over seeds and queries together, and drawn for the primary measure
alone; p is corrected by Holm over the systems compared with the baseline in one preset on one collection. Knobs are
compared with their centre (`report.knobs`), not here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from strop.evaluation.comparison import Comparison, compare_together
from strop.evaluation.significance import bootstrap_interval
from strop.records.errors import InputError
from strop.records.record import Record
from strop.records.results import Results


@dataclass(frozen=True, slots=True)
class Panel:
    """One collection as evaluated in one preset: everything inside is compared on the same queries."""

    preset: str
    collection: str
    split: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One system on the primary measure of one panel, the paper's figures beside ours.

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
    difference: Comparison | None
    published: float | None
    published_relative: float | None


#: One mapping of query id to value per seed.
Seeds = tuple[Mapping[str, float], ...]
#: (panel, measure, system) -> its values.
PerQuery = Mapping[tuple[Panel, str, str], Seeds]


@dataclass(frozen=True, slots=True)
class Summary:
    """The primary measure as cells, all others as means; panels as they first appear, systems as recorded.

    `readings` are the panels of the matrix: the first collection of each preset that is more than knobs around a
    centre. `knobs` are the (preset, system) that only their centre is compared with. `trained` are the systems with
    a training, or every rival of the baseline where none has any.
    """

    baseline: str
    primary_measure: str
    panels: tuple[Panel, ...]
    readings: tuple[Panel, ...]
    measures: tuple[str, ...]
    systems: tuple[str, ...]
    cells: Mapping[tuple[Panel, str], Cell]
    values: PerQuery
    knobs: frozenset[tuple[str, str]]
    trained: tuple[str, ...]
    withheld: tuple[str, ...]

    def headline(self) -> tuple[Cell, ...]:
        """The first reading: what the verdict is about."""
        return self.column(self.readings[0]) if self.readings else ()

    def column(self, panel: Panel) -> tuple[Cell, ...]:
        return tuple(c for s in self.systems if (c := self.cells.get((panel, s))) is not None)

    def shown(self) -> tuple[Panel, ...]:
        """The panels of all readings, reading by reading."""
        return tuple(p for r in self.readings for p in self.panels if p.preset == r.preset)

    def mean(self, panel: Panel, measure: str, system: str) -> float | None:
        values = self.values.get((panel, measure, system))
        return fmean(fmean(seed.values()) for seed in values) if values else None

    def measures_on(self, panel: Panel) -> tuple[str, ...]:
        return tuple(m for m in self.measures if (panel, m, self.baseline) in self.values)


def per_query(results: Results[Record]) -> PerQuery:
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


def summarise(results: Results[Record], readings_only: bool = False) -> Summary:
    """Everything the tables say, computed once. Raises InputError when the baseline has no rows.

    `readings_only` draws no intervals but for the matrix, for a terminal that shows no more.
    """
    record = results.record
    baseline, described = record.baseline, record.systems
    withheld = tuple(s for s, about in described.items() if about.random_weights)
    values = {key: v for key, v in per_query(results).items() if key[2] not in withheld}
    panels = tuple(dict.fromkeys(panel for panel, _, _ in values))
    measures = tuple(dict.fromkeys(measure for _, measure, _ in values))
    present = dict.fromkeys(system for _, _, system in values)
    systems = tuple(s for s in described if s in present) + tuple(s for s in present if s not in described)
    primary = record.primary_measure if record.primary_measure in measures or not measures else measures[0]
    knobs = _knobs(record)
    readings = _readings(panels, record)
    cells: dict[tuple[Panel, str], Cell] = {}
    for panel in readings if readings_only else panels:
        measured = [s for s in systems if (panel, primary, s) in values and (panel.preset, s) not in knobs]
        if measured and baseline not in measured:
            raise InputError(
                f"no rows of the baseline {baseline!r} for {primary} on {panel.collection}",
                where="rows.csv",
                remedy="Evaluate the baseline beside every system, or name another one in record.json",
            )
        rivals = [s for s in measured if s != baseline]
        of = {s: values[panel, primary, s] for s in measured}
        comparisons = compare_together([(of[s], of[baseline]) for s in rivals])
        against = dict(zip(rivals, comparisons, strict=True))
        cells |= {(panel, s): _cell(panel, primary, s, of[s], against.get(s), record, baseline) for s in measured}
    trained = {s for of in record.trained.values() for s in of}
    rivals_of_all = tuple(s for s in systems if s != baseline)
    return Summary(
        baseline=baseline,
        primary_measure=primary,
        panels=panels,
        readings=readings,
        measures=tuple(sorted(measures, key=lambda m: m != primary)),
        systems=systems,
        cells=cells,
        values=values,
        knobs=knobs,
        trained=tuple(s for s in rivals_of_all if s in trained) or rivals_of_all,
        withheld=withheld,
    )


def _knobs(record: Record) -> frozenset[tuple[str, str]]:
    centres = {(c.preset, c.centre) for c in record.contrasts}
    return frozenset((c.preset, c.system) for c in record.contrasts) - centres


def _readings(panels: Sequence[Panel], record: Record) -> tuple[Panel, ...]:
    """The first panel of each preset whose trained systems are not all knobs and centres; of all where none is."""
    around: dict[str, set[str]] = {}
    for c in record.contrasts:
        around.setdefault(c.preset, set()).update((c.system, c.centre))
    first = tuple({p.preset: p for p in reversed(panels)}[preset] for preset in dict.fromkeys(p.preset for p in panels))
    more = tuple(p for p in first if p.preset not in around or set(record.trained.get(p.preset, ())) - around[p.preset])
    return more or first


def _cell(
    panel: Panel,
    measure: str,
    system: str,
    values: Seeds,
    difference: Comparison | None,
    record: Record,
    baseline: str,
) -> Cell:
    matrix = [[seed[q] for q in values[0]] for seed in values]
    low, high = bootstrap_interval(matrix)
    theirs, their_base = (record.published.get(s, {}).get(measure) for s in (system, baseline))
    return Cell(
        panel=panel,
        measure=measure,
        system=system,
        label=record.label(system),
        queries=len(values[0]),
        seeds=len(values),
        mean=fmean(map(fmean, matrix)),
        low=low,
        high=high,
        difference=difference,
        published=theirs,
        published_relative=theirs / their_base - 1 if theirs and their_base and system != baseline else None,
    )
