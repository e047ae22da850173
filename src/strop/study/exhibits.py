"""The exhibits of a conducted study: queries, parameters, negatives, geometry, open questions and what these add."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from strop.artifacts.keys import content_key
from strop.artifacts.store import Stage
from strop.collection.audit import audit
from strop.geometry.catalogue import LIVE
from strop.models.loading import load
from strop.models.pretrained import Pretrained
from strop.monitoring.diagnose import exhibit, readings
from strop.monitoring.probe import LEAST_DOCUMENTS, LEAST_QUERIES
from strop.negatives.audit.hardness import Similarity, cosines, harder, hardness
from strop.negatives.sampled import Uniform
from strop.records.documents import Collection
from strop.records.errors import InputError, excerpt
from strop.records.exhibits.audit import Audit
from strop.records.exhibits.geometry import Geometry, Readings
from strop.records.exhibits.negatives import NegativesAbout
from strop.records.exhibits.parameters import Ledger
from strop.records.exhibits.queries import QueryRanks
from strop.records.exhibits.questions import Question
from strop.records.plain import from_plain, to_plain
from strop.records.results import Exhibits, Row, read_json, write_json
from strop.records.runs import Run
from strop.retrieval import stages
from strop.study import out_of_domain, reranking
from strop.study.definition import Study
from strop.study.open_questions import Evidence, OpenQuestion
from strop.study.schedule import Done, Trial
from strop.study.workbench import Workbench
from strop.training.stage import tuned_model

EVIDENCE = Stage("evidence", 1)
GEOMETRY = Stage("geometry", 1)
#: The verdict on a question that a test answers, and no run of the study.
BY_TEST = "shown by a test"
#: Random halves of the texts behind an interval: enough for an SD to within a sixth.
_HALVES = 20


def exhibits(bench: Workbench, done: Done) -> tuple[Exhibits, tuple[Row, ...]]:
    """The exhibits, and clock rows. Only what the finished runs allow is made."""
    study, panel, seed = bench.study, bench.own.test, bench.scale.seeds[0]
    leading = done.presets[0]  # the page's query by query part is about the first preset
    first = {c.system: stages.run_of(a) for c, a in done.runs.items() if c.seed == seed and c.preset == leading}
    encoder = load(bench.base.path)
    answers = [_answer(question, bench, done) for question in study.questions]
    own = Exhibits(
        published_loss={k: v for k, v in study.published_loss.items() if k in {c.system for c in done.trained}},
        queries=_first_relevant_ranks(panel, first),
        parameters=_parameters(study, done),
        negatives=_negatives(bench, done),
        audit=from_plain(Audit, audit([panel], encoder.token_counts, encoder.max_length), "the audit"),
        geometry=_geometry(bench, done),
        transfer=out_of_domain.exhibit(bench, done),
        reranking=reranking.exhibit(bench, done),
        points=tuple(about for about, _ in answers),
    )
    more = {name: exhibit for _, evidence in answers if evidence for name, exhibit in evidence.exhibits.items()}
    return replace(own, **_read(more)), tuple(row for _, evidence in answers if evidence for row in evidence.rows)


def _read(more: Mapping[str, Any]) -> dict[str, Any]:
    """What demonstrations exhibit besides. Raises InputError for one that no page shows."""
    if unknown := more.keys() - {field.name for field in fields(Exhibits)}:
        remedy = "Name a field of strop.records.results.Exhibits"
        raise InputError(f"there is no exhibit {excerpt(min(unknown))}", remedy=remedy)
    read = from_plain(Exhibits, to_plain(more), "the evidence of a study's demonstrations")
    return {name: getattr(read, name) for name in more}


def _negatives(bench: Workbench, done: Done) -> dict[str, NegativesAbout]:
    """Each kind of negatives: how hard it is for the base, beside uniform ones of the same queries."""
    kinds = {policy: f"{name}, {p.name}" for p in reversed(done.presets) for name, policy in p.watched}
    mined = {
        policy: list(bench.data.with_negatives(policy).values())
        for policy in (Uniform(), *reversed(kinds))
        if not bench.data.provided(policy)
    }
    documents = {d for groups in mined.values() for g in groups for d in (*g.positives, *g.negatives)}
    similarity = _similarity(bench, documents)
    hard = {policy: hardness(groups, similarity) for policy, groups in mined.items()}
    return {
        kinds[policy]: NegativesAbout(
            count=of.number,
            queries=len(of.gaps),
            sources=dict(of.sources),
            rank_histogram=of.ranks,
            mean_similarity_gap=of.gap,
            gap_interval=of.interval,
            above_positive=of.above_positive,
            pool=len(bench.own.train_documents),
            reading=None if policy == Uniform() else str(harder(of, hard[Uniform()], (kinds[policy], "uniform"))),
        )
        for policy, of in hard.items()
        if policy in kinds
    }


def _geometry(bench: Workbench, done: Done) -> Geometry | None:
    """What every model of the first seed shows on a probe of the test panel, beside the base."""
    probe = bench.probe
    if bench.study.random_weights or len(probe.queries) < LEAST_QUERIES or len(probe.documents) < LEAST_DOCUMENTS:
        return None
    base = bench.base
    models = {
        f"{trial.preset.system(trial.system).label}, {trial.preset.name.replace('_', ' ')}": tuned_model(trained)
        for trial, trained in done.trained.items()
        if trial.seed == bench.scale.seeds[0] and not trial.preset.system(trial.system).way.needs_candidates
    }
    samples = {base.name: bench.sample(base)}
    by_model = {}
    for name, model in {base.name: base, **models}.items():

        def make(folder: Path, name: str = name, model: Pretrained = model) -> None:
            beside = None if name == base.name else samples[base.name]
            own = readings(bench.sample(model), beside, LIVE, replicates=_HALVES)
            write_json(to_plain(own), folder / "readings.json")

        inputs = {"model": model.identity, "base": base.identity, "probe": content_key(probe)}
        folder = bench.store.build(GEOMETRY, _HALVES, inputs, make).path
        by_model[name] = read_json(Readings, folder / "readings.json")
    return exhibit(samples, base.name, by_model)


def _similarity(bench: Workbench, doc_ids: Set[str]) -> Similarity:
    """The base's cosines of training queries and these documents."""
    queries = bench.base_vectors(bench.own.train_queries, "query")
    documents = bench.base_vectors(bench.own.train_documents, "document")
    rows = [i for i, doc_id in enumerate(documents.ids) if doc_id in doc_ids]
    ids = [documents.ids[i] for i in rows]
    return cosines(queries.ids, np.asarray(queries.matrix), ids, documents.matrix[np.array(rows)])


