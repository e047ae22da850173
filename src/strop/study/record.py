"""The record of a conducted study: what was run, with which values, on what, and how to run it again."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from importlib.metadata import version

from strop.artifacts.keys import canonical
from strop.artifacts.store import Artifact
from strop.records.record import CollectionAbout, Contrast, Record, StageAbout, SystemAbout, TrainingAbout, Weights
from strop.study.definition import Preset
from strop.study.schedule import Done, Trial
from strop.study.systems import Rates
from strop.study.workbench import Workbench

VERSIONS = ("strop", "torch", "transformers", "sentence-transformers", "peft", "bm25s", "ir_measures", "numpy")


def record(bench: Workbench, done: Done, command: str, checkpoints: tuple[str, ...] = ()) -> Record:
    """`checkpoints` are the folders of measured checkpoints that the study compares."""
    study, scale = bench.study, bench.scale
    first = {trial: artifact for trial, artifact in done.trained.items() if trial.seed == scale.seeds[0]}
    return Record(
        study=study.name,
        title=study.title,
        paper=study.paper,
        scale=scale.name,
        deviations=tuple(scale.deviations),
        presets_run=tuple(p.name for p in done.presets),
        command=command,
        baseline=study.baseline,
        primary_measure=study.primary_measure,
        systems=_systems(bench, done),
        trained={
            p.name: {t.system: _training(bench, t, a) for t, a in first.items() if t.preset == p} for p in done.presets
        },
        unfinished=_unfinished(done),
        contrasts=tuple(
            Contrast(point=s.point, preset=p.name, system=s.name, centre=s.centre, label=s.label)
            for p in done.presets
            for s in p.systems
            if s.centre and done.seeds(p, s.name)
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
                *((f"{t}", a) for t, a in done.runs.items()),
                *((f"{t}: training", a) for t, a in done.trained.items()),
                *((f"{t}, {name}", a) for t, of in done.out_of_domain.items() for name, a in of.items()),
            )
        ),
        presets=study.choices,
        commands={
            f"model {t.preset.name}/{t.system}": shlex.join(["strop", "export", a.key, f"models/{t.system}"])
            for t, a in first.items()
        },
        checkpoints=checkpoints,
    )


def _systems(bench: Workbench, done: Done) -> dict[str, SystemAbout]:
    """Those that were run, as the first preset that has them describes them."""
    every = [(preset, system) for preset in done.presets for system in preset.systems]
    first = {system.name: system for _, system in reversed(every)}
    random = {system.name for preset, system in every if preset.is_random(system.name, bench.scale)}
    return {
        name: SystemAbout(
            first[name].label,
            first[name].note,
            values=canonical(bm25) if (bm25 := first[name].lexical) else None,
            random_weights=bench.study.random_weights or name in random,
        )
        for name in dict.fromkeys(system.name for preset, system in every if done.seeds(preset, system.name))
    }


def _unfinished(done: Done) -> tuple[str, ...]:
    left = Counter(trial.preset.name for trial in done.unfinished if trial.trained)
    planned = left + Counter(trial.preset.name for trial in done.trained)
    unranked = Counter(trial.preset.name for trial in done.unfinished if not trial.trained)
    return (
        *(f"{name}: {count} of {planned[name]} trainings" for name, count in left.items()),
        *(f"{name}: {count} rankings of what others train" for name, count in unranked.items()),
    )


def _training(bench: Workbench, trial: Trial, artifact: Artifact) -> TrainingAbout:
    log = json.loads((artifact.path / "log.json").read_text(encoding="utf-8"))
    rates = [value for _, measure, value in log if measure == "learning_rate"]
    recipe = artifact.record["values"]["recipe"]
    grid = None if trial.preset.is_random(trial.system, bench.scale) else trial.preset.tuned(trial.system).rates
    return TrainingAbout(
        values=recipe,
        updates=len(rates),
        sum_learning_rates=sum(rates),
        learning_rate=recipe["optimizer"]["learning_rate"],
        wall_seconds=artifact.record["wall_seconds"],
        rates=_held_out(bench, trial.preset, grid) if grid else None,
    )


def _held_out(bench: Workbench, preset: Preset, grid: Rates) -> dict[str, float]:
    """The value of each setting of a grid on held-out queries."""
    return {
        f"{setting.learning_rate:g}" + (f", decay {setting.weight_decay:g}" if grid.decays else ""): value
        for setting, value in bench.held_out_values(preset, grid).items()
    }
