from __future__ import annotations

import json
import os
import tarfile
from math import log2
from pathlib import Path

import pytest

from strop.measures import MEASURES, evaluate, mean, measure
from strop.nouns import InputError, Qrels
from strop.runs import Run, read_qrels, read_run

# One graded query, worked by hand below: d1..d5 judged, x unjudged. The tied pair (d2, d3) goes to d3 first.
QRELS = """q1 0 d1 1
q1 0 d2 0
q1 0 d3 3
q1 0 d4 2
q1 0 d5 -1
q2 0 a 1
q3 0 a 0
q4 0 a 1
"""
RUN = """q1 Q0 x 1 9 t
q1 Q0 d2 2 5 t
q1 Q0 d3 3 5 t
q1 Q0 d5 4 4 t
q1 Q0 d1 5 3 t
q2 Q0 b 1 1 t
q2 Q0 a 9 2 t
q3 Q0 a 1 1 t
q9 Q0 a 1 1 t
"""


@pytest.fixture
def hand(tmp_path: Path) -> tuple[Run, Qrels]:
    (tmp_path / "run").write_text(RUN)
    (tmp_path / "qrels").write_text(QRELS)
    return read_run(tmp_path / "run"), read_qrels(tmp_path / "qrels")


def test_values_of_a_graded_query_are_those_worked_by_hand(hand: tuple[Run, Qrels]) -> None:
    values = evaluate(*hand, [*MEASURES, "RR", "nDCG", "R@3", "RR@1"])
    q1 = {name: per_query["q1"] for name, per_query in values.items()}
    # ranked: x, d3 (3), d2 (0), d5 (-1), d1 (1); ideal: 3, 2, 1
    ndcg = (3 / log2(3) + 1 / log2(6)) / (3 + 2 / log2(3) + 1 / log2(4))
    recall, average = 2 / 3, (1 / 2 + 2 / 5) / 3
    assert q1 == pytest.approx(
        {
            "nDCG@10": ndcg,
            "nDCG": ndcg,
            "RR@10": 0.5,
            "RR@100": 0.5,
            "RR": 0.5,
            "RR@1": 0.0,
            "AP": average,
            "R@100": recall,
            "R@1000": recall,
            "R@3": 1 / 3,
            "P@10": 0.2,
        },
        abs=1e-15,
    )


def test_a_relevance_level_thresholds_binary_measures_and_leaves_ndcg_graded(hand: tuple[Run, Qrels]) -> None:
    one, three = (evaluate(*hand, MEASURES, level) for level in (1, 3))
    assert three["nDCG@10"] == one["nDCG@10"]
    assert {name: values["q1"] for name, values in three.items() if name != "nDCG@10"} == pytest.approx(
        {"RR@10": 0.5, "RR@100": 0.5, "AP": 0.5, "R@100": 1.0, "R@1000": 1.0, "P@10": 0.1}
    )
    assert evaluate(*hand, ["AP", "RR@10"], 2)["AP"]["q2"] == 0.0


def test_every_judged_query_counts_and_no_other(hand: tuple[Run, Qrels]) -> None:
    for name, values in evaluate(*hand).items():
        assert list(values) == ["q1", "q2", "q3", "q4"], name
        assert values["q3"] == values["q4"] == 0.0, name  # nothing relevant; not in the run
    assert mean(evaluate(*hand, ["RR@10"])["RR@10"]) == (0.5 + 1.0) / 4


def test_no_measure_sees_a_tie(hand: tuple[Run, Qrels]) -> None:
    # Among equal scores the later id comes first; ir_measures' own RR@k would put the earlier one first.
    run = Run({"q": (["a", "b", "c"], [1.0, 1.0, 1.0])})
    values = evaluate(run, {"q": {"a": 1}}, ["RR", "RR@10", "RR@2", "AP", "nDCG@10"])
    assert {name: v["q"] for name, v in values.items()} == pytest.approx(
        {"RR": 1 / 3, "RR@10": 1 / 3, "RR@2": 0.0, "AP": 1 / 3, "nDCG@10": 0.5}
    )


