from __future__ import annotations

import json
import random
import tracemalloc
from math import log2
from pathlib import Path

import ir_measures
import pytest
from real_data import ORACLES, unpacked

from strop.evaluation.measures import MEASURES, averaged, evaluate, mean, measure
from strop.records.documents import Qrels
from strop.records.errors import InputError
from strop.records.judgments import read_qrels
from strop.records.runs import Run, read_run

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


def six_columns(run: Path, folder: Path) -> Run:
    """A run of trec_eval's own tests: it ignores words behind the tag, which strop refuses."""
    rows = [
        line if line.lstrip().startswith("#") else " ".join(line.split()[:6]) for line in run.read_text().splitlines()
    ]
    (folder / "six").write_text("\n".join(rows) + "\n")
    return read_run(folder / "six")


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


def test_the_rarer_measures_are_those_worked_by_hand() -> None:
    # a is relevant, b relevant and best, c judged not relevant, d relevant but not found, e pooled and never judged.
    qrels = {"q": {"a": 1, "b": 2, "c": 0, "d": 1, "e": -1}, "gone": {"x": 1}}
    run = Run({"q": (["x", "a", "c", "e", "b"], [5.0, 4.0, 3.0, 2.0, 1.0])})
    names = ["Rprec", "Success@1", "Success@2", "Judged@2", "Judged@10", "IPrec@0", "IPrec@0.5", "IPrec@1", "Bpref"]
    values = evaluate(run, qrels, names)
    assert {name: v["q"] for name, v in values.items()} == pytest.approx(
        {
            "Rprec": 1 / 3,  # three are relevant, one of the first three is
            "Success@1": 0.0,
            "Success@2": 1.0,
            "Judged@2": 1 / 2,
            "Judged@10": 3 / 5,  # only five were found
            "IPrec@0": 1 / 2,  # the best precision from there on: at rank 2
            "IPrec@0.5": 2 / 5,  # 1.5 of three documents are two
            "IPrec@1": 0.0,
            "Bpref": 1 / 3,  # a stands above the one judged not relevant, b below it
        }
    )
    assert {v["gone"] for v in values.values()} == {0.0}
    graded = evaluate(run, qrels, names, 2)
    assert {n: v["q"] for n, v in graded.items()} == pytest.approx(
        {"Rprec": 0.0, "Success@1": 0.0, "Success@2": 0.0, "Judged@2": 0.5, "Judged@10": 0.6, "IPrec@0": 0.2}
        | {"IPrec@0.5": 0.2, "IPrec@1": 0.2, "Bpref": 0.0}
    )


def test_the_judged_share_counts_for_a_query_without_a_relevant_document() -> None:
    run = Run({"q": (["a", "b"], [2.0, 1.0])})
    assert evaluate(run, {"q": {"a": 0, "b": -1}}, ["Judged@10"])["Judged@10"] == {"q": 0.5}


def test_the_geometric_mean_keeps_a_query_without_an_answer_from_being_all() -> None:
    run = Run({"p": (["a"], [1.0]), "q": (["x", "a"], [2.0, 1.0])})
    values = evaluate(run, {q: {"a": 1} for q in "pqr"}, ["GMAP", "AP", "RR"])
    assert list(values) == ["GMAP", "AP", "RR"]
    assert values["AP"] == {"p": 1.0, "q": 0.5, "r": 0.0}
    assert values["GMAP"] == {"p": 1.0, "q": 0.5, "r": 1e-5}
    assert averaged("GMAP", values["GMAP"]) == pytest.approx((0.5 * 1e-5) ** (1 / 3))
    assert averaged("AP", values["AP"]) == mean(values["AP"]) == 0.5


@pytest.mark.parametrize(
    "name", ["IPrec@0.10", "IPrec@0.125", "IPrec@2", "IPrec", "Judged", "Success", "Rprec@5", "GMAP@3"]
)
def test_a_rarer_measure_written_otherwise_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match=r"Rprec, Bpref, GMAP, Success@5, Judged@10, IPrec@0\.1$"):
        measure(name)


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

CUTS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 100, 200, 500, 1000)
RECALLS = (0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1)
NAMES = (
    {"map": "AP", "recip_rank": "RR", "ndcg": "nDCG", "Rprec": "Rprec", "bpref": "Bpref", "gm_map": "GMAP"}
    | {
        f"{theirs}_{k}": f"{ours}@{k}"
        for theirs, ours in {"P": "P", "recall": "R", "ndcg_cut": "nDCG", "map_cut": "AP", "success": "Success"}.items()
        for k in CUTS
    }
    | {f"iprec_at_recall_{recall:.2f}": f"IPrec@{recall:g}" for recall in RECALLS}
)


