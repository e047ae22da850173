"""How everything was set: readings of the paper, training values, learning rates, and what each training came to."""

from __future__ import annotations

import json
from collections.abc import Mapping

from strop.records import formats
from strop.records.exhibits.parameters import Ledger
from strop.records.plain import to_plain
from strop.records.record import Record, TrainingAbout
from strop.records.results import Results
from strop.report.tables import Block, Table, blocks, said, title
from strop.report.training import Logged, accuracy_kinds, endings

READINGS = ("as_written", "as_coded", "corrected")


def endings_table(results: Results[Record], preset: str, measures: Mapping[str, Logged]) -> Table | None:
    """How each training of a preset went, from the rows and the record."""
    ended = endings(measures)
    if not ended:
        return None
    trained = results.record.trained.get(preset, {})
    kinds = accuracy_kinds(measures)
    rows = []
    for e in ended:
        about = trained.get(e.system)
        rows.append(
            (
                results.record.label(e.system),
                formats.count(about.updates if about else e.updates),
                formats.count(e.seeds),
                formats.scientific(about.learning_rate if about else None),
                formats.scientific(about.sum_learning_rates if about else None),
                formats.fixed(e.loss),
                *(formats.fixed(e.accuracies.get(kind)) for kind in kinds),
                formats.percent(e.active_share),
                formats.percent(e.padding_share),
                formats.count(e.tokens_per_second),
                formats.duration(about.wall_seconds if about else None),
            )
        )
    columns = (
        "System", "Updates", "Seeds", "Learning rate", "Sum of learning rates", "Loss, last tenth",
        *(f"Accuracy, {kind}, last" for kind in kinds), "Active triplets", "Padding", "Tokens/s", "Wall time",
    )  # fmt: skip
    caption = f"How training went, {title(preset).lower()}, averaged over seeds"
    return Table(caption, columns, tuple(rows), (False, *(True for _ in columns[1:])), tuple(e.system for e in ended))


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
    columns = ("Systems", "Reading", "Learning rate", "Held-out RR@10", "Choice")
    return Table(
        "Learning rates tried, an equal grid for each method", columns, tuple(rows), (False, False, True, True, False)
    )


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
        text = {s: {k: said(k, v[k]) if k in v else "" for k in keys} for s, v in tuned.items()}
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
    """The readings of the paper side by side."""
    if not record.presets:
        return None
    rows = tuple(
        (title(field), *(_stated(choice.get(reading)) for reading in READINGS))
        for field, choice in record.presets.items()
    )
    return Table("Readings of the paper", ("Field", *map(title, READINGS)), rows, (False,) * 4)


def facts(record: Record) -> tuple[Table, ...]:
    """Weights, versions and each collection; names of packages and collections stay as they are."""
    out: list[Block] = [*blocks(to_plain(record.weights), "Weights")] if record.weights else []
    if record.versions:
        out.append(Table("Versions", ("", ""), tuple(record.versions.items()), (False, True)))
    for name, about in record.collections.items():
        out += blocks(to_plain(about), f"Collection {name}")
    return tuple(block for block in out if isinstance(block, Table))


def ledger(results: Results[Record]) -> tuple[Ledger, ...]:
    """The exhibit `parameters` but for knobs that train as many as their centre."""
    counted = {p.system: p for p in results.exhibits.parameters}
    centre = {c.system: c.centre for c in results.record.contrasts}

    def same(p: Ledger) -> bool:
        other = counted.get(centre.get(p.system, ""))
        return other is not None and (other.trainable, other.total) == (p.trainable, p.total)

    return tuple(p for p in counted.values() if not same(p))


def _stated(value: object) -> str:
    return "not stated" if value is None else formats.plain(value)
