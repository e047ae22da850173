"""Several sources of negatives: their unions, what is left when false ones go, and the sources side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from strop.negatives.audit.calibration import EveryRank, calibrate, hide
from strop.negatives.audit.false_negatives import false_negative_report
from strop.negatives.audit.sources import Source, table
from strop.negatives.filters import PositiveRelative, TeacherBound, denoise, run_scores
from strop.negatives.union import named, quota, rows
from strop.records.documents import Group
from strop.records.errors import InputError
from strop.records.runs import Run


def group(query_id: str, *negatives: str, at: int = 1) -> Group:
    """Its negatives on the ranks from `at` on."""
    sources = tuple(f"rank {at + i}" for i in range(len(negatives)))
    return Group(query_id, (f"{query_id}+",), negatives, sources, frozenset({f"{query_id}+"}))


LEXICAL = named([group("q1", "a", "b", "c"), group("q2", "x", "y"), group("q3", "s")], "BM25")
DENSE = named([group("q2", "x", "z", "w", at=5), group("q1", "b", "a", "d", at=5), group("q4", "t", at=5)], "DPR")


def shown(groups: list[Group]) -> dict[str, dict[str, str]]:
    return {g.query_id: dict(zip(g.negatives, g.sources, strict=True)) for g in groups}


def test_the_union_of_two_sources_doubles_the_rows_and_keeps_what_both_found_twice() -> None:
    both = [LEXICAL[:2], DENSE[:2]]
    joined = rows(both)
    assert [g.query_id for g in joined] == ["q1", "q2", "q2", "q1"]
    assert len(joined) == 2 * len(both[0])
    assert [g.negatives for g in joined if g.query_id == "q2"] == [("x", "y"), ("x", "z", "w")]
    with pytest.raises(InputError, match="no source has a group"):
        rows([[], []])


def test_a_quota_takes_so_many_of_each_and_fills_from_the_same_source_what_another_took() -> None:
    assert shown(quota([LEXICAL, DENSE], (2, 2))) == {
        "q1": {"a": "BM25 rank 1", "b": "BM25 rank 2", "d": "DPR rank 7"},  # DPR had no fourth to fill with
        "q2": {"x": "BM25 rank 1", "y": "BM25 rank 2", "z": "DPR rank 6", "w": "DPR rank 7"},
        "q3": {"s": "BM25 rank 1"},
        "q4": {"t": "DPR rank 5"},
    }
    assert shown(quota([DENSE, LEXICAL], (1, 1)))["q2"] == {"x": "DPR rank 5", "y": "BM25 rank 2"}
    with pytest.raises(InputError, match="the counts 1 do not fit 2 sources of negatives"):
        quota([LEXICAL, DENSE], (1,))
    with pytest.raises(InputError, match="Give a count of 1 or more"):
        quota([LEXICAL, DENSE], (1, 0))


def test_each_positive_of_a_query_is_a_row_of_its_own_in_a_quota_and_teachers_are_joined() -> None:
    first, second = (replace(group("q", "a", "b"), positives=(p,)) for p in ("p1", "p2"))
    taught = [replace(first, teacher={"a": 1.0, "p1": 2.0}), second]
    more = [replace(first, negatives=("b", "c"), teacher={"a": 9.0, "c": 3.0}), second]
    merged = quota([taught, more], (1, 1))
    assert [(g.positives, g.negatives) for g in merged] == [(("p1",), ("a", "b")), (("p2",), ("a", "b"))]
    assert dict(merged[0].teacher) == {"a": 1.0, "c": 3.0, "p1": 2.0}


def test_a_source_s_name_stands_before_each_negative_s_own_also_where_there_was_none() -> None:
    assert [g.sources for g in named([Group("q", ("p",), ("a",)), group("q", "b")], "DPR")] == [
        ("DPR",),
        ("DPR rank 1",),
    ]


def test_the_first_unflagged_negatives_are_kept_and_the_rest_is_counted() -> None:
    scores = {"q1+": 1.0, "a": 0.96, "b": 0.5, "c": 0.97, "d": 0.4, "e": 0.3, "q2+": 1.0, "x": 0.99, "q3+": 1, "s": 0}
    mined = [group("q1", "a", "b", "c", "d", "e"), group("q2", "x"), group("q3", "s")]
    left = denoise(mined, PositiveRelative(0.95), {"dense": lambda q, d: scores[d]}, keep=2)
    assert shown(list(left.groups)) == {"q1": {"b": "rank 2", "d": "rank 4"}, "q3": {"s": "rank 1"}}
    assert (left.flagged, left.emptied) == (3, 1)
    everything = denoise(mined, PositiveRelative(0.95), {"dense": lambda q, d: None}, keep=9)
    assert [g.negatives for g in everything.groups] == [g.negatives for g in mined]


def test_a_teacher_s_bound_keeps_only_what_it_rejects_and_not_what_it_never_saw() -> None:
    teacher = run_scores(Run({"q1": (("a", "b", "c"), (0.1, 0.0999, -7.0))}))
    flags = TeacherBound(0.1)([group("q1", "a", "b", "c", "unseen")], {"teacher": teacher})
    assert flags == [(True, False, False, True)]
    with pytest.raises(InputError, match="no scores of 'teacher'"):
        TeacherBound(0.1)([], {"dense": teacher})


def test_a_probability_is_bounded_by_its_logit() -> None:
    bound = TeacherBound.of_probability(0.1)
    assert bound.bound == pytest.approx(-2.1972246)
    logits = {"a": -2.19, "b": -2.20, "c": 0.0}
    assert bound([group("q1", *logits)], {"teacher": lambda q, d: logits[d]}) == [(True, False, True)]
    for probability in (0.0, 1.0, float("nan")):
        with pytest.raises(InputError, match="the probability is"):
            TeacherBound.of_probability(probability)


def test_denoising_says_so_when_nothing_is_left_or_nothing_is_wanted() -> None:
    with pytest.raises(InputError, match=r"none of 2 mined negatives is left: teacher at 0\.1 or above flags them all"):
        denoise([group("q1", "a", "b")], TeacherBound(0.1), {"teacher": lambda q, d: 1.0})
    with pytest.raises(InputError, match="0 negatives per group is too few"):
        denoise([group("q1", "a")], TeacherBound(0.1), {"teacher": lambda q, d: 0.0}, keep=0)


def test_the_report_counts_rows_documents_and_ranks_of_each_source_and_the_doubling_of_the_union() -> None:
    columns, lines = table([Source("BM25", LEXICAL), Source("DPR", DENSE)], {})
    assert columns[:6] == ("source", "rows", "queries", "negatives", "distinct", "ranks 1–10")
    assert lines[0] == ("BM25", "3", "3", "6", "6", "6", *["0"] * 5)
    assert lines[1][5:] == ("7", *["0"] * 5)
    assert lines[2] == (
        "union: 2.00 × the rows",
        "6",
        "4",
        "13",
        "10",
        "13",
        *["0"] * 5,
    )  # a, b, c, d, s, t, x, y, z, w
    assert {len(line) for line in lines} == {len(columns)}


def test_ranks_fall_into_their_bins_and_those_without_one_stand_apart() -> None:
    mined = [Group("q", ("p",), tuple("abcdef"), ("rank 10", "BM25 rank 11", "uniform", "rank 1001", "rank 200", ""))]
    (line,) = table([Source("all", mined)], {})[1]  # one source has no union
    assert line[5:] == ("1", "1", "0", "1", "0", "3")


def test_each_source_s_share_of_false_negatives_is_estimated_by_its_own_calibration_or_not_at_all() -> None:
    qrels, ranked = {}, {}
    for i in range(60):
        docs = [f"d{i}.{j}" for j in range(30)]
        qrels[f"q{i}"] = dict.fromkeys(docs[:4], 1)
        ranked[f"q{i}"] = (docs, [0.99, 0.98, 0.97, 0.96, *np.linspace(0.95, 0.1, 26)])
    run = Run(ranked)
    scores = {"dense": run_scores(run)}
    estimator = PositiveRelative(0.98, ("dense",))
    known = calibrate("clicks", hide(qrels, 0.5, 0), run, "dense", EveryRank(1, 30), scores, [estimator])
    bare = [Group(q, (f"d{q[1:]}.0",), relevant=frozenset({f"d{q[1:]}.0"})) for q in qrels]
    near, far = EveryRank(1, 10)(bare, run), EveryRank(20, 30)(bare, run)
    (estimate,) = false_negative_report(near, scores, known)["estimates"]
    assert estimate["estimated"]["share"] > 0.05
    columns, lines = table([Source("near", near, known), Source("far", far)], scores)
    assert columns[-1] == f"false negatives: {estimator}"
    assert lines[0][-1].startswith(f"{estimate['estimated']['share']:.1%} (")
    assert [line[-1] for line in lines[1:]] == ["not calibrated", ""]
    blind = replace(known[0], estimator=PositiveRelative(0.01, ("dense",)))  # flags all, hidden or not
    flags = blind.estimator(EveryRank(1, 30)(hide(qrels, 0.5, 0).groups(), run), scores)
    told = replace(blind, tally=type(blind.tally).of(EveryRank(1, 30)(hide(qrels, 0.5, 0).groups(), run), flags))
    assert table([Source("near", near, [told])], scores)[1][0][-1] == "no estimate"


def test_a_report_of_nothing_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no source of negatives"):
        table([], {})
    with pytest.raises(InputError, match="no negatives"):
        table([Source("bare", [Group("q", ("p",))])], {})
