from __future__ import annotations

import numpy as np
import pytest

from strop.evaluation.comparison import ceiling, compare_runs, reordering, rows
from strop.evaluation.measures import MEASURES, evaluate, mean
from strop.evaluation.significance import compare, holm, minimum_detectable_effect
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
LABELS = {"study": "s", "preset": "as_coded", "system": "base", "seed": 3, "collection": "c", "split": "dev"}


def test_rows_hold_one_value_for_each_measure_and_judged_query() -> None:
    made = rows(BETTER, QRELS, **LABELS, step=40, measures=["RR@10", "P@10"])  # type: ignore[arg-type]
    assert made[10] == Row("s", "as_coded", "base", 3, "c", "dev", 40, "q10", "RR@10", 0.5)
    assert [r.value for r in made if r.item == "missing"] == [0.0, 0.0]
    assert len(made) == 2 * len(QRELS)
    Results(tuple(made), (), {}, {})  # no key stands twice
    assert {r.step for r in rows(BETTER, QRELS, **LABELS)} == {-1}  # type: ignore[arg-type]


def test_two_runs_are_compared_measure_by_measure_with_holm_over_what_is_shown() -> None:
    got = compare_runs(BETTER, WORSE, QRELS)
    assert tuple(c.measure for c in got) == MEASURES
    ours, theirs = evaluate(BETTER, QRELS), evaluate(WORSE, QRELS)
    for each in got:
        assert each.comparison == compare(ours[each.measure], theirs[each.measure])
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
        rows(BETTER, QRELS, **LABELS, measures=["GMAP"])  # type: ignore[arg-type]


#: Four documents a query, of which the first three may be reordered; the relevant one is there, but in q3.
FIRST = Run({f"q{i}": (["a", "b", "good" if i < 3 else "e", "c"], [4.0, 3.0, 2.0, 1.0]) for i in range(4)})
ASKED = {f"q{i}": {"good": 1, "a": 0} for i in range(4)}


def reranked(**orders: str) -> Run:
    """FIRST with the orders given, one letter a document (g: good)."""
    names = {"g": "good"}
    return Run(
        {
            q: ([names.get(d, d) for d in orders.get(q, "".join(d[0] for d in r.doc_ids))], [4.0, 3.0, 2.0, 1.0])
            for q, r in FIRST.items()
        }
    )


def test_a_reordering_stands_beside_its_candidates_and_their_ceiling_worked_by_hand() -> None:
    found = reordering(reranked(q0="gabc", q1="bgac"), FIRST, ASKED, 3, ["RR@10", "GMAP"])
    ranks, geometric = found.measures
    assert ranks.values == pytest.approx({"q0": 1, "q1": 1 / 2, "q2": 1 / 3, "q3": 0})
    assert ranks.first == pytest.approx({"q0": 1 / 3, "q1": 1 / 3, "q2": 1 / 3, "q3": 0})
    assert ranks.ceiling == {"q0": 1, "q1": 1, "q2": 1, "q3": 0} == ceiling(FIRST, ASKED, "RR@10", 3)
    sd = np.std([2 / 3, 1 / 6, 0, 0], ddof=1)
    assert ranks.detectable == pytest.approx(minimum_detectable_effect(float(sd), 4))
    assert geometric.detectable is None, "it has no value of a query, so no spread over queries"
    assert found.depth == "depth 3"
    assert found.judged == {"q0": 0.5, "q1": 0.5, "q2": 0.5, "q3": 0.25}


def test_queries_that_nobody_judged_count_neither_for_the_depth_nor_for_what_is_seen() -> None:
    wide = Run({**FIRST, "other": (["x"], [1.0])})
    assert reordering(FIRST, wide, ASKED, 3).depth == "depth 3"
    found = reordering(FIRST, FIRST, ASKED, 5, ["RR@10"])
    assert found.depth == "depth 5, 4 of 4 queries have fewer (at least 4)"
    assert found.measures[0].detectable is None, "nothing differs"


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (Run({**FIRST, "q1": (["a", "x", "b"], [3.0, 2.0, 1.0])}), "'x', rank 2 of query 'q1', is not the candidates'"),
        (reranked(q2="acbg"), "'c', rank 2 of query 'q2', is not the candidates' first 3: there is no ceiling"),
        (Run({**FIRST, "q0": (["a", "b", "good", "x"], [4.0, 3.0, 2.0, 1.0])}), "'x', rank 4 of query 'q0', is not wh"),
        (
            Run({**FIRST, "q0": (["a", "b", "good", "c", "x"], [5.0, 4.0, 3.0, 2.0, 1.0])}),
            "'x', rank 5 of query 'q0', is not where the candidates have rank 5",
        ),
    ],
)
def test_a_run_that_is_no_reordering_of_the_candidates_has_no_ceiling(run: Run, said: str) -> None:
    with pytest.raises(InputError, match=said):
        reordering(run, FIRST, ASKED, 3)


def test_a_reordering_may_end_before_its_candidates_do() -> None:
    assert reordering(FIRST.top(2), FIRST, ASKED, 3, ["RR@10"]).measures[0].values["q0"] == 0.0
    assert reordering(reranked(q0="gabc").top(3), FIRST, ASKED, 3).depth == "depth 3"


def test_candidates_that_lack_a_query_of_the_run_are_an_input_error() -> None:
    with pytest.raises(InputError, match="query 'q0' of the run is not among the candidates'"):
        reordering(FIRST, Run({q: FIRST[q] for q in ("q1", "q2", "q3")}), ASKED, 3)
    few = reordering(Run({"q1": FIRST["q1"]}), Run({"q1": FIRST["q1"]}), ASKED, 3, ["RR@10"])
    assert few.measures[0].ceiling == {"q0": 0.0, "q1": 1.0, "q2": 0.0, "q3": 0.0}, "what both lack counts as 0"