def _answer(question: OpenQuestion, bench: Workbench, done: Done) -> tuple[Question, Evidence | None]:
    """A question as the page shows it, and its evidence: None where it needs what was not run."""
    about = Question(question.id, question.kind, question.question, question.test, "not run", sentence="", tables=())
    if question.demonstrate is None:
        return replace(about, verdict=BY_TEST), None
    if not done.whole.issuperset(question.needs) or (question.slow and not bench.scale.thorough):
        return about, None
    evidence = _kept(question, bench, done) if question.slow else question.demonstrate(bench)
    return replace(about, verdict=evidence.verdict, sentence=evidence.sentence, tables=evidence.tables), evidence


def _kept(question: OpenQuestion, bench: Workbench, done: Done) -> Evidence:
    """The evidence of a slow question, as an artifact."""

    def make(folder: Path) -> None:
        assert question.demonstrate
        write_json(to_plain(question.demonstrate(bench)), folder / "evidence.json")

    needed = {str(c): a.key for c, a in done.runs.items() if (c.preset.name, c.system) in question.needs}
    inputs = {"test": bench.own.test.fingerprint, "base": bench.base.identity, **needed}
    return read_json(Evidence, bench.store.build(EVIDENCE, question.id, inputs, make).path / "evidence.json")


def _first_relevant_ranks(collection: Collection, runs: Mapping[str, Run]) -> dict[str, QueryRanks]:
    """Per query its text, and per system the rank of its first relevant document (None: not retrieved)."""
    ranks = {}
    for query_id, query in collection.queries.items():
        relevant = {d for d, grade in collection.qrels[query_id].items() if grade > 0}
        ranked = {system: run[query_id].doc_ids if query_id in run else () for system, run in runs.items()}
        first = {s: next((rank for rank, d in enumerate(ids, 1) if d in relevant), None) for s, ids in ranked.items()}
        ranks[query_id] = QueryRanks(query.text, first)
    return ranks


def _parameters(study: Study, done: Done) -> tuple[Ledger, ...]:
    """Of each tuned system, beside what its paper printed for it."""
    printed = {c.system: int(c.published) for c in study.claims if c.kind == "arithmetic" and c.published}
    ledgers = {}
    for trial, artifact in done.trained.items():
        total, trainable, by_part = (artifact.record["ledger"][key] for key in ("total", "trainable", "by_part"))
        note = study.parameter_notes.get(trial.system, "") or _unused(trial, by_part)
        published = printed.get(trial.system)
        ledgers[trial.system] = Ledger(trial.system, total, trainable, by_part, trainable / total, published, note)
    return tuple(ledgers.values())


def _unused(trial: Trial, by_part: Mapping[str, int]) -> str:
    """A cross-encoder scores with its pooler; every other architecture pools tokens itself."""
    if "pooler" not in by_part or trial.preset.system(trial.system).way.needs_candidates:
        return ""
    return "The pooler counts as trainable, but mean pooling never gives it a gradient."
