"""How everything was set: readings of the paper, training values, learning rates, and what each training came to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from strop.records import formats
from strop.records.exhibits.parameters import Ledger
from strop.records.plain import to_plain
from strop.records.record import Record, TrainingAbout
from strop.records.results import Results
from strop.report.tables import Columns, Table, blocks, stated, table, title
from strop.report.training import Ending, Logged, accuracy_kinds, endings

PRESETS = ("as_written", "as_coded", "corrected")


def endings_table(results: Results[Record], preset: str, measures: Mapping[str, Logged]) -> Table | None:
    """How each training of a preset went, from the rows and the record."""
    ended = endings(measures)
    if not ended:
        return None
    trained = results.record.trained.get(preset, {})

    def of(ending: Ending, field: str) -> float | None:
        return getattr(trained.get(ending.system), field, None)

    def accuracy(kind: str) -> Callable[[Ending], str]:
        return lambda e: formats.fixed(e.accuracies.get(kind))

    columns: Columns[Ending] = {
        "System": lambda e: results.record.label(e.system),
        "Updates": lambda e: formats.count(of(e, "updates") or e.updates),
        "Seeds": lambda e: formats.count(e.seeds),
        "Learning rate": lambda e: formats.scientific(of(e, "learning_rate")),
        "Sum of learning rates": lambda e: formats.scientific(of(e, "sum_learning_rates")),
        "Loss, last tenth": lambda e: formats.fixed(e.loss),
        **{f"Accuracy, {kind}, last": accuracy(kind) for kind in accuracy_kinds(measures)},
        "Active triplets": lambda e: formats.percent(e.active_share),
        "Padding": lambda e: formats.percent(e.padding_share),
        "Tokens/s": lambda e: formats.count(e.tokens_per_second),
        "Wall time": lambda e: formats.duration(of(e, "wall_seconds")),
    }
    caption = f"How training went, {title(preset).lower()}, averaged over seeds"
    return table(caption, ended, columns, system=lambda e: e.system)


def rates_table(record: Record) -> Table | None:
    """One row for every setting that was tried; systems that chose from the same trials share them.

    A setting is a learning rate, `2e-05`, or one with a weight decay, `2e-05, decay 0.01`.
    """
    shared: dict[tuple[str, str], list[tuple[str, TrainingAbout]]] = {}
    for preset, systems in record.trained.items():
        for system, about in systems.items():
            if about.rates:
                trials = json.dumps([about.rates, about.learning_rate], sort_keys=True)
                shared.setdefault((preset, trials), []).append((system, about))
    rows = []
    for (preset, _), alike in shared.items():
        first, heading = alike[0][1], " · ".join(record.label(s) for s, _ in alike)
        for setting, value in sorted((first.rates or {}).items(), key=lambda pair: _numbers(pair[0])):
            rate, *decay = _numbers(setting)
            chosen = abs(rate / first.learning_rate - 1) < 1e-9 if first.learning_rate else False
            chosen &= not decay or decay == [_weight_decay(first)]
            text = formats.scientific(rate) + (f", decay {decay[0]:g}" if decay else "")
            rows.append((heading, title(preset), text, formats.fixed(value, 4), "chosen" if chosen else ""))
    if not rows:
        return None
    columns = ("Systems", "Preset", "Learning rate", "Held-out RR@10", "Choice")
    numeric = (False, False, True, True, False)
    return Table("Learning rates tried, an equal grid for each method", columns, tuple(rows), numeric)


def _weight_decay(about: TrainingAbout) -> object:
    optimizer = about.values["optimizer"]
    assert isinstance(optimizer, Mapping)
    return optimizer["weight_decay"]


def _numbers(setting: str) -> list[float]:
    """The rate, and the decay where it was a part of the grid."""
    return [float(part) for part in setting.split(", decay ")]


def values_tables(record: Record) -> tuple[Table, ...]:
    """Per preset the training values: those that all systems share, then one row per system with those that differ."""
    out: list[Table] = []
    for preset, systems in record.trained.items():
        tuned = {s: about.values for s, about in systems.items() if about.values}
        if not tuned:
            continue
        keys = list(dict.fromkeys(k for values in tuned.values() for k in values))
        text = {s: {k: stated(k, v[k]) if k in v else "" for k in keys} for s, v in tuned.items()}
        same = [k for k in keys if len({row[k] for row in text.values()}) == 1]
        name, first = title(preset), next(iter(text.values()))
        if same:
            out.append(Table(f"{name}: the same for all", ("", ""), tuple((k, first[k]) for k in same), (False, False)))
        if other := [k for k in keys if k not in same]:
            rows = tuple((record.label(s), *(row[k] for k in other)) for s, row in text.items())
            headings = ("System", *other)
            out.append(Table(f"{name}: what differs", headings, rows, tuple(False for _ in headings), tuple(tuned)))
    return tuple(out)


def presets_table(record: Record) -> Table | None:
    """The presets of the paper side by side."""
    if not record.presets:
        return None
    rows = []
    for field, choices in record.presets.items():
        of_presets = (choices.get(preset) for preset in PRESETS)
        rows.append((title(field), *("not stated" if c is None else formats.plain(c) for c in of_presets)))
    return Table("Presets of the paper", ("Field", *map(title, PRESETS)), tuple(rows), (False,) * 4)


def facts(record: Record) -> tuple[Table, ...]:
    """Weights, versions and each collection; names of packages and collections stay as they are."""
    out = [*blocks(to_plain(record.weights), "Weights")] if record.weights else []
    if record.versions:
        out.append(Table("Versions", ("", ""), tuple(record.versions.items())))
    for name, about in record.collections.items():
        out += blocks(to_plain(about), f"Collection {name}")
    return tuple(block for block in out if isinstance(block, Table))


def ledger(results: Results[Record]) -> tuple[Ledger, ...]:
    """The exhibit `parameters` but for knobs that train as many as their centre."""
    counted = {p.system: p for p in results.exhibits.parameters}
    centres = {c.system: counted.get(c.centre) for c in results.record.contrasts}

    def same(p: Ledger) -> bool:
        centre = centres.get(p.system)
        return centre is not None and (centre.trainable, centre.total) == (p.trainable, p.total)

    return tuple(p for p in counted.values() if not same(p))
