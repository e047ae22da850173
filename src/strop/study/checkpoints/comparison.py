"""Checkpoints: runs of a study kept at five updates each, measured, and every way to choose among them compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from strop.artifacts.store import Store, content_key, package_sha256
from strop.evaluation.judged_runs import rows
from strop.geometry.catalogue import ABSOLUTE, RELATIVE, diagnose
from strop.models.pretrained import Pretrained
from strop.monitoring.diagnose import sample_of, weight_distances
from strop.monitoring.logbook import Series, namespaced
from strop.monitoring.monitor import reciprocal_rank
from strop.monitoring.probe import Probe
from strop.monitoring.selection import BestDev, Both, Choice, WithinDrift, last, lowest_loss
from strop.records.errors import InputError
from strop.records.exhibits.checkpoints import Checkpoints, PredictorAbout, RuleAbout
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
    made: list[Row] = []
    families = {}
    for preset_name, system in study.checkpointed:
        preset = study.preset(preset_name)
        job = replace(bench.job(preset, system, seed), snapshots=SNAPSHOTS)
        probe = held_out_probe(job.examples, job.held_out, PROBE_SHARE)
        if probe is None:
            raise InputError("too few held-out queries or training documents", remedy="Choose a larger scale")
        families[f"{preset_name}/{system}"] = f"{type(job.recipe.loss).__name__}, {type(job.recipe.tuning).__name__}"
        place = Row(study.name, preset_name, system, seed, bench.own.test.name, bench.own.test.split, 0, "", "", 0)
        made += _run_rows(bench, job, probe, place)
    about = CheckpointsRecord(study.name, scale.name, command, test.name, families)
    key = content_key(to_plain(about), [asdict(row) for row in made], package_sha256())[:8]
    folder = bench.store.root / "results" / f"{NAME}-{study.name}-{scale.name}-{test.name}-{key}"
    write_results(Results(tuple(made), (), Exhibits(), about), folder)
    return folder


def _run_rows(bench: Workbench, job: Training, probe: Probe, place: Row) -> list[Row]:
    """Of one run, the base first."""
    trained = job(bench.store, bench.progress)
    log = json.loads((trained.path / "log.json").read_text(encoding="utf-8"))
    rates = [value for _, measure, value in log if measure == "learning_rate"]
    base = bench.base
    of_base = sample_of(bench.store, base, probe, bench.progress)
    made = [replace(place, step=int(s), measure=namespaced(m), value=v) for s, m, v in log if m == "loss"]
    for step in (0, *job.snapshot_steps):
        model = tuned_model(job.snapshot(bench.store, step, bench.progress)) if step else base
        sample = sample_of(bench.store, model, probe, bench.progress)
        seen = {f"geometry/{name}": v for name, v in diagnose(sample, of_base, (*ABSOLUTE, *RELATIVE)).items()}
        seen["dev/RR@10"] = reciprocal_rank(sample)
        seen["known/sum of learning rates"] = sum(rates[:step])
        seen["known/weight distance"] = _distance(model, base) if step else 0.0
        seen["known/update"] = step
        made += [replace(place, step=step, measure=name, value=value) for name, value in seen.items()]
        run = stages.run_of(bench.retrieve(retriever_of(model), bench.own.test))
        made += rows(run, bench.own.test.qrels, replace(place, step=step), (MEASURE,))
    return made


def _distance(model: Pretrained, base: Pretrained) -> float:
    """The mean over layers of how far its weights went."""
    layers = weight_distances(model, base)
    return sum(layers.values()) / len(layers)


def folders(store: Store) -> list[Path]:
    """The Results folders of all runs that were measured so, oldest first."""
    found = (store.root / "results").glob(f"{NAME}-*/record.json")
    return sorted((record.parent for record in found), key=lambda folder: folder.stat().st_mtime)


def compare(measured: Sequence[Path]) -> Checkpoints:
    """Rules and predictors over the runs of several folders that `measure` wrote; the newest of equal runs counts."""
    courses: dict[str, dict[str, dict[int, float]]] = {}
    tested: dict[str, dict[int, dict[str, float]]] = {}
    about: dict[str, tuple[str, str]] = {}
    for folder in measured:
        results = read_results(folder, CheckpointsRecord)
        fresh = {_run(row) for row in results.rows}
        courses, tested = ({r: v for r, v in of.items() if r not in fresh} for of in (courses, tested))  # type: ignore[assignment]
        for row in results.rows:
            run = _run(row)
            about[run] = (results.record.families[f"{row.preset}/{row.system}"], row.collection)
            if row.item:
                tested.setdefault(run, {}).setdefault(row.step, {})[row.item] = row.value
            else:
                courses.setdefault(run, {}).setdefault(row.measure, {})[row.step] = row.value
    points = [
        Checkpoint(run, *about[run], step, _diagnostics(courses[run], step), _differences(of_step, step))
        for run, of_step in tested.items()
        for step in sorted(of_step)
        if step > 0
    ]
    chosen = {
        rule: {run: _chosen(choice, courses[run], tested[run]) for run in tested} for rule, choice in RULES.items()
    }
    return Checkpoints(
        tuple(
            RuleAbout(s.rule, s.runs, s.queries, s.gain, s.regret, s.over_baseline, s.p, s.verdict)
            for s in rule_table(points, chosen)
        ),
        tuple(PredictorAbout(**asdict(each), verdict=each.verdict) for each in predictors(points, TRIVIAL)),
        len(tested),
        tuple(sorted({collection for _, collection in about.values()})),
    )


def _run(row: Row) -> str:
    return f"{row.preset}/{row.system}, seed {row.seed}, {row.collection}"


def _diagnostics(course: Mapping[str, Mapping[int, float]], step: int) -> dict[str, float]:
    """Geometry and dev less the base's, trivial ones as they are, by their plain names."""
    return {
        name.split("/", 1)[1] if name.startswith("known/") else name: of[step] - of[0]
        for name, of in course.items()
        if step in of and 0 in of and not name.startswith("train/")
    }


def _differences(of_step: Mapping[int, Mapping[str, float]], step: int) -> dict[str, float]:
    return {query: value - of_step[0][query] for query, value in of_step[step].items()}


def _chosen(rule: Choice, course: Mapping[str, Mapping[int, float]], of_step: Mapping[int, object]) -> int:
    series: Series = {name: sorted(of.items()) for name, of in course.items()}
    return rule(series, [step for step in sorted(of_step) if step > 0])