def test_an_empty_ranking_and_qrels_without_anything_relevant_score_zero() -> None:
    values = evaluate(Run({"q": ([], []), "p": (["a"], [1.0])}), {"q": {"a": 1}, "p": {"a": -1}}, ["nDCG@10", "RR@10"])
    assert values == {"nDCG@10": {"q": 0.0, "p": 0.0}, "RR@10": {"q": 0.0, "p": 0.0}}


@pytest.mark.parametrize("name", ["ndcg@10", "nDCG@0", "nDCG@", "nDCG@010", "R", "P", "MAP", "nDCG@10 ", "RR@-1", ""])
def test_an_unknown_measure_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match="Known are nDCG@10, RR@10"):
        measure(name)


def test_a_relevance_level_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="relevance level 0"):
        evaluate(Run({}), {"q": {"a": 1}}, ["RR@10"], 0)


def test_the_mean_over_no_query_is_refused() -> None:
    with pytest.raises(ValueError, match="no query"):
        mean({})


# trec_eval's own inputs and outputs ---------------------------------------------------------------------------------

CUTS = (5, 10, 15, 20, 30, 100, 200, 500, 1000)
NAMES = {"map": "AP", "recip_rank": "RR", "ndcg": "nDCG"} | {
    f"{theirs}_{k}": f"{ours}@{k}"
    for theirs, ours in (("P", "P"), ("recall", "R"), ("ndcg_cut", "nDCG"), ("map_cut", "AP"))
    for k in CUTS
}


@pytest.fixture(scope="module")
def oracles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("STROP_ORACLES") or Path(__file__).parents[2] / "shared" / "oracles")
    archive = folder / "trec_eval_and_runs.tar.xz"
    if not archive.is_file():
        pytest.skip(f"no {archive}: set STROP_ORACLES to the folder of trec_eval's test files")
    target = tmp_path_factory.mktemp("oracles")
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    return target


# The flags are those of `make quicktest` in trec_eval's sources.
@pytest.mark.parametrize(
    ("qrels", "run", "printed", "flags"),
    [
        ("qrels.test", "results.test", "out.test", ""),
        ("qrels.test", "results.test", "out.test.aq", ""),
        ("qrels.test.with-comments", "results.test", "out.test.aq", ""),
        ("qrels.test", "results.trunc", "out.test.aqc", "c"),
        ("qrels.test", "results.trunc", "out.test.aqcM", "cM"),
        ("qrels.rel_level", "results.test", "out.test.aql", "l"),
        ("qrels.comment.test", "results.comment.test", "out.comment.test", ""),
    ],
)
def test_values_equal_trec_evals_own_output_to_every_printed_digit(
    oracles: Path, qrels: str, run: str, printed: str, flags: str
) -> None:
    test = oracles / "trec_eval" / "test"
    lines = [line.split() for line in (test / printed).read_text().splitlines()]
    expected = {(NAMES[name], query): value for name, query, value in (x[:3] for x in lines) if name in NAMES}
    ranked, judged = read_run(test / run), read_qrels(test / qrels)
    if "M" in flags:
        ranked = ranked.top(100)
    if "c" not in flags:  # without -c trec_eval leaves out what the run does not answer
        judged = {q: j for q, j in judged.items() if q in ranked}
    values = evaluate(ranked, judged, {name for name, _ in expected}, 2 if "l" in flags else 1)
    got = {(m, q): f"{mean(values[m]) if q == 'all' else values[m][q]:.4f}" for m, q in expected}
    assert got == expected
    assert len(expected) >= 11


def test_five_public_runs_score_what_trec_eval_says(oracles: Path) -> None:
    folder = oracles / "rank_llm_runs"
    runs = json.loads((folder / "expected_trec_eval.json").read_text())["runs"]
    got: dict[str, dict[str, float]] = {}
    for file, about in runs.items():
        run, qrels = read_run(folder / file), read_qrels(folder / about["qrels"])
        for key in about["trec_eval"]:
            name, level = key.removesuffix(" (-l 2)"), 2 if key.endswith("(-l 2)") else 1
            values = evaluate(run, qrels, [NAMES[name]], level)[NAMES[name]]
            got.setdefault(file, {})[key] = float(f"{mean(values):.4f}")
    assert got == {file: about["trec_eval"] for file, about in runs.items()}
    assert len(got) == 5
