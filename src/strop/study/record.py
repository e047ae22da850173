"""The record of a conducted study: what was run, with which values, on what, and how to run it again."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from importlib.metadata import version
from typing import Any

from strop.artifacts.store import Artifact, canonical
from strop.study.schedule import Done, Trial
from strop.study.systems import Rates
from strop.study.workbench import Workbench

VERSIONS = ("strop", "torch", "transformers", "sentence-transformers", "peft", "bm25s", "ir_measures", "numpy")


def record(bench: Workbench, done: Done, command: str) -> dict[str, Any]:
    """Plain values; `trained` by preset and system, of the first seed; `contrasts` are the knobs and their centres."""
    study, scale, own = bench.study, bench.scale, bench.own
    presets = done.presets
    run = {(cell.preset.name, cell.system) for cell in done.runs}
    unfinished = Counter(c.preset.name for c in done.unfinished if c.trained)
    planned = unfinished + Counter(c.preset.name for c in done.trained)
    unranked = Counter(c.preset.name for c in done.unfinished if not c.trained)
    first = {c: a for c, a in done.trained.items() if c.seed == scale.seeds[0]}
    systems = {s.name: s for preset in reversed(presets) for s in reversed(preset.systems)}
    random = {s.name for preset in presets for s in preset.systems if preset.is_random(s.name, scale)}
    names = [s.name for preset in presets for s in preset.systems if (preset.name, s.name) in run]
    return {
        "study": study.name,
        "title": study.title,
        "paper": study.paper,
        "scale": scale.name,
        "deviations": list(scale.deviations),
        "presets_run": [p.name for p in presets],
        "command": command,
        "baseline": study.baseline,
        "primary_measure": study.primary_measure,
        "systems": {
            name: {"label": systems[name].label, "note": systems[name].note}
            | ({"values": canonical(bm25)} if (bm25 := systems[name].way.lexical) else {})
            | ({"random_weights": True} if study.random_weights or name in random else {})
            for name in dict.fromkeys(names)
        },
        "trained": {
            p.name: {c.system: _training(bench, c, a) for c, a in first.items() if c.preset == p} for p in presets
        },
        "unfinished": [f"{name}: {left} of {planned[name]} trainings" for name, left in unfinished.items()]
        + [f"{name}: {left} rankings of what others train" for name, left in unranked.items()],
        "contrasts": [
            {"point": s.point, "preset": p.name, "system": s.name, "centre": s.centre, "label": s.label}
            for p in presets
            for s in p.systems
            if s.centre and (p.name, s.name) in run
        ],
        "published": {k: dict(v) for k, v in study.published.items()},
        "tables": {k: {s: dict(row) for s, row in v.items()} for k, v in study.tables.items()},
        "collections": {
            f"{c.name}/{c.split}": {
                "queries": len(c.queries),
                "documents": len(c.documents),
                "fingerprint": c.fingerprint,
                "warnings": list(c.warnings),
            }
            for c in (*bench.panels.values(), own.train)
        },
        "weights": {"name": bench.base.name, "sha256": bench.base.sha256, "source": bench.base.source},
        "versions": {name: version(name) for name in VERSIONS},
        "seeds": list(scale.seeds),
        "stages": [
            {"name": f"{c}{what}", "key": a.key, "wall_seconds": a.record["wall_seconds"]}
            for found, what in ((done.runs, ""), (done.trained, ": training"))
            for c, a in found.items()
        ]
        + [
            {"name": f"{c}, {name}", "key": a.key, "wall_seconds": a.record["wall_seconds"]}
            for c, of in done.out_of_domain.items()
            for name, a in of.items()
        ],
        "presets": {choice: dict(said) for choice, said in study.choices.items()},
        "commands": {
            f"model {c.preset.name}/{c.system}": shlex.join(["strop", "export", a.key, f"models/{c.system}"])
            for c, a in first.items()
        },
    }


def _training(bench: Workbench, cell: Trial, artifact: Artifact) -> dict[str, Any]:
    log = json.loads((artifact.path / "log.json").read_text(encoding="utf-8"))
    rates = [value for _, measure, value in log if measure == "learning_rate"]
    recipe = artifact.record["values"]["recipe"]
    grid = None if cell.preset.is_random(cell.system, bench.scale) else cell.preset.tuned(cell.system).rates
    return {
        "values": recipe,
        "updates": len(rates),
        "sum_learning_rates": sum(rates),
        "learning_rate": recipe["optimizer"]["learning_rate"],
        "wall_seconds": artifact.record["wall_seconds"],
        **({"rates": _held_out(bench, cell, grid)} if grid else {}),
    }


def _held_out(bench: Workbench, cell: Trial, grid: Rates) -> dict[str, float]:
    """What the held-out queries said to each setting of a grid."""
    return {
        f"{setting.learning_rate:g}" + (f", decay {setting.weight_decay:g}" if grid.decays else ""): value
        for setting, value in bench.held_out_values(cell.preset, grid).items()
    }
