"""Conduct a study: run its trials, measure them, judge the claims, and write a Results folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from strop.artifacts.keys import content_key, package_sha256
from strop.evaluation.judged_runs import rows
from strop.evaluation.macro import weighted
from strop.monitoring.logbook import namespaced
from strop.records.documents import Collection
from strop.records.errors import InputError
from strop.records.plain import to_plain
from strop.records.results import Results, Row, write_results
from strop.retrieval import stages
from strop.study.checkpoints import comparison
from strop.study.claims import Verdict, judge, judge_figure
from strop.study.definition import OUT_OF_DOMAIN
from strop.study.exhibits import exhibits
from strop.study.record import record
from strop.study.schedule import Done, Trial, run_trials, schedule
from strop.study.systems import Start
from strop.study.workbench import Workbench

MEASURES = ("RR@10", "RR@100", "nDCG@10", "AP", "R@100", "R@1000", "P@10")
#: Measured on the whole corpus, where only the base and BM25 stand.
WHOLE = ("RR@10", "RR@100", "nDCG@10")


def conduct(bench: Workbench, command: str, presets: Sequence[str] = (), budget: float | None = None) -> Path:
    """Run what is not yet there and return the Results folder, named for all that decides what is in it.

    `presets` restricts the scale's own; `budget` is in seconds. Another call goes on where this one stopped.
    """
    study, scale, store = bench.study, bench.scale, bench.store
    done = run_trials(bench, schedule(study, scale, presets), budget)
    if not done.runs:
        raise InputError("nothing is trained yet, and the budget is spent", remedy="Give more minutes, or no budget")
    kept = comparison.folders(store)
    about = record(bench, done, command, tuple(folder.name for folder in kept))
    key = content_key(study.claims, to_plain(about), package_sha256())[:8]
    folder = store.root / "results" / f"{study.name}-{scale.name}-{Path(bench.source).name}-{key}"
    if (folder / "record.json").is_file():  # written last
        return folder
    measured = _measured(bench, done)
    exhibited, clock = exhibits(bench, done)
    if kept:
        exhibited = replace(exhibited, checkpoints=comparison.compare(kept))
    results = Results(
        rows=(*measured, *_whole(bench, done), *_training_rows(bench, done), *clock),
        claims=tuple(_verdicts(bench, measured, done)),
        exhibits=exhibited,
        record=about,
    )
    write_results(results, folder)
    return folder


def _place(bench: Workbench, trial: Trial, collection: Collection) -> Row:
    """The row of a trial on a collection, but for what is measured: item, measure and value."""
    name, preset = bench.study.name, trial.preset.name
    return Row(name, preset, trial.system, trial.seed, collection.name, collection.split, -1, "", "", 0)


def _measured(bench: Workbench, done: Done) -> list[Row]:
    own = bench.own.test.name
    return [
        row
        for trial, artifact in done.runs.items()
        if not trial.preset.is_random(trial.system, bench.scale)
        for name, ranking in {own: artifact, **done.out_of_domain[trial]}.items()
        for panel in (bench.panels[name],)
        for row in rows(stages.run_of(ranking), panel.qrels, _place(bench, trial, panel), MEASURES)
    ]


def _whole(bench: Workbench, done: Done) -> list[Row]:
    """The base and BM25 on every document and test query, where the scale asks for it."""
    if not bench.scale.thorough:
        return []
    whole, preset, seed = bench.own.whole, done.presets[0], bench.scale.seeds[0]
    measured = []
    for system in preset.systems:
        if system.lexical or system.way == Start():
            run = stages.run_of(bench.ranking(preset, system.name, seed, whole))
            place = _place(bench, Trial(preset, system.name, seed), whole)
            place = replace(place, collection=f"{whole.name}, whole corpus")
            measured += rows(run, whole.qrels, place, WHOLE)
    return measured


def _row(bench: Workbench, trial: Trial, collection: str, split: str) -> Row:
    """What all rows of one trial on a collection share."""
    return Row(bench.study.name, trial.preset.name, trial.system, trial.seed, collection, split, -1, "", "", 0.0)


def _training_rows(bench: Workbench, done: Done) -> list[Row]:
    return [
        replace(_place(bench, trial, bench.own.test), step=int(step), measure=namespaced(measure), value=value)
        for trial, artifact in done.trained.items()
        for step, measure, value in json.loads((artifact.path / "log.json").read_text(encoding="utf-8"))
        if not (measure.startswith("cosine_accuracy") and trial.preset.is_random(trial.system, bench.scale))
    ]


def _verdicts(bench: Workbench, measured: Sequence[Row], done: Done) -> list[dict[str, Any]]:
    """Every claim, in every preset whose systems were run; effects on random weights are none."""
    study = bench.study
    own_setting = len(bench.own.whole.documents) == study.own_documents
    judged = []
    for preset in done.presets:
        values: dict[tuple[str, str, bool], dict[str, dict[int, dict[str, float]]]] = {}
        for row in measured:
            if row.preset == preset.name:
                away = row.collection != bench.own.test.name
                of = values.setdefault((row.system, row.measure, away), {}).setdefault(row.collection, {})
                of.setdefault(row.seed, {})[row.item] = row.value
        ledgers = {c.system: a.record["ledger"] for c, a in done.trained.items() if c.preset == preset}
        for claim in study.claims:
            verdict: Verdict | None = None
            if claim.kind == "arithmetic":
                if claim.system in ledgers:
                    verdict = judge_figure(claim, ledgers[claim.system]["trainable"])
            else:
                both = [(s, claim.measure, claim.collection == OUT_OF_DOMAIN) for s in (claim.system, claim.against)]
                if values.keys() >= {*both}:
                    ours, theirs = (weighted({n: list(of.values()) for n, of in values[key].items()}) for key in both)
                    verdict = judge(claim, ours, theirs, own_setting)
            if verdict:
                judged.append({**verdict.as_json(), "preset": preset.name})
    return judged
