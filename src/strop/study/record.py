"""The record of a conducted study: what was run, with which values, on what, and how to run it again."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from importlib.metadata import version

from strop.artifacts.store import Artifact, canonical
from strop.records.record import CollectionAbout, Contrast, Record, StageAbout, SystemAbout, TrainingAbout, Weights
from strop.study.schedule import Done, Trial
from strop.study.systems import Rates
from strop.study.workbench import Workbench

VERSIONS = ("strop", "torch", "transformers", "sentence-transformers", "peft", "bm25s", "ir_measures", "numpy")


def record(bench: Workbench, done: Done, command: str, checkpoints: tuple[str, ...] = ()) -> Record:
    """`checkpoints` are the folders of measured checkpoints that the study compares."""
    study, scale = bench.study, bench.scale
    presets = done.presets
    first = {c: a for c, a in done.trained.items() if c.seed == scale.seeds[0]}
    run = {(cell.preset.name, cell.system) for cell in done.runs}
    return Record(
        study=study.name,
        title=study.title,
        paper=study.paper,
        scale=scale.name,
        deviations=tuple(scale.deviations),
        presets_run=tuple(p.name for p in presets),
        command=command,
        baseline=study.baseline,
        primary_measure=study.primary_measure,
        systems=_systems(bench, done),
        trained={
            p.name: {c.system: _training(bench, c, a) for c, a in first.items() if c.preset == p} for p in presets
        },
        unfinished=_unfinished(done),
        contrasts=tuple(
            Contrast(point=s.point, preset=p.name, system=s.name, centre=s.centre, label=s.label)
            for p in presets
            for s in p.systems
            if s.centre and (p.name, s.name) in run
        ),
        published=study.published,
        tables=study.tables,
        collections={
            f"{c.name}/{c.split}": CollectionAbout(len(c.queries), len(c.documents), c.fingerprint, tuple(c.warnings))
            for c in (*bench.panels.values(), bench.own.train)
        },
        weights=Weights(bench.base.name, bench.base.sha256, bench.base.source),
        versions={name: version(name) for name in VERSIONS},
        seeds=tuple(scale.seeds),
        stages=tuple(
            StageAbout(name, artifact.key, artifact.record["wall_seconds"])
            for name, artifact in (
                *((f"{c}", a) for c, a in done.runs.items()),
                *((f"{c}: training", a) for c, a in done.trained.items()),
                *((f"{c}, {name}", a) for c, of in done.out_of_domain.items() for name, a in of.items()),
            )
        ),
        presets=study.choices,
        commands={
            f"model {c.preset.name}/{c.system}": shlex.join(["strop", "export", a.key, f"models/{c.system}"])
            for c, a in first.items()
        },
        checkpoints=checkpoints,
    )


def _systems(bench: Workbench, done: Done) -> dict[str, SystemAbout]:
    """Those that were run, as the first preset that has them describes them."""
    presets = done.presets
    run = {(cell.preset.name, cell.system) for cell in done.runs}
    systems = {s.name: s for preset in reversed(presets) for s in reversed(preset.systems)}
    random = {s.name for preset in presets for s in preset.systems if preset.is_random(s.name, bench.scale)}
    names = dict.fromkeys(s.name for preset in presets for s in preset.systems if (preset.name, s.name) in run)
    return {
        name: SystemAbout(
            systems[name].label,
            systems[name].note,
            values=canonical(bm25) if (bm25 := systems[name].way.lexical) else None,
            random_weights=bench.study.random_weights or name in random,
        )
        for name in names
    }


def _unfinished(done: Done) -> tuple[str, ...]:
    left = Counter(c.preset.name for c in done.unfinished if c.trained)
    planned = left + Counter(c.preset.name for c in done.trained)
    unranked = Counter(c.preset.name for c in done.unfinished if not c.trained)
    return (
        *(f"{name}: {count} of {planned[name]} trainings" for name, count in left.items()),
        *(f"{name}: {count} rankings of what others train" for name, count in unranked.items()),
    )


def _training(bench: Workbench, cell: Trial, artifact: Artifact) -> TrainingAbout:
    log = json.loads((artifact.path / "log.json").read_text(encoding="utf-8"))
    rates = [value for _, measure, value in log if measure == "learning_rate"]
    recipe = artifact.record["values"]["recipe"]
    grid = None if cell.preset.is_random(cell.system, bench.scale) else cell.preset.tuned(cell.system).rates
    return TrainingAbout(
        values=recipe,
        updates=len(rates),
        sum_learning_rates=sum(rates),
        learning_rate=recipe["optimizer"]["learning_rate"],
        wall_seconds=artifact.record["wall_seconds"],
        rates=_held_out(bench, cell, grid) if grid else None,
    )


def _held_out(bench: Workbench, cell: Trial, grid: Rates) -> dict[str, float]:
    """The value of each setting of a grid on held-out queries."""
    return {
        f"{setting.learning_rate:g}" + (f", decay {setting.weight_decay:g}" if grid.decays else ""): value
        for setting, value in bench.held_out_values(cell.preset, grid).items()
    }
