"""Runs kept at several updates: what is measured of each, and what is compared over all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from strop.records.errors import InputError
from strop.records.record import CheckpointsRecord
from strop.records.results import Exhibits, Results, Row, write_results
from strop.report.checkpoints import section
from strop.study.checkpoints.comparison import RULES, compare


def folder(path: Path, collection: str, seed: int) -> Path:
    """Two runs of two families: what drifts loses, in proportion; dev says so too."""
    rng = np.random.default_rng(seed)
    made: list[Row] = []
    for system, rate in (("triplet", 0.06), ("info", 0.01)):
        place = Row("toy", "p", system, 0, collection, "test", 0, "", "", 0.0)
        made += [replace(place, step=s, measure="train/loss", value=2.0 / (s + 1)) for s in range(10)]
        for step in range(0, 11, 2):
            drift = rate * step
            seen = {
                "geometry/overlap@10/document": 1 - drift,
                "dev/RR@10": 0.5 - drift,
                "known/update": float(step),
                "known/sum of learning rates": float(step),
                "known/weight distance": float(step),
            }
            made += [replace(place, step=step, measure=name, value=value) for name, value in seen.items()]
            made += [
                replace(place, step=step, item=f"q{i}", measure="RR@10", value=0.5 - drift + 0.01 * rng.normal())
                for i in range(40)
            ]
    families = {"p/triplet": "Triplet, Full", "p/info": "InfoNCE, Full"}
    write_results(Results(tuple(made), (), Exhibits(), CheckpointsRecord("s", "small", "strop", "c", families)), path)
    return path


def test_rules_are_scored_over_every_run_of_every_folder(tmp_path: Path) -> None:
    found = compare([folder(tmp_path / "a", "one", 1), folder(tmp_path / "b", "two", 2)])
    assert found.runs == 4
    assert found.collections == ("one", "two")
    gains = {each.rule: each.gain.mean for each in found.rules}
    assert set(gains) == {*RULES, "oracle"}
    assert gains["last"] == pytest.approx(-0.35, abs=0.01)  # the mean of .6 and .1
    assert gains["closest to the base"] == pytest.approx(-0.07, abs=0.01)
    assert gains["best dev"] == gains["closest to the base"]
    names = [each.name for each in found.predictors]
    assert "sum of learning rates" in names
    assert "geometry/overlap@10/document" in names
    drift = next(each for each in found.predictors if each.name == "geometry/overlap@10/document")
    assert drift.r2_family > 0.9
    _, (rules, _) = section(found)
    assert rules.rows[0][0] == "last"


def test_a_run_measured_again_counts_once(tmp_path: Path) -> None:
    once = compare([folder(tmp_path / "a", "one", 1)])
    twice = compare([folder(tmp_path / "b", "one", 7), tmp_path / "a"])
    assert twice == once


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished results"):
        compare([tmp_path])
