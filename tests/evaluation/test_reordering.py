from __future__ import annotations

import numpy as np
import pytest

from strop.evaluation.reordering import ceiling, reordering
from strop.evaluation.significance import minimum_detectable_difference
from strop.records.errors import InputError
from strop.records.runs import Run

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
    measured = reordering(reranked(q0="gabc", q1="bgac"), FIRST, ASKED, 3, ["RR@10", "GMAP"])
    ranks, geometric = measured.measures
    assert ranks.values == pytest.approx({"q0": 1, "q1": 1 / 2, "q2": 1 / 3, "q3": 0})
    assert ranks.first == pytest.approx({"q0": 1 / 3, "q1": 1 / 3, "q2": 1 / 3, "q3": 0})
    assert ranks.ceiling == {"q0": 1, "q1": 1, "q2": 1, "q3": 0} == ceiling(FIRST, ASKED, "RR@10", 3)
    sd = np.std([2 / 3, 1 / 6, 0, 0], ddof=1)
    assert ranks.detectable == pytest.approx(minimum_detectable_difference(float(sd), 4))
    assert geometric.detectable is None, "it has no value of a query, so no spread over queries"
    assert measured.depth == "depth 3"
    assert measured.judged == {"q0": 0.5, "q1": 0.5, "q2": 0.5, "q3": 0.25}


def test_queries_that_nobody_judged_count_neither_for_the_depth_nor_for_what_is_seen() -> None:
    wide = Run({**FIRST, "other": (["x"], [1.0])})
    assert reordering(FIRST, wide, ASKED, 3).depth == "depth 3"
    measured = reordering(FIRST, FIRST, ASKED, 5, ["RR@10"])
    assert measured.depth == "depth 5, 4 of 4 queries have fewer (at least 4)"
    assert measured.measures[0].detectable is None, "nothing differs"


@pytest.mark.parametrize(
    ("run", "message"),
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
def test_a_run_that_is_no_reordering_of_the_candidates_has_no_ceiling(run: Run, message: str) -> None:
    with pytest.raises(InputError, match=message):
        reordering(run, FIRST, ASKED, 3)


def test_a_reordering_may_end_before_its_candidates_do() -> None:
    assert reordering(FIRST.top(2), FIRST, ASKED, 3, ["RR@10"]).measures[0].values["q0"] == 0.0
    assert reordering(reranked(q0="gabc").top(3), FIRST, ASKED, 3).depth == "depth 3"


def test_candidates_that_lack_a_query_of_the_run_are_an_input_error() -> None:
    with pytest.raises(InputError, match="query 'q0' of the run is not among the candidates'"):
        reordering(FIRST, Run({q: FIRST[q] for q in ("q1", "q2", "q3")}), ASKED, 3)
    few = reordering(Run({"q1": FIRST["q1"]}), Run({"q1": FIRST["q1"]}), ASKED, 3, ["RR@10"])
    assert few.measures[0].ceiling == {"q0": 0.0, "q1": 1.0, "q2": 0.0, "q3": 0.0}, "what both lack counts as 0"
