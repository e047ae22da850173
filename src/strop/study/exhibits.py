"""What a conducted study shows beside its rows: queries, parameters, negatives, points, projections, clocks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from strop.artifacts.store import Stage, content_key
from strop.collection.audit import audit
from strop.geometry.catalogue import LIVE
from strop.models.loading import load
from strop.models.pretrained import Pretrained
from strop.monitoring.diagnose import Readings, exhibit, readings
from strop.monitoring.probe import LEAST_DOCUMENTS, LEAST_QUERIES
from strop.negatives.audit.hardness import Similarity, cosines, harder, hardness
from strop.negatives.sampled import Uniform
from strop.records.documents import Collection
from strop.records.results import Row, write_json
from strop.records.runs import Run
from strop.retrieval import stages
from strop.retrieval.stages import Vectors
from strop.study import out_of_domain, reranking
from strop.study.open_questions import OpenQuestion
from strop.study.schedule import Done
from strop.study.workbench import Workbench
from strop.training.stage import tuned_model

EVIDENCE = Stage("evidence", 1)
GEOMETRY = Stage("geometry", 1)
#: Random halves of the texts behind an interval: enough for an SD to within a sixth.
_HALVES = 20


def exhibits(bench: Workbench, done: Done) -> tuple[dict[str, Any], tuple[Row, ...]]:
    """Plain values by the exhibit's name, and clock rows. Only what the finished cells allow is made."""
    study, own, seed = bench.study, bench.own, bench.scale.seeds[0]
    leading = done.presets[0]  # the page's query by query part is about the first preset
    first = {c.system: stages.run_of(a) for c, a in done.runs.items() if c.seed == seed and c.preset == leading}
    ledgers = {c.system: a.record["ledger"] for c, a in done.trained.items()}
    printed = {c.system: int(c.published) for c in study.claims if c.kind == "arithmetic" and c.published}
    encoder = load(bench.base.path)
    points = [_shown(question, bench, done) for question in study.questions]
    return {
        "published_loss": {k: v for k, v in study.published_loss.items() if k in ledgers},
        "queries": first_relevant_ranks(own.test, first),
        "parameters": parameters(ledgers, printed),
        "negatives": _negatives(bench, done),
        "audit": audit([own.test], encoder.token_counts, encoder.max_length),
        "geometry": _geometry(bench, done),
        "transfer": out_of_domain.exhibit(bench, done),
        "reranking": reranking.exhibit(bench, done),
        "points": [about for about, _ in points],
        **{name: value for _, evidence in points if evidence for name, value in evidence["exhibits"].items()},
    }, tuple(Row(**row) for _, evidence in points if evidence for row in evidence["rows"])


def _negatives(bench: Workbench, done: Done) -> dict[str, Any]:
    """Each kind of negatives: how hard it is for the base, beside uniform ones of the same queries."""
    kinds = {policy: f"{name}, {p.name}" for p in reversed(done.presets) for name, policy in p.watched}
    mined = {
        policy: list(bench.data.with_negatives(policy).values())
        for policy in (Uniform(), *reversed(kinds))
        if not bench.data.provided(policy)
    }
    similarity = _similarity(
        bench, {d for groups in mined.values() for g in groups for d in (*g.positives, *g.negatives)}
    )
    uniform = hardness(mined[Uniform()], similarity)
    shown: dict[str, Any] = {}
    for policy, groups in mined.items():
        if policy in kinds:
            seen = hardness(groups, similarity)
            judged = {} if policy == Uniform() else {"reading": str(harder(seen, uniform, (kinds[policy], "uniform")))}
            shown[kinds[policy]] = {**seen.plain(), "pool": len(bench.own.train_documents), **judged}
    return shown


