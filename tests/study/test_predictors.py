"""Planted truths: what predicts is found, what only looks like it is not, and an oracle's luck is taken out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from strop.evaluation.significance import bootstrap_interval
from strop.records.errors import InputError
from strop.records.exhibits.checkpoints import PredictorAbout
from strop.study.checkpoints import predictors as prediction
from strop.study.checkpoints.predictors import Checkpoint, predictors
from strop.study.checkpoints.rules import hierarchical, rule_table

QUERIES = 60
Make = Callable[[np.random.Generator, float, int, int], tuple[dict[str, float], float]]


def table(
    seed: int,
    make: Make,
    runs: int = 8,
    steps: int = 5,
    noise: float = 0.12,
    collections: int = 2,
    queries: int = QUERIES,
) -> list[Checkpoint]:
    """`make(rng, trait of the run, number of the run, step)` -> diagnostics and the true mean difference.

    Two runs a family; a collection's queries are the same for all runs, with a share of noise in common.
    """
    rng = np.random.default_rng(seed)
    found = []
    for run in range(runs):
        trait = rng.normal()
        for step in range(1, steps + 1):
            diagnostics, mean = make(rng, trait, run, step)
            for name in "AB"[:collections]:
                values = mean + noise * rng.normal(size=queries)
                differences = {f"{name}{i}": float(v) for i, v in enumerate(values)}
                found.append(Checkpoint(f"run{run}", f"family{run // 2}", name, step * 10, diagnostics, differences))
    return found


def damage(rng: np.random.Generator, trait: float, run: int, step: int) -> tuple[dict[str, float], float]:
    """Damage grows with the update at a rate of the run's own. `drift` measures it, `clock` only counts updates."""
    hurt = step * np.exp(0.8 * trait)
    return {
        "drift": hurt + 0.3 * rng.normal(),
        "clock": step + 0.3 * rng.normal(),
        "noise": rng.normal(),
        "steps x rate": step * (1 + run % 3),
    }, 0.05 - 0.03 * hurt


def predicts(about: PredictorAbout) -> bool:
    return about.verdict.startswith("predicts (")


def test_a_diagnostic_that_predicts_is_found_and_one_that_counts_updates_is_not() -> None:
    found = {p.name: p for p in predictors(table(1, damage), trivial=["steps x rate"])}
    drift, clock, noise, trivial = (found[name] for name in ("drift", "clock", "noise", "steps x rate"))
    assert drift.verdict == "predicts (8 runs of 4 families, 2 collections)"
    assert drift.spearman < -0.8
    assert drift.r2_family > 0.8
    assert drift.r2_collection is not None
    assert drift.r2_collection > 0.8
    assert drift.auc_family is not None
    assert drift.auc_family > 0.9
    assert drift.over_trivial == pytest.approx(drift.r2_family - trivial.r2_family)
    assert clock.spearman < -0.3  # it does follow the update within each run
    assert not predicts(clock)
    assert noise.verdict.startswith("not resolved (8 runs")
    assert trivial.trivial
    assert trivial.p_holm is None
    assert not predicts(trivial)
    assert (drift.checkpoints, drift.runs, drift.families, drift.collections) == (80, 8, 4, 2)


def test_a_predictor_must_beat_the_trivial_ones_and_carry_over_to_each_collection() -> None:
    rows = table(1, damage)
    same = [replace(r, diagnostics={**r.diagnostics, "distance": r.diagnostics["drift"]}) for r in rows]
    drift = next(p for p in predictors(same, trivial=["distance"]) if p.name == "drift")
    assert drift.over_trivial == 0.0
    assert not predicts(drift)
    turned = [
        replace(r, diagnostics={"drift": r.diagnostics["drift"] * (1 if r.collection == "A" else -1)}) for r in rows
    ]
    odd = predictors(turned)[0]
    assert odd.r2_collection is not None
    assert odd.r2_collection < 0
    assert not predicts(odd)


def unrelated(rng: np.random.Generator, trait: float, run: int, step: int) -> tuple[dict[str, float], float]:
    """Diagnostics and damage both depend on run and update, and not on one another: the hard kind of null."""
    other = np.random.default_rng([run, int(1e6 * abs(trait))]).normal(size=3)
    return {f"d{i}": step * float(np.exp(0.5 * other[i])) for i in range(3)}, 0.02 - 0.02 * step * np.exp(0.5 * trait)


def test_nulls_are_called_predictors_no_more_often_than_alpha(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "PERMUTATIONS", 199)
    tables = [predictors(table(seed, unrelated, collections=1, queries=4)) for seed in range(100)]
    assert sum(any(map(predicts, of_table)) for of_table in tables) <= 10  # P(more) < 0.012 at alpha = 0.05
    ps = np.array([p.p for of_table in tables for p in of_table])
    assert 0.3 < ps.mean() < 0.7  # a test that never rejects would not do either
    assert (ps < 0.5).mean() > 0.3


