"""Conduct a study: collection -> negatives -> training -> encoding -> search -> measures -> a Results folder."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from strop import exhibits, stages, tuning
from strop.artifacts import Artifact, Store, canonical, content_key, package_sha256
from strop.claims import Verdict, judge, judge_figure
from strop.collection import door
from strop.collection.audit import audit
from strop.collection.panel import panel, training_documents
from strop.evaluate import rows
from strop.held_out import HeldOut
from strop.lexical import BM25
from strop.models.dense import Dense
from strop.models.pretrained import Pretrained, resolve
from strop.negatives.from_run import RankWindow
from strop.negatives.group_files import Examples
from strop.negatives.positives import positive_groups
from strop.negatives.sampled import Uniform
from strop.nouns import Collection, Group
from strop.results import Results, Row, write_results
from strop.runs import Run
from strop.stages import Progress, Vectors, silent
from strop.study import Preset, Scale, Study, System, Tuned

MEASURES = ("RR@10", "RR@100", "nDCG@10", "AP", "R@100", "R@1000", "P@10")
#: The libraries whose versions decide the numbers.
VERSIONS = ("strop", "torch", "transformers", "sentence-transformers", "peft", "bm25s", "ir_measures", "numpy")


@dataclass(frozen=True, slots=True)
class Material:
    """What every system of a study shares, drawn before any training."""

    test: Collection
    train: Collection
    base: Pretrained

    @property
    def train_documents(self) -> dict[str, str]:
        return {d: self.train.documents[d].contents for d in training_documents(self.train)}

    @property
    def test_documents(self) -> dict[str, str]:
        return {d.id: d.contents for d in self.test.documents.values()}

    @property
    def own(self) -> dict[str, str]:
        pairs = ((q, self.test.own_document(q)) for q in self.test.queries)
        return {q: d for q, d in pairs if d is not None}


def material(study: Study, scale: Scale, store: Store, progress: Progress = silent) -> Material:
    """The panels and the base. Raises InputError on bad data, before any model is loaded."""
    cache = store.root / "docstrings"
    seed = scale.seeds[0]
    with progress("read the collection", 2) as advance:
        test = door.load(scale.collection, "test", cache)
        advance(1)
        train = door.load(scale.collection, "train", cache)
        advance(1)
    return Material(
        panel(test, scale.test_queries, scale.test_documents, seed, scale.max_chars),
        panel(train, scale.train_queries, scale.train_documents, seed, scale.max_chars),
        resolve(study.base),
    )


def conduct(
    study: Study, scale: Scale, preset: Preset, store: Store, command: str, progress: Progress = silent
) -> Path:
    """Run what is not yet there and return the Results folder, named for all that decides what is in it."""
    shared = material(study, scale, store, progress)
    found: dict[tuple[str, int], Artifact] = {}
    trained: dict[tuple[str, int], Artifact] = {}
    groups = _groups(shared, preset, scale, store, progress)
    for system in preset.systems:
        for seed in scale.seeds if isinstance(system.how, Tuned) else scale.seeds[:1]:
            model = shared.base
            if isinstance(system.how, Tuned):
                trained[system.name, seed] = _tune(system, groups, shared, seed, store, progress)
                model = tuning.tuned_model(trained[system.name, seed])
            found[system.name, seed] = _retrieve(system.how, model, shared, scale.depth, store, progress)
    artifacts = {f"{name}, seed {seed}": a for (name, seed), a in found.items()}
    artifacts |= {f"{name}, seed {seed}: training": a for (name, seed), a in trained.items()}
    record = _record(study, scale, preset, shared, trained, artifacts, command)
    name = f"{study.name}-{scale.name}-{preset.name}-{content_key(study, record, package_sha256())[:8]}"
    folder = store.root / "results" / name
    if (folder / "record.json").is_file():  # written last
        return folder
    runs = {system: stages.run_of(artifact) for system, artifact in found.items()}
    key = _key(study, preset, shared.test)
    measured = [
        row
        for (name, seed), run in runs.items()
        for row in rows(run, shared.test.qrels, system=name, seed=seed, measures=MEASURES, **key)
    ]
    results = Results(
        rows=(*measured, *_training_rows(trained, key)),
        claims=tuple(v.as_json() for v in _verdicts(study, measured, trained)),
        exhibits=_exhibits(study, preset, shared, groups, runs, trained, store, scale.seeds[0]),
        record=record,
    )
    write_results(results, folder)
    return folder


@dataclass(frozen=True, slots=True)
class Prepared:
    """Training and held-out groups, with mined negatives where a `window` says where from."""

    training: tuple[Group, ...]
    held_out: tuple[Group, ...]
    window: RankWindow | None


def _groups(shared: Material, preset: Preset, scale: Scale, store: Store, progress: Progress) -> Prepared:
    """The same queries and positives for every system: mined once by the base over training documents only."""
    groups = positive_groups(shared.train, first_only=True)
    if preset.window:
        queries, depth = {q.id: q.text for q in shared.train.queries.values()}, preset.window.high
        mined = stages.search_dense(store, shared.base, queries, shared.train_documents, depth, progress=progress)
        groups = preset.window(groups, stages.run_of(mined), scale.seeds[0])
    training, held_out = HeldOut().split(groups, scale.seeds[0])
    return Prepared(tuple(training), tuple(held_out), preset.window)


def _tune(system: System, groups: Prepared, shared: Material, seed: int, store: Store, progress: Progress) -> Artifact:
    how = system.how
    assert isinstance(how, Tuned)
    training = groups.training
    if how.negatives is None:
        training = tuple(replace(g, negatives=(), sources=()) for g in training)
    updates = how.epochs * how.recipe.batching.per_epoch(len(training))
    return tuning.tune(
        store,
        shared.base,
        replace(how.recipe, updates=updates),
        Examples.of(training, shared.train),
        Examples.of(groups.held_out, shared.train) if groups.window else None,
        seed,
        progress,
    )


def _retrieve(
    how: BM25 | Tuned | None, model: Pretrained, shared: Material, depth: int, store: Store, progress: Progress
) -> Artifact:
    queries = {q.id: q.text for q in shared.test.queries.values()}
    if isinstance(how, BM25):
        return stages.search_lexical(store, how, queries, shared.test_documents, depth, shared.own, progress)
    return stages.search_dense(store, model, queries, shared.test_documents, depth, shared.own, progress)


def _key(study: Study, preset: Preset, test: Collection) -> dict[str, Any]:
    return {"study": study.name, "preset": preset.name, "collection": test.name, "split": test.split}


def _training_rows(trained: Mapping[tuple[str, int], Artifact], key: Mapping[str, Any]) -> list[Row]:
    return [
        Row(system=name, seed=seed, step=step, item="", measure=f"train/{measure}", value=value, **key)
        for (name, seed), artifact in trained.items()
        for step, measure, value in _log(artifact)
    ]


def _log(artifact: Artifact) -> list[tuple[int, str, float]]:
    return [tuple(entry) for entry in json.loads((artifact.path / "log.json").read_text(encoding="utf-8"))]


def _verdicts(study: Study, measured: list[Row], trained: Mapping[tuple[str, int], Artifact]) -> list[Verdict]:
    """Every claim whose systems were run."""
    verdicts = []
    for claim in study.claims:
        if claim.kind == "arithmetic":
            ledgers = [a.record["ledger"]["trainable"] for (name, _), a in trained.items() if name == claim.system]
            verdicts += [judge_figure(claim, ledger) for ledger in ledgers[:1]]
            continue
        values: dict[str, dict[int, dict[str, float]]] = {}
        for row in measured:
            if row.measure == claim.measure and row.system in (claim.system, claim.against):
                values.setdefault(row.system, {}).setdefault(row.seed, {})[row.item] = row.value
        if claim.system in values and claim.against in values:
            ours, theirs = (list(values[system].values()) for system in (claim.system, claim.against))
            verdicts.append(judge(claim, ours, theirs))
    return verdicts


def _exhibits(
    study: Study,
    preset: Preset,
    shared: Material,
    groups: Prepared,
    runs: Mapping[tuple[str, int], Run],
    trained: Mapping[tuple[str, int], Artifact],
    store: Store,
    seed: int,
) -> dict[str, Any]:
    first_seed = {name: run for (name, _), run in reversed(list(runs.items()))}
    ledgers = {name: a.record["ledger"] for (name, _), a in trained.items()}
    printed = {c.system: int(c.published) for c in study.claims if c.kind == "arithmetic" and c.published}
    encoder = Dense.load(shared.base.path)
    return {
        "published_loss": {k: v for k, v in study.published_loss.items() if k in ledgers},
        "queries": exhibits.first_relevant_ranks(
            shared.test, {s.name: first_seed[s.name] for s in preset.systems if s.name in first_seed}
        ),
        "parameters": exhibits.parameters(ledgers, printed),
        **({"negatives": _negatives(shared, groups, trained, store, seed)} if groups.window else {}),
        "audit": audit([shared.test], encoder.token_counts, encoder.max_length),
    }


def _negatives(
    shared: Material, groups: Prepared, trained: Mapping[tuple[str, int], Artifact], store: Store, seed: int
) -> dict[str, Any]:
    assert groups.window
    queries = {q.id: q.text for q in shared.train.queries.values()}
    asked = Vectors.load(stages.encode_texts(store, shared.base, queries, "query"))
    found = Vectors.load(stages.encode_texts(store, shared.base, shared.train_documents, "document"))
    uniform = Uniform()(groups.training, list(shared.train_documents), seed)
    active = [v for a in trained.values() for step, m, v in _log(a) if m == "active_share" and step == 0]
    return exhibits.negatives(groups.training, uniform, groups.window, asked, found, active[0] if active else None)


def _record(
    study: Study,
    scale: Scale,
    preset: Preset,
    shared: Material,
    trained: Mapping[tuple[str, int], Artifact],
    artifacts: Mapping[str, Artifact],
    command: str,
) -> dict[str, Any]:
    def about(system: System) -> dict[str, Any]:
        described: dict[str, Any] = {"label": system.label, "note": system.note}
        if isinstance(system.how, BM25):
            described["values"] = canonical(system.how)
        artifact = next((a for (name, _), a in trained.items() if name == system.name), None)
        if artifact is not None:
            rates = [v for _, measure, v in _log(artifact) if measure == "learning_rate"]
            described |= {
                "values": artifact.record["values"]["recipe"],
                "updates": len(rates),
                "sum_learning_rates": sum(rates),
                "wall_seconds": artifact.record["wall_seconds"],
            }
        return described

    return {
        "study": study.name,
        "title": study.title,
        "paper": study.paper,
        "scale": scale.name,
        "deviations": list(scale.deviations),
        "preset": preset.name,
        "command": command,
        "baseline": study.baseline,
        "primary_measure": study.primary_measure,
        "systems": {s.name: about(s) for s in preset.systems},
        "published": {k: dict(v) for k, v in study.published.items()},
        "collections": {
            f"{c.name}/{c.split}": {
                "queries": len(c.queries),
                "documents": len(c.documents),
                "fingerprint": c.fingerprint,
                "warnings": list(c.warnings),
            }
            for c in (shared.test, shared.train)
        },
        "weights": {"name": shared.base.name, "sha256": shared.base.sha256, "source": shared.base.source},
        "versions": {name: version(name) for name in VERSIONS},
        "seeds": list(scale.seeds),
        "stages": [
            {"name": name, "key": a.key, "wall_seconds": a.record["wall_seconds"]} for name, a in artifacts.items()
        ],
        "presets": {field: dict(said) for field, said in study.choices.items()},
        "commands": {
            f"model {name}": shlex.join(["strop", "export", a.key, f"models/{name}"])
            for (name, _), a in trained.items()
        },
    }
