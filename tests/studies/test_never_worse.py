"""The gate's study: its populations are as harmful as they say, and its rules are what their names say."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from strop.artifacts.progress import silent
from strop.artifacts.store import Store
from strop.evaluation.certification import certified
from strop.records.errors import InputError
from strop.records.record import Record
from strop.records.results import Exhibits, Results, Row, write_results
from strop.studies.never_worse import gate, power
from strop.studies.never_worse.populations import Null, Pairs, kept, nulls, of_results
from strop.studies.never_worse.rules import OURS, RESAMPLED_SETS, RULES, draw

PAIRS = kept()


def of(name: str, mean: float, way: str) -> Null:
    pairs = next(each for each in PAIRS if each.name.startswith(name))
    return next(null for null in nulls(pairs, mean) if null.way == way)


@pytest.mark.parametrize("mean", [0.0, -0.02])
@pytest.mark.parametrize("pairs", PAIRS, ids=lambda pairs: pairs.name)
def test_every_population_has_its_mean_exactly_and_no_value_that_a_query_cannot_have(pairs: Pairs, mean: float) -> None:
    found = list(nulls(pairs, mean))
    assert len(found) >= 4
    for null in found:
        assert null.shares.sum() == pytest.approx(1)
        assert null.shares @ null.differences == pytest.approx(mean, abs=1e-6), null.way
        tuned = null.base + null.differences
        assert tuned.min() > -1e-9
        assert tuned.max() < 1 + 1e-9
        if null.way.endswith("% ties"):
            assert null.shares @ (null.differences == 0) >= float(null.way.split("%")[0]) / 100 - 1e-9


def test_sets_differ_in_character_and_one_is_half_of_another() -> None:
    tied = [float((pairs.differences == 0).mean()) for pairs in PAIRS]
    assert min(tied) < 0.4
    assert max(tied) > 0.9
    whole, half = PAIRS[0].differences, PAIRS[-1].differences
    assert half == pytest.approx(whole / 2, abs=1e-9)


@pytest.mark.parametrize("way", ["ties kept", "answers lost"])
def test_each_rule_decides_on_many_test_sets_as_on_one(way: str) -> None:
    null, n = of("Cranfield, triplets", -0.02, way), 60
    draws = draw(null, n, 200, 1)
    assert draws.counts.sum(axis=1) == pytest.approx(n)
    ours, t = (RULES[rule](draws, -0.05, 0.2) for rule in (OURS, "paired t"))
    for i in range(40):
        values, base = null.differences[draws.queries[i]], null.base[draws.queries[i]]
        assert values.mean() == pytest.approx(draws.means[i])
        assert ours[i] == certified(values, base, -0.05, 0.2)
        if values.std() > 0:
            assert t[i] == (stats.ttest_1samp(values, -0.05, alternative="greater").pvalue <= 0.2)
    assert 0 < ours.mean() < 1


def test_the_rules_of_others_hold_their_level_on_symmetric_differences() -> None:
    spread = np.linspace(-0.3, 0.3, 60)
    null = Null("even", "even", 0.0, np.full(60, 0.5), spread, np.full(60, 1 / 60))
    draws = draw(null, 80, 4000, 2)
    for rule in ("paired t", "sign flips", "bootstrap"):
        ships = RULES[rule](draws, 0.0, 0.05)
        assert 0.035 < ships.mean() < 0.07, rule
        assert len(ships) == (4000 if rule == "paired t" else RESAMPLED_SETS)
    shifted = replace(draws, null=replace(null, differences=spread + 0.1))
    assert all(rule(shifted, 0.0, 0.05).mean() > 0.8 for rule in RULES.values())


def test_few_great_losses_are_let_pass_by_the_t_test_and_not_by_the_certificate() -> None:
    cells = list(gate.cells_of(of("docstrings, contrastive", -0.02, "answers lost"), (60, 100), 2000, 0))
    rates = {(cell.rule, cell.n): cell.upper for cell in cells}
    assert max(rates[OURS, 60], rates[OURS, 100]) <= gate.ALLOWED
    for rule in ("paired t", "sign flips", "bootstrap"):
        assert rates[rule, 60] > 2 * gate.ALLOWED, rule
    assert rates["worst: -mean of all", 100] > gate.ALLOWED, "why worst_of leaves out what the base never answered"


def test_the_bound_of_a_rate_is_that_of_clopper_and_pearson() -> None:
    for shipped, sets in ((0, 100), (7, 100), (500, 10_000), (10, 10)):
        exact = stats.binomtest(shipped, sets, alternative="less").proportion_ci(0.95, "exact").high
        assert gate.upper_bound(shipped, sets) == pytest.approx(exact)


def test_the_gate_certifies_more_with_more_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "_SETS", 200)
    few, many = (power.power(PAIRS[0], (n,), 0.05, 0.02)[1] for n in (60, 1000))
    assert few.sd == many.sd == 0.08
    assert few.gain > 2 * many.gain
    assert few.gain == pytest.approx(few.predicted, rel=0.2)
    assert many.gain == pytest.approx(many.predicted, rel=0.2)
    assert few.unchanged < 0.2 < 0.95 < many.unchanged
    assert 0.01 < many.refused <= 0.02


def test_the_part_writes_cells_power_and_a_summary_and_takes_results_besides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "SETS", 200)
    monkeypatch.setattr(gate, "QUERIES", (60,))
    monkeypatch.setattr(power, "SPREADS", (0.1,))
    monkeypatch.setattr(power, "_SETS", 100)
    monkeypatch.setattr("strop.studies.never_worse.populations.kept", lambda: PAIRS[:1])
    folder = results(tmp_path / "mine", 12)
    outcome = gate.gate(Store(tmp_path / "store"), silent, [str(folder)])
    summary = json.loads((outcome.folder / "gate.json").read_text(encoding="utf-8"))
    assert set(summary["sets"]) == {PAIRS[0].name, "mine/p/tuned/c/3"}
    assert summary["sets"]["mine/p/tuned/c/3"]["queries"] == 12
    with (outcome.folder / "cells.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["rule"] for row in rows} == set(RULES)
    assert {row["test"] for row in rows} == {"gain", "guard"}
    assert summary["worst"]["paired t"]["upper"] > gate.ALLOWED
    assert [len(table[0]) for table in outcome.tables.values()] == [3, 1 + len(RULES), 5]
    assert not list(outcome.folder.glob("*.partial"))


def test_results_in_which_nothing_differs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no system differs from the baseline in nDCG@10"):
        of_results(str(results(tmp_path / "same", 12, gain=0.0)))


def results(folder: Path, queries: int, gain: float = 0.1) -> Path:
    rows = [
        Row("s", "p", system, 3, "c", "test", -1, f"q{i}", "nDCG@10", 0.5 + (gain * (i % 3 - 1) if tuned else 0))
        for tuned, system in enumerate(("base", "tuned"))
        for i in range(queries)
    ]
    write_results(Results(tuple(rows), (), Exhibits(), Record("s")), folder)
    return folder
