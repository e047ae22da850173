"""Checkpoints: runs of a study kept at five updates each, measured, and every way to choose among them compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from strop.artifacts.keys import content_key, package_sha256
from strop.artifacts.store import Store
from strop.evaluation.judged_runs import rows
from strop.geometry.catalogue import ABSOLUTE, RELATIVE, diagnose
from strop.monitoring.diagnose import sample_of, weight_distances
from strop.monitoring.logbook import namespaced
from strop.monitoring.monitor import reciprocal_rank
from strop.monitoring.probe import Probe
from strop.monitoring.selection import BestDev, Both, Choice, WithinDrift, last, lowest_loss
from strop.records.errors import InputError
from strop.records.exhibits.checkpoints import Checkpoints
from strop.records.plain import to_plain
from strop.records.record import CheckpointsRecord
from strop.records.results import Exhibits, Results, Row, read_results, write_results
from strop.retrieval import stages
from strop.retrieval.retriever import retriever_of
from strop.study.checkpoints.predictors import Checkpoint, predictors
from strop.study.checkpoints.rules import rule_table
from strop.study.training_examples import held_out_probe
from strop.study.workbench import Workbench
from strop.training.stage import Training, tuned_model

SNAPSHOTS = 5
#: Half of a whole probe: 128 held-out queries and 512 training documents.
PROBE_SHARE = 0.5
MEASURE = "RR@10"
#: What is known without looking at the model's vectors.
TRIVIAL = ("sum of learning rates", "weight distance", "update")
NAME = "checkpoints"

RULES: Mapping[str, Choice] = {
    "last": last,
    "lowest loss": lowest_loss,
    "best dev": BestDev(),
    "closest to the base": BestDev("geometry/overlap@10/document"),
    "within drift": WithinDrift(),
    "best dev within drift": Both(BestDev(), WithinDrift()),
}


def measure(bench: Workbench, command: str) -> Path:
    """Train what a study names, keep five checkpoints of each, and measure them; returns a Results folder.

    Rows of a step: RR@10 of every test query, diagnostics and dev/RR@10 on held-out queries and training documents,
    and what is trivially known. Step 0 is the base.
    """
    study, scale, seed, test = bench.study, bench.scale, bench.scale.seeds[0], bench.own.test
    measured: list[Row] = []
    families = {}
    for preset_name, system in study.checkpointed:
        preset = study.preset(preset_name)
        job = replace(bench.job(preset, system, seed), snapshots=SNAPSHOTS)
        probe = held_out_probe(job.examples, job.held_out, PROBE_SHARE)
        if probe is None:
            raise InputError("too few held-out queries or training documents", remedy="Choose a larger scale")
        families[f"{preset_name}/{system}"] = f"{type(job.recipe.loss).__name__}, {type(job.recipe.tuning).__name__}"
        place = Row(study.name, preset_name, system, seed, test.name, test.split, 0, "", "", 0)
        measured += _run_rows(bench, job, probe, place)
    about = CheckpointsRecord(study.name, scale.name, command, test.name, families)
    key = content_key(to_plain(about), [asdict(row) for row in measured], package_sha256())[:8]
    folder = bench.store.root / "results" / f"{NAME}-{study.name}-{scale.name}-{test.name}-{key}"
    write_results(Results(tuple(measured), (), Exhibits(), about), folder)
    return folder


def _run_rows(bench: Workbench, job: Training, probe: Probe, place: Row) -> list[Row]:
    """Of one run, the base first."""
    trained = job(bench.store, bench.progress)
    log = json.loads((trained.path / "log.json").read_text(encoding="utf-8"))
    rates = [value for _, measure, value in log if measure == "learning_rate"]
    base = bench.base
    of_base = sample_of(bench.store, base, probe, bench.progress)
    measured = [replace(place, step=int(s), measure=namespaced(m), value=v) for s, m, v in log if m == "loss"]
    for step in (0, *job.snapshot_steps):
        model = tuned_model(job.snapshot(bench.store, step, bench.progress)) if step else base
        sample = sample_of(bench.store, model, probe, bench.progress)
        layers = weight_distances(model, base).values() if step else (0.0,)
        values = {f"geometry/{name}": v for name, v in diagnose(sample, of_base, (*ABSOLUTE, *RELATIVE)).items()}
        values["dev/RR@10"] = reciprocal_rank(sample)
        values["known/sum of learning rates"] = sum(rates[:step])
        values["known/weight distance"] = sum(layers) / len(layers)
        values["known/update"] = step
        measured += [replace(place, step=step, measure=name, value=value) for name, value in values.items()]
        run = stages.run_of(bench.retrieve(retriever_of(model), bench.own.test))
        measured += rows(run, bench.own.test.qrels, replace(place, step=step), (MEASURE,))
    return measured


def folders(store: Store) -> list[Path]:
    """The Results folders of all runs that were measured so, oldest first."""
    records = (store.root / "results").glob(f"{NAME}-*/record.json")
    return sorted((record.parent for record in records), key=lambda folder: folder.stat().st_mtime)


def compare(measured: Sequence[Path]) -> Checkpoints:
    """Rules and predictors over the runs of several folders that `measure` wrote; the newest of equal runs counts."""
    runs: dict[str, _Run] = {}
    for folder in measured:
        results = read_results(folder, CheckpointsRecord)
        newer: dict[str, _Run] = {}
        for row in results.rows:
            name = f"{row.preset}/{row.system}, seed {row.seed}, {row.collection}"
            family = results.record.families[f"{row.preset}/{row.system}"]
            run = newer.setdefault(name, _Run(family, row.collection))
            if row.item:
                run.tested.setdefault(row.step, {})[row.item] = row.value
            else:
                run.course.setdefault(row.measure, {})[row.step] = row.value
        runs = {name: run for name, run in runs.items() if name not in newer} | newer
    points = [
        Checkpoint(name, run.family, run.collection, step, run.diagnostics(step), run.differences(step))
        for name, run in runs.items()
        for step in run.steps
    ]
    chosen = {
        rule: {
            name: choice({m: sorted(of.items()) for m, of in run.course.items()}, run.steps)
            for name, run in runs.items()
        }
        for rule, choice in RULES.items()
    }
    collections = {run.collection for run in runs.values()}
    return Checkpoints(rule_table(points, chosen), predictors(points, TRIVIAL), len(runs), tuple(sorted(collections)))


@dataclass(frozen=True, slots=True)
class _Run:
    """`course`: measure -> update -> value, as while training. `tested`: update -> query id -> value."""

    family: str
    collection: str
    course: dict[str, dict[int, float]] = field(default_factory=dict)
    tested: dict[int, dict[str, float]] = field(default_factory=dict)

    @property
    def steps(self) -> list[int]:
        return [step for step in sorted(self.tested) if step > 0]

    def diagnostics(self, step: int) -> dict[str, float]:
        """Geometry and dev less the base's, trivial ones as they are, by their plain names."""
        return {
            name.removeprefix("known/"): of[step] - of[0]
            for name, of in self.course.items()
            if step in of and 0 in of and not name.startswith("train/")
        }

    def differences(self, step: int) -> dict[str, float]:
        return {query: value - self.tested[0][query] for query, value in self.tested[step].items()}
