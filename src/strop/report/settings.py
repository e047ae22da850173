"""How everything was set: readings of the paper, training values, learning rates, and what each training came to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from strop.records import formats
from strop.records.results import Results
from strop.report.summary import label
from strop.report.tables import Block, Table, blocks, said, title
from strop.report.training import Logged, accuracy_kinds, endings

READINGS = ("as_written", "as_coded", "corrected")


def endings_table(results: Results, preset: str, measures: Mapping[str, Logged]) -> Table | None:
    """How each training of a preset went, from the rows and the record."""
    ended = endings(measures)
    if not ended:
        return None
    described: Mapping[str, Any] = (results.record.get("trained") or {}).get(preset, {})
    kinds = accuracy_kinds(measures)
    rows = []
    for e in ended:
        about = described.get(e.system, {})
        rows.append(
            (
                label(results.record, e.system),
                formats.count(about.get("updates", e.updates)),
                formats.count(e.seeds),
                formats.scientific(about.get("learning_rate")),
                formats.scientific(about.get("sum_learning_rates")),
                formats.fixed(e.loss),
                *(formats.fixed(e.accuracies.get(kind)) for kind in kinds),
                formats.percent(e.active_share),
                formats.percent(e.padding_share),
                formats.count(e.tokens_per_second),
                formats.duration(about.get("wall_seconds")),
            )
        )
    columns = (
        "System", "Updates", "Seeds", "Learning rate", "Sum of learning rates", "Loss, last tenth",
        *(f"Accuracy, {kind}, last" for kind in kinds), "Active triplets", "Padding", "Tokens/s", "Wall time",
    )  # fmt: skip
    caption = f"How training went, {title(preset).lower()}, averaged over seeds"
    return Table(caption, columns, tuple(rows), (False, *(True for _ in columns[1:])), tuple(e.system for e in ended))


def rates_table(record: Mapping[str, Any]) -> Table | None:
    """Every setting that was tried, a row each; systems that chose from the same trials share them.

    A setting is a learning rate, `2e-05`, or one with a weight decay, `2e-05, decay 0.01`.
    """
    shared: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = {}
    for preset, systems in (record.get("trained") or {}).items():
        for system, about in systems.items():
            if about.get("rates"):
                trials = json.dumps([about["rates"], about.get("learning_rate")], sort_keys=True)
                shared.setdefault((preset, trials), []).append((system, about))
    rows = []
    for (preset, _), alike in shared.items():
        first, heading = alike[0][1], " · ".join(label(record, s) for s, _ in alike)
        for setting, value in sorted(first["rates"].items(), key=lambda pair: _numbers(pair[0])):
            rate, *decay = _numbers(setting)
            same = abs(rate / first["learning_rate"] - 1) < 1e-9 if first.get("learning_rate") else False
            same &= not decay or decay == [first["values"]["optimizer"]["weight_decay"]]
            said = formats.scientific(rate) + (f", decay {decay[0]:g}" if decay else "")
            rows.append((heading, title(preset), said, formats.fixed(value, 4), "chosen" if same else ""))
    if not rows:
        return None
    columns = ("Systems", "Reading", "Learning rate", "Held-out RR@10", "Choice")
    return Table(
        "Learning rates tried, an equal grid for each method", columns, tuple(rows), (False, False, True, True, False)
    )


def _numbers(setting: str) -> list[float]:
    """The rate, and the decay where it was a part of the grid."""
    return [float(part) for part in setting.split(", decay ")]


def values_tables(record: Mapping[str, Any]) -> tuple[Table, ...]:
    """Per preset the training values: those that all systems share, then one row a system with those that differ."""
    found: list[Table] = []
    for preset, systems in (record.get("trained") or {}).items():
        tuned = {s: d["values"] for s, d in systems.items() if d.get("values")}
        if not tuned:
            continue
        keys = list(dict.fromkeys(k for values in tuned.values() for k in values))
        text = {s: {k: said(k, v[k]) if k in v else "" for k in keys} for s, v in tuned.items()}
        same = [k for k in keys if len({row[k] for row in text.values()}) == 1]
        name, first = title(preset), next(iter(text.values()))
        if same:
            found.append(
                Table(f"{name}: the same for all", ("", ""), tuple((k, first[k]) for k in same), (False, False))
            )
        if other := [k for k in keys if k not in same]:
            rows = tuple((label(record, s), *(row[k] for k in other)) for s, row in text.items())
            headings = ("System", *other)
            found.append(Table(f"{name}: what differs", headings, rows, tuple(False for _ in headings), tuple(tuned)))
    return tuple(found)


def presets_table(record: Mapping[str, Any]) -> Table | None:
    """The readings of the paper side by side."""
    presets: Mapping[str, Mapping[str, Any]] = record.get("presets") or {}
    if not presets:
        return None
    rows = tuple((title(field), *(_stated(v.get(reading)) for reading in READINGS)) for field, v in presets.items())
    return Table("Readings of the paper", ("Field", *map(title, READINGS)), rows, (False,) * 4)


def facts(record: Mapping[str, Any]) -> tuple[Table, ...]:
    """Weights, versions and each collection; names of packages and collections stay as they are."""
    versions = tuple((name, str(version)) for name, version in (record.get("versions") or {}).items())
    found: list[Block] = [*blocks(record.get("weights") or {}, "Weights")]
    if versions:
        found.append(Table("Versions", ("", ""), versions, (False, True)))
    for name, about in (record.get("collections") or {}).items():
        found += blocks(about, f"Collection {name}")
    return tuple(b for b in found if isinstance(b, Table))


def ledger(results: Results) -> tuple[Mapping[str, Any], ...]:
    """The exhibit `parameters` but for knobs that train as many as their centre."""
    counted = {p["system"]: p for p in results.exhibits.get("parameters") or ()}
    centre = {c["system"]: c["centre"] for c in results.record.get("contrasts") or ()}

    def same(p: Mapping[str, Any]) -> bool:
        other = counted.get(centre.get(p["system"], ""), {})
        return [other.get(k) for k in ("trainable", "total")] == [p.get(k) for k in ("trainable", "total")]

    return tuple(p for p in counted.values() if not same(p))


def _stated(value: Any) -> str:
    return "not stated" if value is None else formats.plain(value)
