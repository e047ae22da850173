from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, pstdev

import numpy as np
import pytest

from strop.records.errors import InputError
from strop.records.runs import Run, read_run, write_run
from strop.retrieval.fuse import CombMNZ, Fusion, MinMax, ReciprocalRank, ZScore

METHODS: tuple[Fusion, ...] = (ReciprocalRank(), MinMax(), ZScore(), CombMNZ())
every = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)

# One query, two runs: a and c are found by both, b and d by one.
FIRST = Run({"q": (["a", "b", "c"], [10.0, 6.0, 2.0])})
SECOND = Run({"q": (["c", "a", "d"], [-1.0, -2.0, -5.0])})


def scores(run: Run, query_id: str = "q") -> dict[str, float]:
    return dict(zip(run[query_id].doc_ids, run[query_id].scores.tolist(), strict=True))


def one(**documents: float) -> Run:
    return Run({"q": (list(documents), list(documents.values()))})


def test_reciprocal_ranks_are_those_worked_by_hand() -> None:
    fused = ReciprocalRank()([FIRST, SECOND])
    expected = {"a": 1 / 61 + 1 / 62, "c": 1 / 63 + 1 / 61, "b": 1 / 62, "d": 1 / 63}
    assert scores(fused) == pytest.approx(expected, rel=1e-6)
    assert fused["q"].doc_ids == ("a", "c", "b", "d")
    assert scores(ReciprocalRank(k=0, weights=(1.0, 3.0))([FIRST, SECOND])) == pytest.approx(
        {"c": 1 / 3 + 3, "a": 1 + 3 / 2, "d": 1.0, "b": 0.5}
    )


def test_min_max_sums_are_those_worked_by_hand_negative_scores_included() -> None:
    # first: a 1, b 1/2, c 0; second: c 1, a 3/4, d 0; a missing document is worth 0
    assert scores(MinMax()([FIRST, SECOND])) == pytest.approx({"a": 1.75, "c": 1.0, "b": 0.5, "d": 0.0})
    assert scores(MinMax((0.5, 2.0))([FIRST, SECOND])) == pytest.approx({"a": 2.0, "c": 2.0, "b": 0.25, "d": 0.0})


def test_comb_mnz_multiplies_by_how_many_runs_found_a_document() -> None:
    assert scores(CombMNZ()([FIRST, SECOND])) == pytest.approx({"a": 3.5, "c": 2.0, "b": 0.5, "d": 0.0})


def test_z_scores_are_those_worked_by_hand_and_a_missing_document_is_worth_the_last() -> None:
    spread = (32 / 3) ** 0.5  # of 10, 6, 2
    other = (26 / 9) ** 0.5  # of -1, -2, -5, whose mean is -8/3
    first = {"a": 4 / spread, "b": 0.0, "c": -4 / spread, "d": -4 / spread}
    second = {"c": 5 / 3 / other, "a": 2 / 3 / other, "d": -7 / 3 / other, "b": -7 / 3 / other}
    assert scores(ZScore()([FIRST, SECOND])) == pytest.approx({d: first[d] + second[d] for d in "abcd"}, rel=1e-6)
    weighted = {d: 0.25 * first[d] + 0.75 * second[d] for d in "abcd"}
    assert scores(ZScore((0.25, 0.75))([FIRST, SECOND])) == pytest.approx(weighted, rel=1e-6)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (ReciprocalRank(), {"x": 2 / 61, "y": 1 / 62}),
        (MinMax(), {"x": 2.0, "y": 1.0}),
        (ZScore(), {"x": 0.0, "y": 0.0}),
        (CombMNZ(), {"x": 4.0, "y": 1.0}),
    ],
)
def test_constant_scores_and_a_single_document_follow_each_method_s_rule(
    method: Fusion, expected: dict[str, float]
) -> None:
    assert scores(method([one(x=-3.0, y=-3.0), one(x=7.0)])) == pytest.approx(
        expected if not isinstance(method, ReciprocalRank) else {"y": 1 / 61, "x": 1 / 62 + 1 / 61}
    )


@every
def test_one_run_keeps_its_order_its_queries_and_its_empty_rankings(method: Fusion) -> None:
    run = Run({"p": (["a", "b", "c"], [3.0, 2.0, -2.5]), "none": ([], []), "q": (["z"], [0.5])})
    fused = method([run])
    assert {q: fused[q].doc_ids for q in fused} == {"p": ("a", "b", "c"), "none": (), "q": ("z",)}


@every
def test_a_query_that_only_one_run_has_keeps_that_run_s_order(method: Fusion) -> None:
    fused = method([FIRST, Run({"other": (["x", "y"], [1.0, 5.0])}), Run({})])
    assert list(fused) == ["q", "other"]
    assert fused["q"].doc_ids == FIRST["q"].doc_ids
    assert fused["other"].doc_ids == ("y", "x")


@every
def test_equal_evidence_ties_exactly_and_goes_to_the_later_id(method: Fusion) -> None:
    runs = [one(a=3.0, b=2.0, c=1.0), one(b=3.0, c=2.0, a=1.0), one(c=3.0, a=2.0, b=1.0)]
    fused = method(runs)
    assert fused["q"].doc_ids == ("c", "b", "a")
    assert len(set(fused["q"].scores.tolist())) == 1


