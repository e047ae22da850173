from __future__ import annotations

import numpy as np
import pytest

from strop.evaluation.comparison import compare_together
from strop.evaluation.judged_runs import compare_runs, rows
from strop.evaluation.measures import MEASURES, evaluate, mean
from strop.evaluation.significance import holm
from strop.records.errors import InputError
from strop.records.results import Results, Row
from strop.records.runs import Run

QRELS = {f"q{i}": {"good": 1} for i in range(12)} | {"missing": {"good": 1}}


def run(ranks: list[int]) -> Run:
    """The relevant document at these ranks, 1-based, for q0, q1, …"""
    return Run(
        {
            f"q{i}": ([f"d{j}" for j in range(1, rank)] + ["good"], np.arange(rank, 0, -1))
            for i, rank in enumerate(ranks)
        }
    )


BETTER, WORSE = run([1] * 10 + [2, 5]), run([3] * 10 + [1, 5])
ROW = Row("s", "as_coded", "base", 3, "c", "dev", 40, "", "", 0.0)


def test_rows_hold_one_value_for_each_measure_and_judged_query() -> None:
    by_query = rows(BETTER, QRELS, ROW, ["RR@10", "P@10"])
    assert by_query[10] == Row("s", "as_coded", "base", 3, "c", "dev", 40, "q10", "RR@10", 0.5)
    assert [r.value for r in by_query if r.item == "missing"] == [0.0, 0.0]
    assert len(by_query) == 2 * len(QRELS)
    Results(tuple(by_query), (), {}, {})  # no key stands twice


def test_two_runs_are_compared_measure_by_measure_with_holm_over_what_is_shown() -> None:
    got = compare_runs(BETTER, WORSE, QRELS)
    assert tuple(c.measure for c in got) == MEASURES
    ours, theirs = evaluate(BETTER, QRELS), evaluate(WORSE, QRELS)
    assert [each.comparison for each in got] == compare_together([(ours[name], theirs[name]) for name in MEASURES])
    for each in got:
        assert each.comparison.mean_a == mean(ours[each.measure])
        assert each.comparison.n == 13
    assert [c.holm_p for c in got] == holm([c.comparison.p for c in got])
    first = got[0]
    assert (first.comparison.won, first.comparison.tied, first.comparison.lost) == (10, 2, 1)
    assert first.holm_p > first.comparison.p


def test_a_measure_named_twice_is_shown_once_and_does_not_cost_twice() -> None:
    twice = compare_runs(BETTER, WORSE, QRELS, ["RR@10", "RR@10"])
    assert twice == compare_runs(BETTER, WORSE, QRELS, ["RR@10"])
    assert twice[0].holm_p == twice[0].comparison.p


def test_comparing_on_no_judged_query_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no query is judged"):
        compare_runs(BETTER, WORSE, {"q": {}})


def test_a_geometric_mean_is_neither_kept_by_query_nor_compared() -> None:
    with pytest.raises(InputError, match="Use AP"):
        compare_runs(BETTER, WORSE, QRELS, ["AP", "GMAP"])
    with pytest.raises(InputError, match="Use AP"):
        rows(BETTER, QRELS, ROW, ["GMAP"])
