"""The monitor: weights as without it, a share of the time, looks where they belong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from probes import probe
from tiny_models import RECIPE, TUNINGS, dense, toy_groups, toy_texts

from strop.models.dense import Dense
from strop.models.scoring import Dot, Representation
from strop.monitoring.logbook import Logbook, read_logbook
from strop.monitoring.monitor import POINTS, SHARE, Monitor, next_look, reciprocal_rank
from strop.monitoring.probe import Look, Probe, of_collection, of_examples
from strop.monitoring.selection import Best, BestDev, Both, EarlyStop, WithinDrift
from strop.negatives.examples import Examples
from strop.records.documents import Collection, Document, Group, Query
from strop.records.errors import InputError
from strop.training.loop import Logged, snapshot, train

DEV, OVERLAP = "dev/RR@10", "geometry/overlap@10/document"


def monitor(encoder: Dense, updates: int, fixed: int | None = None) -> Monitor:
    return Monitor.of(Look.of(probe(), encoder), encoder, updates, fixed=fixed)


def of(log: list[Logged], measure: str) -> list[tuple[int, float]]:
    return [(entry.step, entry.value) for entry in log if entry.measure == measure]


@pytest.mark.parametrize("tuning", TUNINGS)
def test_weights_are_bit_identical_with_and_without_a_monitor(tmp_path: Path, tuning: str) -> None:
    recipe = replace(RECIPE, tuning=TUNINGS[tuning], updates=8)
    weights = []
    for watched in (False, True):
        encoder = dense()
        queries, documents = toy_texts(encoder)
        observers = [monitor(encoder, 8, fixed=2)] if watched else []
        log = train(encoder, recipe, toy_groups(), queries, documents, 3, tmp_path / str(watched), observers)
        weights.append({name: p.detach().clone() for name, p in encoder.module.named_parameters()})
    assert [step for step, _ in of(log, OVERLAP)] == [0, 2, 4, 6, 8]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_at_update_0_a_model_is_its_base_and_later_it_has_moved(tmp_path: Path) -> None:
    encoder = dense()
    queries, documents = toy_texts(encoder)
    recipe = replace(RECIPE, updates=10, optimizer=replace(RECIPE.optimizer, learning_rate=5e-3))
    watching = monitor(encoder, 10, fixed=5)
    log = train(encoder, recipe, toy_groups(), queries, documents, 3, tmp_path, [watching])
    overlaps, shifts = of(log, OVERLAP), of(log, "geometry/shift/document")
    assert overlaps[0] == (0, 1.0)
    assert shifts[0][1] == pytest.approx(0, abs=1e-9)
    assert overlaps[-1][1] < 1
    assert shifts[-1][1] > 0.001
    assert {step for step, _ in of(log, DEV)} == {0, 5, 10}


@pytest.mark.parametrize("update_seconds", [0.01, 0.3, 4.0])
@pytest.mark.parametrize("updates", [100, 5000, 40000])
def test_looks_keep_to_their_share_and_spread_evenly(updates: int, update_seconds: float) -> None:
    look, spent, steps = 5.0, 5.0, [0]
    while steps[-1] < updates:
        left = POINTS - len(steps)
        steps.append(next_look(steps[-1], updates, update_seconds, look, spent, left))
        spent += look
    affordable = SHARE * updates * update_seconds / look
    assert len(steps) <= POINTS + 1
    assert spent <= max(SHARE * updates * update_seconds, 2 * look) + 1e-9  # the base and the last are always there
    assert len(steps) >= min(POINTS, int(affordable)) - 1
    gaps = np.diff(steps)
    assert gaps.max() <= 2 * gaps[:-1].min(initial=gaps.max()) + 1


def test_a_long_run_is_looked_at_fifty_times_within_its_share() -> None:
    steps, spent = [0], 1.0
    while steps[-1] < 2346:
        steps.append(next_look(steps[-1], 2346, 1.0, 1.0, spent, POINTS - len(steps)))
        spent += 1.0
    assert len(steps) >= 50
    assert spent <= SHARE * 2346


def test_the_clock_decides_how_often_a_run_is_looked_at(tmp_path: Path) -> None:
    encoder = dense()
    queries, documents = toy_texts(encoder)
    recipe = replace(RECIPE, updates=40)
    watching = monitor(encoder, 40)
    log = train(encoder, recipe, toy_groups(), queries, documents, 3, tmp_path, [watching])
    looked = [step for step, _ in of(log, OVERLAP)]
    assert looked[0] == 0
    assert looked[-1] == 40
    assert len(looked) < 20  # a look costs about as much as an update here, so 3 % are few
    assert watching.cost(10.0)["monitor_looks"] == len(looked)


def test_a_logbook_says_at_any_moment_what_the_log_says_in_the_end(tmp_path: Path) -> None:
    encoder = dense()
    queries, documents = toy_texts(encoder)
    book = Logbook(tmp_path / "book", {"title": "t", "updates": 6}, seed=3)
    sent: list[object] = []
    book.sink = sent.extend
    watching = monitor(encoder, 6, fixed=3)
    log = train(
        encoder, replace(RECIPE, updates=6), toy_groups(), queries, documents, 3, tmp_path, [watching], logbook=book
    )
    book.end(kept=6)
    course = read_logbook(tmp_path / "book")
    assert course.series["train/loss"] == [(e.step, e.value) for e in log if e.measure == "loss"]
    assert course.series[OVERLAP] == of(log, OVERLAP)
    assert sent == log
    assert course.done
    assert course.step == 6


def test_snapshots_are_the_weights_after_so_many_updates(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    encoder = dense()
    queries, documents = toy_texts(encoder)
    recipe = replace(RECIPE, updates=6)
    train(encoder, recipe, toy_groups(), queries, documents, 3, tmp_path, snapshots=(2, 6))
    last = load_file(snapshot(tmp_path, 6))
    assert all(torch.equal(p, last[n]) for n, p in encoder.module.named_parameters())
    half = load_file(snapshot(tmp_path, 2))
    assert any(not torch.equal(half[n], last[n]) for n in last)


# --- rules that choose and stop -----------------------------------------------------------------------------------


def kept_by(rule: object, values: dict[str, list[float]]) -> tuple[int, str | None]:
    """(the update kept, why it stopped): the rule over a log of one value an update from update 0 on."""
    log: list[tuple[int, str, float]] = []
    kept = 0
    for step in range(len(next(iter(values.values())))):
        log += [(step, measure, series[step]) for measure, series in values.items()]
        if step == 0:
            continue
        if rule.keeps(log):  # type: ignore[attr-defined]
            kept = step
        if why := rule.stops(log):  # type: ignore[attr-defined]
            return kept, why
    return kept, None


def test_the_best_is_the_first_of_equals_and_never_the_start() -> None:
    assert kept_by(Best("m"), {"m": [9.0, 1.0, 3.0, 3.0, 2.0]}) == (2, None)


def test_early_stopping_waits_for_its_patience() -> None:
    values = {"m": [0, 0.5, 0.4, 0.6, 0.5, 0.6, 0.7]}
    kept, why = kept_by(EarlyStop(BestDev("m"), patience=2), values)
    assert kept == 3
    assert why == "m was 0.600 at update 3, which is kept; 2 looks later it is 0.600"
    assert kept_by(EarlyStop(BestDev("m"), patience=3), values) == (6, None)


def test_drift_stops_at_the_first_look_beyond_and_keeps_the_one_before() -> None:
    rule = EarlyStop(WithinDrift("m", tolerance=0.5), patience=1)
    kept, why = kept_by(rule, {"m": [1, 0.8, 0.6, 0.4, 0.9]})
    assert kept == 2
    assert why == "m was 0.600 at update 2, which is kept; 1 look later it is 0.400"
    assert kept_by(rule, {"m": [1, 0.3]})[0] == 1


def test_both_together_keep_the_best_dev_within_the_drift() -> None:
    rule = EarlyStop(Both(BestDev("dev"), WithinDrift("m", tolerance=0.5)), patience=9)
    assert kept_by(rule, {"dev": [0, 0.3, 0.2, 0.9], "m": [1, 0.9, 0.6, 0.3]})[0] == 1
    with pytest.raises(InputError, match=r"m was not measured at updates"):
        rule.keeps([(1, "dev", 0.3)])


def test_a_training_stops_where_its_rule_says_and_has_the_weights_it_kept(tmp_path: Path) -> None:
    class Scripted:
        every = 2

        def __call__(self, step: int, encoder: Dense) -> dict[str, float]:
            return {"m": {0: 1.0, 2: 0.9, 4: 0.7}.get(step, 0.1)}

    encoder, whole = dense(), dense()
    recipe = replace(RECIPE, updates=12, selection=EarlyStop(WithinDrift("m", tolerance=0.5), patience=1))
    queries, documents = toy_texts(encoder)
    log = train(encoder, recipe, toy_groups(), queries, documents, 3, tmp_path / "a", [Scripted()])
    train(whole, replace(recipe, selection=None), toy_groups(), queries, documents, 3, tmp_path / "b", snapshots=(4,))
    from safetensors.torch import load_file

    at_four = load_file(snapshot(tmp_path / "b", 4))
    assert max(entry.step for entry in log) == 6
    assert all(torch.equal(p, at_four[n]) for n, p in encoder.module.named_parameters())


# --- the probe ----------------------------------------------------------------------------------------------------


def collection(queries: int, documents: int) -> Collection:
    found = {f"d{i}": Document(f"d{i}", f"text {i}") for i in range(documents)}
    asked = {f"q{i}": Query(f"q{i}", f"query {i}") for i in range(queries)}
    qrels = {f"q{i}": {f"d{i}": 1, f"d{i + 1}": 1, "d0": 0} for i in range(queries)}
    return Collection("toy", "test", found, asked, qrels, "")


def test_a_probe_is_drawn_once_and_for_all() -> None:
    one, other = of_collection(collection(40, 90), 10, 50), of_collection(collection(40, 90), 10, 50)
    assert one == other
    assert len(one.queries) == 10
    assert len(one.documents) == 50
    for query_id, relevant in one.relevant.items():
        number = int(query_id[1:])
        assert set(relevant) <= {f"d{number}", f"d{number + 1}"} & set(one.documents)
        assert relevant[0] in one.documents


def test_a_probe_larger_than_its_collection_is_refused_with_the_number_that_fits() -> None:
    with pytest.raises(InputError, match=r"probe of 50 .* the 40 queries .* Give --queries 40 or less"):
        of_collection(collection(40, 90), 50, 50)
    with pytest.raises(InputError, match=r"probe of 100 .* the 90 documents .* Give --documents 90 or less"):
        of_collection(collection(40, 90), 10, 100)


def test_other_relevant_documents_are_neither_positive_nor_negative() -> None:
    texts = Probe({"q": "x"}, {"a": "", "b": "", "c": ""}, {"q": ("a", "b")})
    rows, columns = ([[1.0, 0.0]], [[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])
    sample = texts.sample(Representation(torch.tensor(rows)), Representation(torch.tensor(columns)), Dot())
    assert sample.scores[0].tolist() == [0.5, 0.25, 0.25]
    assert reciprocal_rank(sample) == 1.0


def test_few_examples_have_no_probe() -> None:
    groups = tuple(Group(f"q{i}", (f"d{i}",)) for i in range(20))
    texts = Examples(groups, {g.query_id: "x" for g in groups}, {f"d{i}": "y" for i in range(20)})
    assert of_examples(texts, groups) is None
