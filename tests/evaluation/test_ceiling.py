from __future__ import annotations

from itertools import pairwise, permutations
from math import log2

import numpy as np
import pytest

from strop.evaluation.measures import MEASURES, evaluate
from strop.evaluation.reordering import ceiling, depth_note, ideal_order
from strop.records.errors import InputError
from strop.records.runs import Run

EVERY = (*MEASURES, "nDCG", "nDCG@2", "RR", "AP@3", "R@2", "P@3", "Success@1", "Judged@2", "Rprec", "Bpref", "GMAP")
JUDGED = {"a": 1, "b": 2, "c": 0, "d": 3, "e": -1, "missed": 2}


def test_a_ceiling_is_the_best_of_all_orders_under_every_measure() -> None:
    rng = np.random.default_rng(0)
    for case in range(2):
        ranking = [str(d) for d in rng.permutation([*"abcdexyz"])[:5]]
        for depth in (2, 5):
            run = Run({"q": (ranking, [5.0, 4.0, 3.0, 2.0, 1.0])})
            orders = {f"o{i}": order for i, order in enumerate(permutations(ranking[:depth]))}
            every = Run({q: ((*order, *ranking[depth:]), [5.0, 4.0, 3.0, 2.0, 1.0]) for q, order in orders.items()})
            names = (*EVERY, "IPrec@0.5", "IPrec@1")
            for level in (1, 2):
                values = evaluate(every, dict.fromkeys(orders, JUDGED), names, level)
                for name in names:
                    reached = ceiling(run, {"q": JUDGED}, name, depth, level)
                    assert reached == {"q": pytest.approx(max(values[name].values()))}, (case, depth, level, name)


def test_a_ceiling_is_that_worked_by_hand() -> None:
    run = Run({"q": (["x", "a", "d", "b"], [4.0, 3.0, 2.0, 1.0])})
    ideal = 3 + 2 / log2(3) + 2 / log2(4) + 1 / log2(5)
    qrels = {"q": JUDGED, "gone": {"a": 1}}
    assert ceiling(run, qrels, "nDCG@10", 3) == pytest.approx(
        {"q": (3 + 1 / log2(3) + 2 / log2(5)) / ideal, "gone": 0.0}
    )
    assert ideal_order(run, qrels, 3)["q"].doc_ids == ("d", "a", "x", "b")


def test_a_deeper_pool_never_lowers_a_ceiling_and_no_run_passes_its_own() -> None:
    rng = np.random.default_rng(1)
    run = Run({f"q{i}": ([f"d{d}" for d in range(12)], rng.normal(size=12)) for i in range(8)})
    qrels = {q: {f"d{d}": int(rng.integers(0, 3)) for d in range(12)} for q in run}
    values = evaluate(run, qrels, ["nDCG@10"])["nDCG@10"]
    by_depth = [ceiling(run, qrels, "nDCG@10", depth) for depth in range(1, 14)]
    for shallow, deep in pairwise(by_depth):
        assert all(shallow[q] <= deep[q] + 1e-12 for q in qrels)
    assert all(values[q] <= by_depth[-1][q] + 1e-12 for q in qrels)
    assert by_depth[-1] == pytest.approx(dict.fromkeys(qrels, 1.0))


def test_a_note_says_how_deep_the_candidates_are() -> None:
    run = Run({"p": (["a", "b", "c"], [3.0, 2.0, 1.0]), "q": (["a"], [1.0])})
    assert depth_note(run, 1) == "depth 1"
    assert depth_note(run, 3) == "depth 3, 1 of 2 queries have fewer (at least 1)"
    with pytest.raises(InputError, match="depth 0 is below 1"):
        ceiling(run, {"p": {"a": 1}}, "nDCG@10", 0)
