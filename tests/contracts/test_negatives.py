"""What every negative policy keeps: never a known positive, fixed by its seed, and each its own distribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from room_members import classes

from strop.negatives.audit.calibration import EveryRank
from strop.negatives.filters import Estimator, PositiveRelative, TeacherBound, denoise
from strop.negatives.from_run import RankWindow
from strop.negatives.positives import positive_groups, with_texts
from strop.negatives.sampled import Uniform
from strop.negatives.union import quota, rows
from strop.records.documents import Collection, Document, Group, Query
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.studies.when_finetuning_fails.fixed_rank import FixedRank

DOCS = [f"d{i:03}" for i in range(300)]


def groups(count: int = 40) -> list[Group]:
    """Query i has ten relevant documents, of which one is its positive here, and some outside the pool."""
    return [Group(f"q{i}", (DOCS[i],), relevant=frozenset({*DOCS[i : i + 10], "elsewhere"})) for i in range(count)]


def run(depth: int = 300, count: int = 40) -> Run:
    """Every query ranks the documents in their order, so that rank r is DOCS[r - 1]."""
    return Run({f"q{i}": (DOCS[:depth], -np.arange(depth, dtype=float)) for i in range(count)})


def denoised(mined: Sequence[Group]) -> list[Group]:
    """The first three that are not among the first two documents, which alone score as high as a positive."""
    return list(denoise(mined, TeacherBound(0.5), {"teacher": lambda q, d: float(d in DOCS[:2])}, keep=3).groups)


Policy = Callable[[Sequence[Group], int], list[Group]]
POLICIES: dict[str, Policy] = {
    "uniform": lambda g, seed: Uniform(3)(g, DOCS, seed),
    "rank window": lambda g, seed: RankWindow(1, 30, 3)(g, run(), seed),
    "one fixed rank": lambda g, seed: FixedRank(1, 30, 3)(g, run(), seed),
    "quota": lambda g, seed: quota([RankWindow(1, 30, 4)(g, run(), seed), Uniform(4)(g, DOCS, seed)], (2, 1)),
    "denoised": lambda g, seed: denoised(RankWindow(1, 40, 8)(g, run(), seed)),
}
ESTIMATORS: dict[str, Estimator] = {
    "relative to the positive": PositiveRelative(0.6, ("dense",)),
    "two sources": PositiveRelative(0.6, ("dense", "bm25")),
    "a teacher's bound": TeacherBound(0.5, "dense"),
}
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS.keys())
every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())


def test_every_policy_and_estimator_of_the_room_is_held_to_this_contract() -> None:
    held = {Uniform, RankWindow, EveryRank} | {type(estimator) for estimator in ESTIMATORS.values()}
    assert classes("negatives", "__call__") == held


@every_estimator
def test_an_estimator_flags_each_negative_by_its_own_group_alone_and_the_higher_score_first(
    estimator: Estimator,
) -> None:
    def score(query_id: str, doc_id: str) -> float:
        return 1.0 - DOCS.index(doc_id) / 30

    mined = [Group(f"q{i}", (DOCS[3],), tuple(DOCS[i : 30 + i : 5])) for i in range(4, 8)]
    scores = {"dense": score, "bm25": score}
    flags = estimator(mined, scores)
    assert [len(row) for row in flags] == [len(group.negatives) for group in mined]
    assert flags == [estimator([group], scores)[0] for group in mined]
    for row in flags:
        assert list(row) == sorted(row, reverse=True), "the negatives are in the order of their scores"
        assert {True, False} == set(row)
    with pytest.raises(InputError, match="no scores of 'dense'"):
        estimator(mined, {"other": score})


def test_all_documents_of_a_window_are_mined_but_the_known_positives() -> None:
    mined = EveryRank(5, 30)(groups(), run())
    assert mined == EveryRank(5, 30)(groups(), run())
    for group, before in zip(mined, groups(), strict=True):
        assert (group.query_id, group.positives, group.relevant) == (before.query_id, before.positives, before.relevant)
        assert list(group.negatives) == [d for d in DOCS[4:30] if d not in before.relevant]
        assert group.sources == tuple(f"rank {DOCS.index(d) + 1}" for d in group.negatives)


@every_policy
def test_never_a_known_positive_whatever_the_seed(policy: Policy) -> None:
    taken: set[str] = set()
    for seed in range(25):
        for group in policy(groups(), seed):
            assert len(set(group.negatives)) == 3
            assert not group.relevant & set(group.negatives)
            taken.update(group.negatives)
    assert len(taken & set(DOCS[:50])) > 20  # others' positives are drawn, so the check above had something to forbid


@every_policy
def test_a_positive_that_is_not_among_the_relevant_is_avoided_too(policy: Policy) -> None:
    bare = [Group("q0", tuple(DOCS[:12]))]
    for seed in range(30):
        assert not set(DOCS[:12]) & set(policy(bare, seed)[0].negatives)


@every_policy
def test_a_policy_is_fixed_by_its_seed_and_changes_with_it(policy: Policy) -> None:
    assert policy(groups(), 5) == policy(groups(), 5)
    assert policy(groups(), 5) != policy(groups(), 6)


@every_policy
def test_everything_but_the_negatives_and_their_sources_is_kept(policy: Policy) -> None:
    drawn = policy(groups(), 0)
    assert [(g.query_id, g.positives, g.relevant) for g in drawn] == [
        (g.query_id, g.positives, g.relevant) for g in groups()
    ]
    assert all(len(g.sources) == len(g.negatives) == 3 for g in drawn)


def test_a_union_of_sources_is_every_row_of_each_and_no_known_positive() -> None:
    parts = [RankWindow(1, 30, 2)(groups(), run(), 0), Uniform(1)(groups(), DOCS, 0)]
    joined = rows(parts)
    assert joined == [*parts[0], *parts[1]]
    assert not any(group.relevant & set(group.negatives) for group in joined)


def test_uniform_draws_every_allowed_document_about_equally_often() -> None:
    pool, group = DOCS[:20], Group("q", (DOCS[0],), relevant=frozenset(DOCS[:2]))
    counts = dict.fromkeys(pool, 0)
    for drawn in Uniform(2)([group] * 5000, pool, seed=1):
        for doc_id in drawn.negatives:
            counts[doc_id] += 1
    allowed = [counts.pop(d) for d in pool[2:]]
    assert list(counts.values()) == [0, 0]
    expected = 10_000 / 18
    # 17 degrees of freedom: 40.8 is the 0.1 % quantile of chi-squared
    assert sum((n - expected) ** 2 / expected for n in allowed) < 40.8


def test_uniform_says_so_when_there_are_too_few_documents() -> None:
    group = Group("q", ("d000",), relevant=frozenset(DOCS[:3]))
    assert set(Uniform(2)([group], DOCS[:5], 0)[0].negatives) == set(DOCS[3:5])
    with pytest.raises(InputError, match="4 documents are too few to draw 2 negatives for query q"):
        Uniform(2)([group], DOCS[:4], 0)


def test_uniform_counts_only_those_positives_that_are_in_the_pool() -> None:
    group = Group("q", ("d000",), relevant=frozenset({"d000", *(f"outside{i}" for i in range(10))}))
    assert set(Uniform(2)([group], DOCS[:3], 0)[0].negatives) == {"d001", "d002"}


def test_a_window_counts_ranks_from_one_and_includes_both_ends() -> None:
    bare = [Group("q0", ("none",))]
    seen = {RankWindow(51, 60)(bare, run(), seed)[0].negatives[0] for seed in range(200)}
    assert seen == {DOCS[rank - 1] for rank in range(51, 61)}
    for seed in range(5):
        (group,) = RankWindow(51, 60, count=3)(bare, run(), seed)
        assert group.sources == tuple(f"rank {DOCS.index(d) + 1}" for d in group.negatives)


def test_each_query_draws_for_itself_but_the_fixed_rank_is_one_for_all() -> None:
    bare = [Group(f"q{i}", ("none",)) for i in range(40)]
    assert len({g.sources for g in RankWindow()(bare, run(), 42)}) > 20
    assert len({g.sources for g in FixedRank(51, 200)(bare, run(), 42)}) == 1


@pytest.mark.parametrize(("candidates", "rank"), [(151, 126), (150, 123), (149, 123), (148, 175)])
def test_the_thesis_code_with_seed_42_gives_one_rank_for_windows_of_one_length(candidates: int, rank: int) -> None:
    window = FixedRank(50, 200)
    (group,) = window([Group("q0", ("none",))], run(depth=49 + candidates), seed=42)
    assert group.sources == (f"rank {rank}",)
    assert group.negatives == (DOCS[rank - 1],)


def test_a_judged_positive_inside_the_window_makes_it_shorter_and_ranks_stay_true() -> None:
    window = FixedRank(50, 200)
    (early,) = window([Group("q0", (DOCS[59],))], run(), seed=42)  # 150 are left: index 73, and rank 60 is skipped
    assert early.sources == ("rank 124",)
    assert early.negatives == (DOCS[123],)


def test_queries_with_too_few_candidates_are_left_out_and_none_at_all_is_an_error() -> None:
    both = [Group("q0", ("none",)), Group("not ranked", ("none",))]
    assert [g.query_id for g in RankWindow(51, 60)(both, run(), 0)] == ["q0"]
    assert [len(g.negatives) for g in RankWindow(51, 60, 4)(both, run(depth=54), 0)] == [4]
    with pytest.raises(InputError, match="no query has 5 candidates at ranks 51 to 60") as caught:
        RankWindow(51, 60, 5)(both, run(depth=54), 0)
    assert "deeper" in caught.value.remedy


def collection(qrels: dict[str, dict[str, int]], reserved: frozenset[str] = frozenset()) -> Collection:
    return Collection(
        "c",
        "train",
        {d: Document(d, d) for d in DOCS[:6]},
        {q: Query(q, q) for q in qrels},
        qrels,
        "",
        reserved=reserved,
    )


def test_every_judged_positive_makes_a_group_but_reserved_and_absent_ones_only_stay_relevant() -> None:
    judged = {
        "q1": {"d003": 1, "d000": 0, "d001": 2, "absent": 1, "d002": 1, "d004": -1},
        "q2": {"d002": 1},
        "q3": {"d005": 0},
    }
    made = positive_groups(collection(judged, frozenset({"d002"})))
    relevant = frozenset({"d003", "d001", "absent", "d002"})
    assert made == [Group("q1", ("d003",), relevant=relevant), Group("q1", ("d001",), relevant=relevant)]


def test_first_only_keeps_the_first_usable_positive_of_each_query() -> None:
    judged = {"q1": {"d002": 1, "d003": 1, "d001": 1}, "q2": {"d004": 1}}
    made = positive_groups(collection(judged, frozenset({"d002"})), first_only=True)
    assert [g.positives for g in made] == [("d003",), ("d004",)]


def test_a_split_without_a_positive_to_train_on_is_an_error() -> None:
    with pytest.raises(InputError, match="c/train has no judged positive"):
        positive_groups(collection({"q1": {"d001": 0, "d002": 1}}, frozenset({"d002"})))


def test_groups_without_a_text_to_learn_from_are_left_out() -> None:
    data = collection({"q1": {"d000": 1, "d001": 1}, "q2": {"d002": 1}, "q3": {"d003": 1}})
    documents = {**data.documents, "d001": Document("d001", "\t", " "), "d003": Document("d003", "", "Title")}
    gaps = replace(data, documents=documents, queries={**data.queries, "q2": Query("q2", " ")})
    assert [g.positives for g in with_texts(positive_groups(gaps), gaps)] == [("d000",), ("d003",)]
    with pytest.raises(InputError, match="c/train: of every judged positive, it or its query has no text"):
        with_texts(positive_groups(gaps)[1:3], gaps)