@every
def test_the_order_of_the_runs_does_not_matter(method: Fusion) -> None:
    runs = random_runs(3)
    fused, turned = method(runs), method([runs[2], runs[0], runs[1]])
    for q in fused:
        assert fused[q].doc_ids == turned[q].doc_ids
        assert fused[q].scores.tobytes() == turned[q].scores.tobytes()


@every
def test_what_every_run_orders_alike_keeps_its_order(method: Fusion) -> None:
    fused = method([one(a=9.0, x=8.0, b=1.0, y=0.0), one(a=0.2, b=0.1, z=0.0), one(y=5.0, a=4.0, b=-4.0, w=-9.0)])
    assert fused["q"].doc_ids.index("a") < fused["q"].doc_ids.index("b")


@pytest.mark.parametrize("method", [ReciprocalRank(), MinMax((0.3, 0.7)), ZScore((0.3, 0.7)), CombMNZ()])
def test_scale_and_shift_of_a_run_s_scores_change_nothing(method: Fusion) -> None:
    first, second = random_runs(2)
    moved = Run({q: (r.doc_ids, r.scores.astype(np.float64) * 8.0 - 64.0) for q, r in second.items()})
    fused, again = method([first, second]), method([first, moved])
    for q in fused:
        assert scores(again, q) == pytest.approx(scores(fused, q), abs=1e-6)


@pytest.mark.parametrize("method", [ReciprocalRank(7), MinMax(), ZScore()])
def test_a_run_with_weight_0_has_no_say_and_equal_weights_are_no_weights(
    method: ReciprocalRank | MinMax | ZScore,
) -> None:
    first, second = random_runs(2)
    only = replace(method, weights=(1.0, 0.0))([first, second])
    alone = method([first])
    for q in first:
        # The last that it found is worth as much as what it lacks, so only their order among themselves is told.
        assert tuple(d for d in only[q].doc_ids if d in first[q].doc_ids) == alone[q].doc_ids
    fused, equal = method([first, second]), replace(method, weights=(1.0, 1.0))([first, second])
    assert {q: scores(fused, q) for q in fused} == {q: scores(equal, q) for q in equal}


def test_sums_equal_a_naive_loop_over_documents() -> None:
    runs, weights = random_runs(3), (0.2, 1.0, 0.7)
    found = {
        "rrf": ReciprocalRank(60, weights)(runs),
        "minmax": MinMax(weights)(runs),
        "zscore": ZScore(weights)(runs),
        "combmnz": CombMNZ()(runs),
    }
    for q in found["rrf"]:
        for doc_id in {d for run in runs for d in run[q].doc_ids}:
            sums = naive(runs, weights, q, doc_id)
            assert {name: scores(run, q)[doc_id] for name, run in found.items()} == pytest.approx(sums, abs=1e-6)


def naive(runs: Sequence[Run], weights: Sequence[float], q: str, doc_id: str) -> dict[str, float]:
    sums, finders, plain = {"rrf": 0.0, "minmax": 0.0, "zscore": 0.0}, 0, 0.0
    for run, weight in zip(runs, weights, strict=True):
        told = scores(run, q)
        low, high, middle, spread = min(told.values()), max(told.values()), fmean(told.values()), pstdev(told.values())
        score = told.get(doc_id, low)
        sums["zscore"] += weight * (score - middle) / spread
        sums["minmax"] += weight * (score - low) / (high - low)
        if doc_id in told:
            finders += 1
            plain += (score - low) / (high - low)
            sums["rrf"] += weight / (60 + 1 + run[q].doc_ids.index(doc_id))
    return {**sums, "combmnz": plain * finders}


def random_runs(count: int, seed: int = 3) -> list[Run]:
    """Scores are multiples of 1/8, so that a power of two scales and shifts them exactly; some tie."""
    rng = np.random.default_rng(seed)
    return [
        Run({f"q{i}": ([f"d{d}" for d in rng.permutation(20)[:12]], rng.integers(-60, 60, 12) / 8) for i in range(6)})
        for _ in range(count)
    ]


@every
def test_a_fused_run_survives_its_trec_file(method: Fusion, tmp_path: Path) -> None:
    fused = method(random_runs(2))
    write_run(fused, tmp_path / "fused.trec", "fused")
    again = read_run(tmp_path / "fused.trec")
    assert {q: again[q].doc_ids for q in again} == {q: fused[q].doc_ids for q in fused}


@every
def test_no_run_at_all_is_an_input_error(method: Fusion) -> None:
    with pytest.raises(InputError, match="no run to fuse"):
        method([])


def test_weights_and_k_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="2 weights for 1 runs"):
        MinMax((0.5, 0.5))([FIRST])
    for weights in ((-1.0, 2.0), (float("nan"),), (0.0, 0.0), (1e9,)):
        with pytest.raises(InputError, match="the weights are"):
            ZScore(weights)
    with pytest.raises(InputError, match="k is -1"):
        ReciprocalRank(k=-1)
