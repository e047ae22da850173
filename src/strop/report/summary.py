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
from strop.records.errors import InputError, excerpt
from strop.records.record import Record
from strop.records.results import Results
from strop.report.training import ordered


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

    `matrix` are the panels of the matrix: the first collection of each preset that is more than knobs around a
    centre. `knobs` are the (preset, system) that only their centre is compared with. `trained` are the systems with
    a training, or every rival of the baseline where none has any.
    """

    baseline: str
    primary_measure: str
    panels: tuple[Panel, ...]
    matrix: tuple[Panel, ...]
    measures: tuple[str, ...]
    systems: tuple[str, ...]
    cells: Mapping[tuple[Panel, str], Cell]
    values: PerQuery
    knobs: frozenset[tuple[str, str]]
    trained: tuple[str, ...]
    withheld: tuple[str, ...]

    def headline(self) -> tuple[Cell, ...]:
        """The first panel of the matrix: what the verdict is about."""
        return self.column(self.matrix[0]) if self.matrix else ()

    def column(self, panel: Panel) -> tuple[Cell, ...]:
        return tuple(c for s in self.systems if (c := self.cells.get((panel, s))) is not None)

    def shown(self) -> tuple[Panel, ...]:
        """The panels of the matrix's presets, preset by preset."""
        return tuple(p for first in self.matrix for p in self.panels if p.preset == first.preset)

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


def summarise(results: Results[Record], matrix_only: bool = False) -> Summary:
    """Everything the tables say, computed once. Raises InputError when the baseline has no rows.

    `matrix_only` draws no intervals but for the matrix, for a terminal that shows no more.
    """
    record = results.record
    baseline = record.baseline
    withheld = tuple(s for s, about in record.systems.items() if about.random_weights)
    values = {key: v for key, v in per_query(results).items() if key[2] not in withheld}
    panels = tuple(dict.fromkeys(panel for panel, _, _ in values))
    measures = tuple(dict.fromkeys(measure for _, measure, _ in values))
    systems = ordered((system for _, _, system in values), record)
    primary = record.primary_measure if record.primary_measure in measures or not measures else measures[0]
    centres = {(c.preset, c.centre) for c in record.contrasts}
    knobs = frozenset((c.preset, c.system) for c in record.contrasts) - centres
    matrix = _matrix(panels, record)
    cells: dict[tuple[Panel, str], Cell] = {}
    for panel in matrix if matrix_only else panels:
        of = {s: values[panel, primary, s] for s in systems if (panel, primary, s) in values}
        of = {s: seeds for s, seeds in of.items() if (panel.preset, s) not in knobs}
        if of and baseline not in of:
            raise InputError(
                f"no rows of the baseline {excerpt(baseline)} for {primary} on {panel.collection}",
                where="rows.csv",
                remedy="Evaluate the baseline beside every system",
            )
        rivals = [s for s in of if s != baseline]
        differences = dict(zip(rivals, compare_together([(of[s], of[baseline]) for s in rivals]), strict=True))
        cells |= {(panel, s): _cell(s, primary, seeds, differences.get(s), record) for s, seeds in of.items()}
    trained_once = {s for of in record.trained.values() for s in of}
    rivals_of_all = tuple(s for s in systems if s != baseline)
    return Summary(
        baseline=baseline,
        primary_measure=primary,
        panels=panels,
        matrix=matrix,
        measures=tuple(sorted(measures, key=lambda m: m != primary)),
        systems=systems,
        cells=cells,
        values=values,
        knobs=knobs,
        trained=tuple(s for s in rivals_of_all if s in trained_once) or rivals_of_all,
        withheld=withheld,
    )


def _matrix(panels: Sequence[Panel], record: Record) -> tuple[Panel, ...]:
    """The first panel of each preset whose trained systems are not all knobs and centres; of all where none is."""
    around: dict[str, set[str]] = {}
    for c in record.contrasts:
        around.setdefault(c.preset, set()).update((c.system, c.centre))
    first: dict[str, Panel] = {}
    for panel in panels:
        first.setdefault(panel.preset, panel)
    more = [
        p for p in first.values() if p.preset not in around or {*record.trained.get(p.preset, ())} - around[p.preset]
    ]
    return tuple(more or first.values())


def _cell(system: str, measure: str, values: Seeds, difference: Comparison | None, record: Record) -> Cell:
    by_seed = [[seed[q] for q in values[0]] for seed in values]
    low, high = bootstrap_interval(by_seed)
    theirs, their_base = (record.published.get(s, {}).get(measure) for s in (system, record.baseline))
    return Cell(
        system=system,
        label=record.label(system),
        queries=len(values[0]),
        seeds=len(values),
        mean=fmean(map(fmean, by_seed)),
        low=low,
        high=high,
        difference=difference,
        published=theirs,
        published_relative=theirs / their_base - 1 if theirs and their_base and system != record.baseline else None,
    )