def test_left_out_predictions_equal_a_naive_loop() -> None:
    rows = table(2, damage, runs=6, collections=1, queries=5)
    x = [r.diagnostics["clock"] for r in rows]
    y = [float(np.mean(list(r.differences.values()))) for r in rows]
    missed = plain = 0.0
    for row, a, b in zip(rows, x, y, strict=True):
        others = [i for i, other in enumerate(rows) if other.family != row.family]
        slope, offset = np.polyfit([x[i] for i in others], [y[i] for i in others], 1)
        missed += (b - slope * a - offset) ** 2
        plain += (b - np.mean([y[i] for i in others])) ** 2
    found = next(p for p in predictors(rows) if p.name == "clock")
    assert found.r2_family == pytest.approx(1 - missed / plain)
    assert found.r2_collection is None
    assert found.auc_collection is None


def test_predictors_refuse_what_they_cannot_judge() -> None:
    rows = table(1, damage, runs=4)
    with pytest.raises(InputError, match="one recipe family"):
        predictors(rows[:20])
    with pytest.raises(InputError, match=r"nobody measured \['distance'\]"):
        predictors(rows, trivial=["distance"])
    rows[3] = replace(rows[3], diagnostics={**rows[3].diagnostics, "drift": float("nan")})
    with pytest.raises(InputError, match="run0 has no finite drift at update 20"):
        predictors(rows)


def chosen(rows: list[Checkpoint], step: int) -> dict[str, int]:
    return {r.run: step for r in rows}


def test_halving_takes_the_luck_out_of_the_oracle() -> None:
    gains, lucky = [], []
    for seed in range(30):
        rows = table(seed, lambda *_: ({}, 0.0), noise=0.3, runs=6, collections=1, queries=40)
        gains.append(rule_table(rows, {"last": chosen(rows, 50)})[-1].gain.mean)
        means = {(r.run, r.step): float(np.mean(list(r.differences.values()))) for r in rows}
        lucky.append(np.mean([max(means[f"run{i}", step] for step in range(10, 60, 10)) for i in range(6)]))
    assert np.mean(lucky) > 0.04  # what choosing and scoring on the same queries would claim
    assert abs(np.mean(gains)) < 0.012  # about three standard errors


def test_a_rule_is_scored_beside_the_oracle_and_the_last_checkpoint() -> None:
    def peak(rng: np.random.Generator, trait: float, run: int, step: int) -> tuple[dict[str, float], float]:
        return {}, 0.1 - 0.05 * abs(step - 2)

    rows = table(3, peak)
    rules = {"last": chosen(rows, 50), "second": chosen(rows, 20), "base": chosen(rows, 0), "first": chosen(rows, 10)}
    of = {score.rule: score for score in rule_table(rows, rules)}
    assert list(of) == ["last", "second", "base", "first", "oracle"]
    for name, truth in {"last": -0.05, "second": 0.1, "base": 0.0, "first": 0.05, "oracle": 0.1}.items():
        assert of[name].gain.low <= truth <= of[name].gain.high
        assert of[name].gain.mean == pytest.approx(truth, abs=0.015)
        assert of[name].regret.mean == pytest.approx(of["oracle"].gain.mean - of[name].gain.mean)
        assert of[name].over_baseline.mean == pytest.approx(of[name].gain.mean - of["last"].gain.mean)
    assert of["base"].gain.high == 0.0
    assert of["last"].p is None
    assert of["last"].verdict == "– (8 runs, 120 queries)"
    assert of["second"].verdict == "better than the baseline (8 runs, 120 queries)"
    few = [r for r in rows if r.run in {"run0", "run1"}]
    assert rule_table(few, rules)[1].verdict == "not resolved (2 runs, 120 queries)"  # two runs never are


def test_the_oracle_never_keeps_the_base() -> None:
    rows = table(4, lambda *_: ({}, -0.2), collections=1)
    assert rule_table(rows, {"last": chosen(rows, 50)})[-1].gain.mean < -0.15


def test_the_hierarchical_interval_is_significance_s_where_there_is_one_collection() -> None:
    rng = np.random.default_rng(5)
    matrix = rng.normal(0.1, 0.2, (5, 1)) + rng.normal(0, 0.5, (5, 80))
    found = hierarchical({(f"run{i}", "A"): row for i, row in enumerate(matrix)}, resamples=10_000)
    low, high = bootstrap_interval(matrix)
    assert found.mean == pytest.approx(matrix.mean())
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)


def test_a_rule_must_choose_a_tested_checkpoint_of_every_run() -> None:
    rows = table(1, damage, runs=3)
    with pytest.raises(InputError, match="'last' is none of the rules"):
        rule_table(rows, {"dev": chosen(rows, 50)})
    with pytest.raises(InputError, match="last chose update 55 of run0, which was not tested on A"):
        rule_table(rows, {"last": chosen(rows, 55)})
    with pytest.raises(InputError, match="last chose update None of run2"):
        rule_table(rows, {"last": {"run0": 50, "run1": 50}})
    short = replace(rows[0], differences={"A0": 0.0, "A1": 0.0})
    with pytest.raises(InputError, match="not tested on the queries others of A were"):
        rule_table([short, *rows[1:]], {"last": chosen(rows, 50)})