@pytest.fixture(scope="module")
def oracles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(ORACLES, tmp_path_factory.mktemp("oracles"))


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
        ("qrels.test", "results.test", "out.test.meas_params", ""),
    ],
)
def test_values_equal_trec_evals_own_output_to_every_printed_digit(
    oracles: Path, tmp_path: Path, qrels: str, run: str, printed: str, flags: str
) -> None:
    test = oracles / "trec_eval" / "test"
    lines = [line.split() for line in (test / printed).read_text().splitlines()]
    expected = {(NAMES[name], query): value for name, query, value in (x[:3] for x in lines) if name in NAMES}
    ranked, judged = six_columns(test / run, tmp_path), read_qrels(test / qrels)
    if "M" in flags:
        ranked = ranked.top(100)
    if "c" not in flags:  # without -c trec_eval leaves out what the run does not answer
        judged = {q: j for q, j in judged.items() if q in ranked}
    values = evaluate(ranked, judged, {name for name, _ in expected}, 2 if "l" in flags else 1)
    got = {(m, q): f"{averaged(m, values[m]) if q == 'all' else values[m][q]:.4f}" for m, q in expected}
    assert got == expected
    assert len(expected) >= 11


def test_values_are_those_of_all_queries_at_once_and_take_little_memory() -> None:
    rng = random.Random(5)
    names = [*MEASURES, "RR@1", "RR@7", "RR", "Rprec", "Bpref", "Success@5", "AP@20", "nDCG"]
    runs = {f"q{n}": [f"d{d}" for d in rng.sample(range(3000), 200)] for n in range(300)}
    qrels = {q: {f"d{d}": rng.randrange(4) for d in rng.sample(range(3000), rng.randrange(1, 40))} for q in runs}
    run = Run({q: (doc_ids, range(200, 0, -1)) for q, doc_ids in runs.items()})
    tracemalloc.start()
    try:
        values = evaluate(run, qrels, names, 2)
        (kept, peak), judged = tracemalloc.get_traced_memory(), evaluate(run, qrels, ["Judged@10"])["Judged@10"]
    finally:
        tracemalloc.stop()
    assert (peak - kept) / 60_000 < 40, "bytes of one line; the ranks of all lines at once take 138"
    ranked = {q: {d: -float(rank) for rank, d in enumerate(doc_ids)} for q, doc_ids in runs.items()}
    expected: dict[str, dict[str, float]] = {name: dict.fromkeys(runs, 0.0) for name in names}
    for name in names:
        for metric in ir_measures.iter_calc([measure(name, 2)], qrels, ranked):
            expected[name][metric.query_id] = metric.value
    assert values == expected
    assert judged == {q: sum(d in qrels[q] for d in doc_ids[:10]) / 10 for q, doc_ids in runs.items()}


@pytest.mark.parametrize(("run", "printed"), [("results.test", "out.test.aq"), ("results.trunc", "out.test.aqc")])
def test_the_judged_share_is_what_trec_eval_does_not_call_unjudged(
    oracles: Path, tmp_path: Path, run: str, printed: str
) -> None:
    test = oracles / "trec_eval" / "test"
    ranked, judged = six_columns(test / run, tmp_path), read_qrels(test / "qrels.test")
    values = evaluate(ranked, judged, ["Judged@5", "Judged@10", "Judged@20"])
    lines = [line.split() for line in (test / printed).read_text().splitlines() if line.startswith("unj_")]
    shares = {
        (f"Judged@{name[4:]}", query): f"{1 - float(value):.4f}" for name, query, value in lines if query in ranked
    }
    assert {(m, q): f"{values[m][q]:.4f}" for m, q in shares} == shares
    assert len(set(shares.values())) > 1


def test_the_provider_s_interpolated_precision_is_that_of_an_older_trec_eval() -> None:
    # Should this fail, ir_measures rounds as trec_eval 10 does, and our own interpolation has no reason left.
    run = Run({"q": (["a", "x", "b"], [3.0, 2.0, 1.0])})
    qrels = {"q": {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}}
    provided = ir_measures.calc_aggregate([measure("IPrec@0.25")], qrels, {"q": {"a": 3.0, "x": 2.0, "b": 1.0}})
    assert list(provided.values()) == [pytest.approx(2 / 3)], "1.25 of five are two"
    assert evaluate(run, qrels, ["IPrec@0.25"])["IPrec@0.25"] == {"q": 1.0}, "1.25 of five are one"


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