def _geometry(bench: Workbench, done: Done) -> dict[str, Any]:
    """What every model of the first seed shows on a probe of the test panel, beside the base."""
    study, probe = bench.study, bench.probe
    if study.random_weights or len(probe.queries) < LEAST_QUERIES or len(probe.documents) < LEAST_DOCUMENTS:
        return {}
    base = bench.base
    models = {
        f"{cell.preset.system(cell.system).label}, {cell.preset.name.replace('_', ' ')}": tuned_model(trained)
        for cell, trained in done.trained.items()
        if cell.seed == bench.scale.seeds[0] and not cell.preset.system(cell.system).way.needs_candidates
    }
    samples = {base.name: bench.sample(base)}
    seen = {}
    for name, model in {base.name: base, **models}.items():

        def make(folder: Path, name: str = name, model: Pretrained = model) -> None:
            beside = None if name == base.name else samples[base.name]
            found = readings(bench.sample(model), beside, LIVE, replicates=_HALVES)
            write_json(asdict(found), folder / "readings.json")

        inputs = {"model": model.identity, "base": base.identity, "probe": content_key(probe)}
        kept = bench.store.build(GEOMETRY, _HALVES, inputs, make)
        seen[name] = Readings(**json.loads((kept.path / "readings.json").read_text(encoding="utf-8")))
    return exhibit(samples, base.name, seen)


def _similarity(bench: Workbench, doc_ids: Set[str]) -> Similarity:
    """The base's cosines of training queries and these documents."""
    own = bench.own
    asked = Vectors.load(stages.encode_texts(bench.store, bench.base, own.train_queries, "query"))
    found = Vectors.load(stages.encode_texts(bench.store, bench.base, own.train_documents, "document"))
    rows = [i for i, doc_id in enumerate(found.ids) if doc_id in doc_ids]
    return cosines(asked.ids, np.asarray(asked.matrix), [found.ids[i] for i in rows], found.matrix[np.array(rows)])


def _shown(point: OpenQuestion, bench: Workbench, done: Done) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A point as the page shows it, and its evidence: none where it needs systems or time that were not given."""
    about = {"id": point.id, "kind": point.kind, "doubt": point.question, "test": point.test}
    if point.demonstrate is None:
        return about | {"verdict": "shown", "sentence": "", "tables": []}, None
    if not done.whole.issuperset(point.needs) or (point.slow and not bench.scale.thorough):
        return about | {"verdict": "not run", "sentence": "", "tables": []}, None
    evidence = _kept(point, bench, done) if point.slow else asdict(point.demonstrate(bench))
    return about | {name: evidence[name] for name in ("verdict", "sentence", "tables")}, evidence


def _kept(point: OpenQuestion, bench: Workbench, done: Done) -> dict[str, Any]:
    """The evidence of a slow point, kept as an artifact beside what it was gained from."""

    def make(folder: Path) -> None:
        assert point.demonstrate
        write_json(asdict(point.demonstrate(bench)), folder / "evidence.json")

    needed = {str(c): a.key for c, a in done.runs.items() if (c.preset.name, c.system) in point.needs}
    inputs = {"test": bench.own.test.fingerprint, "base": bench.base.identity, **needed}
    kept = bench.store.build(EVIDENCE, point.id, inputs, make)
    evidence: dict[str, Any] = json.loads((kept.path / "evidence.json").read_text(encoding="utf-8"))
    return evidence


def first_relevant_ranks(collection: Collection, runs: Mapping[str, Run]) -> dict[str, Any]:
    """Per query its text, and per system the rank of its first relevant document (None: not retrieved)."""
    ranks: dict[str, Any] = {}
    for query_id, query in collection.queries.items():
        relevant = {d for d, grade in collection.qrels[query_id].items() if grade > 0}
        ranks[query_id] = {
            "text": query.text,
            "systems": {
                system: next((r for r, d in enumerate(run[query_id].doc_ids, 1) if d in relevant), None)
                if query_id in run
                else None
                for system, run in runs.items()
            },
        }
    return ranks


def parameters(systems: Mapping[str, Mapping[str, Any]], printed: Mapping[str, int]) -> list[dict[str, Any]]:
    """The ledger of each tuned system, beside what its paper printed for it."""
    rows = []
    for system, ledger in systems.items():
        note = ""
        if system in printed:
            note = (
                "r × (in + out) per matrix: 16 × (384 + 384) = 12,288, in 2 matrices of 6 layers. The paper multiplies "
                "12,288 by 12 heads and 6 layers, but a projection is one matrix for all heads: 6 times too many."
            )
        elif "pooler" in ledger["by_part"]:
            note = "The pooler counts as trainable, but mean pooling never gives it a gradient."
        share = ledger["trainable"] / ledger["total"]
        rows.append({"system": system, **ledger, "share": share, "published": printed.get(system), "note": note})
    return rows
