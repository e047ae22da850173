from __future__ import annotations

import numpy as np
import pytest

from strop.evaluation.measures import evaluate, mean
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval.fuse import MinMax, ReciprocalRank, ZScore
from strop.retrieval.fusion_weights import tuned, weight_grid

GRID = weight_grid(2)


def collection(queries: int, signal: tuple[float, float], seed: int = 0) -> tuple[list[Run], dict[str, dict[str, int]]]:
    """Twenty documents a query, one relevant; each run's scores are noise, plus its signal for the relevant one."""
    rng = np.random.default_rng(seed)
    documents = [f"d{i}" for i in range(20)]
    runs = []
    for strength in signal:
        noise = rng.normal(size=(queries, 20))
        noise[:, 7] += strength
        runs.append(Run({f"q{i}": (documents, row) for i, row in enumerate(noise)}))
    return runs, {f"q{i}": {"d7": 1} for i in range(queries)}


def test_a_grid_shares_one_among_the_runs_in_every_way() -> None:
    assert weight_grid(2, 4) == [(0.0, 1.0), (0.25, 0.75), (0.5, 0.5), (0.75, 0.25), (1.0, 0.0)]
    assert weight_grid(1) == [(1.0,)]
    three = weight_grid(3)
    assert len(three) == len(set(three)) == 66
    assert all(sum(weights) == pytest.approx(1.0) for weights in three)


def test_the_weights_with_the_highest_mean_are_chosen() -> None:
    runs, qrels = collection(30, (2.5, 0.5))
    found = tuned(ZScore(), runs, qrels, "RR@10", GRID)
    means = {weights: mean(evaluate(ZScore(weights)(runs), qrels, ["RR@10"])["RR@10"]) for weights in GRID}
    assert found.method.weights == max(means, key=means.__getitem__)
    assert found.value == pytest.approx(max(means.values()))
    assert (found.queries, found.measure) == (30, "RR@10")
    assert found.low[0] <= found.method.weights[0] <= found.high[0]


def test_a_run_that_knows_more_gets_more_and_its_gain_holds_on_queries_left_out() -> None:
    runs, qrels = collection(50, (3.0, 0.0))
    found = tuned(MinMax(), runs, qrels, "RR@10", GRID)
    assert found.low[0] > 0.5
    assert found.high[1] < 0.5
    assert found.gain_low > 0


def test_a_choice_among_weights_that_do_not_matter_gains_nothing_beyond_its_queries() -> None:
    runs, qrels = collection(40, (1.0, 1.0))
    found = tuned(MinMax(), runs, qrels, "RR@10", GRID)
    equal = mean(evaluate(MinMax()(runs), qrels, ["RR@10"])["RR@10"])
    assert found.value > equal, "on its own queries the choice looks like a gain"
    assert found.gain < found.value - equal
    assert found.gain_low < 0 < found.gain_high
    assert found.high[0] - found.low[0] >= 0.2, "and it is not settled"


def test_of_equal_weights_those_nearest_to_equal_shares_are_chosen() -> None:
    runs, qrels = collection(5, (50.0, 50.0))
    found = tuned(ReciprocalRank(), runs, qrels, "RR@10", GRID)
    assert found.method == ReciprocalRank(60, (0.5, 0.5))
    assert (found.value, found.low, found.high, found.gain) == (1.0, (0.5, 0.5), (0.5, 0.5), 0.0)


def test_queries_outside_the_judgments_decide_nothing_and_the_seed_decides_the_rest() -> None:
    runs, qrels = collection(16, (1.5, 0.5))
    some = {q: qrels[q] for q in list(qrels)[:8]}
    cut = [Run({q: run[q] for q in some}) for run in runs]
    assert tuned(ZScore(), runs, some, "nDCG@10", GRID) == tuned(ZScore(), cut, some, "nDCG@10", GRID)
    assert tuned(ZScore(), runs, qrels, "nDCG@10", GRID, seed=1) != tuned(
        ZScore(), runs, qrels, "nDCG@10", GRID, seed=2
    )


def test_what_cannot_be_tuned_on_is_refused() -> None:
    runs, qrels = collection(3, (1.0, 1.0))
    for refused, said in (
        (lambda: tuned(MinMax(), runs, {"q0": {"d7": 1}}, "RR@10", GRID), "1 judged queries cannot"),
        (lambda: tuned(MinMax(), runs, {"x": {"d7": 1}, "y": {"d7": 1}}, "RR@10", GRID), "no run has a judged query"),
        (lambda: tuned(MinMax(), runs, qrels, "RR@10", []), "no weights to choose from"),
        (lambda: tuned(MinMax(), runs, qrels, "RR@10", weight_grid(3)), "3 weights for 2 runs"),
        (lambda: tuned(MinMax(), runs, qrels, "GMAP", GRID), "GMAP is a geometric mean"),
        (lambda: tuned(MinMax(), runs, qrels, "MRR", GRID), "'MRR' is not known"),
    ):
        with pytest.raises(InputError, match=said):
            refused()
