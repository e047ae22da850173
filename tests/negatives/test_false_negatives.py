"""False negatives: planted ones that must be found, counted by hand, and estimates whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from strop.negatives.audit.calibration import Calibration, EveryRank, calibrate, hide
from strop.negatives.audit.false_negatives import estimated_share, false_negative_report
from strop.negatives.audit.tally import FLAGGED, FOUND, HIDDEN, MINED, Tally, rank_of
from strop.negatives.filters import PositiveRelative, run_scores
from strop.negatives.from_run import RankWindow
from strop.records.documents import Group
from strop.records.errors import InputError
from strop.records.runs import Run

DENSE = PositiveRelative(0.9, ("dense",))


def test_ranks_are_read_from_sources() -> None:
    sources = ["rank 126", "BM25 rank 17", "uniform", "rank x", "", "frank 3"]
    assert [rank_of(source) for source in sources] == [126, 17, None, None, None, None]


def test_a_negative_is_flagged_at_the_share_of_its_positive_and_above() -> None:
    scores = {"q": {"p": 1.0, "at": 0.9, "below": 0.89, "above": 1.2}}
    groups = [Group("q", ("p",), ("at", "below", "above", "unranked"))]
    assert DENSE(groups, {"dense": lambda q, d: scores[q].get(d)}) == [(True, False, True, False)]


def test_two_sources_flag_only_what_both_flag() -> None:
    dense = run_scores(Run({"q": (("p", "a", "b", "c"), (1.0, 0.95, 0.95, 0.1))}))
    bm25 = run_scores(Run({"q": (("p", "a", "c"), (8.0, 7.9, 7.9))}))
    group = [Group("q", ("p",), ("a", "b", "c"))]
    of_both = {"dense": dense, "BM25": bm25}
    assert PositiveRelative(0.9, ("dense",))(group, of_both) == [(True, True, False)]
    assert PositiveRelative(0.9, ("BM25",))(group, of_both) == [(True, False, True)]
    assert PositiveRelative(0.9, ("dense", "BM25"))(group, of_both) == [(True, False, False)]


def test_an_unranked_positive_lies_below_all_that_is_ranked_and_the_best_positive_counts() -> None:
    scores = {"dense": run_scores(Run({"q": (("a", "p1", "p2"), (0.6, 0.5, 1.0))}))}
    assert DENSE([Group("q", ("lost",), ("a", "b"))], scores) == [(True, False)]
    assert DENSE([Group("q", ("p1", "p2"), ("a",))], scores) == [(False,)]
    assert DENSE([Group("q", ("p1",), ("a",))], scores) == [(True,)]
    below = {"dense": run_scores(Run({"q": (("p", "a", "b"), (-0.1, -0.09, -0.2))}))}
    assert DENSE([Group("q", ("p",), ("a", "b"))], below) == [(True, False)]


def test_bad_estimators_are_refused() -> None:
    for share in (0.0, 1.1, float("nan")):
        with pytest.raises(InputError, match="share is"):
            PositiveRelative(share)
    with pytest.raises(InputError, match="no source"):
        PositiveRelative(sources=())
    with pytest.raises(InputError, match="no scores of 'BM25'"):
        PositiveRelative(sources=("BM25",))([], {"dense": lambda q, d: 1.0})


def test_hiding_takes_half_keeps_one_and_is_fixed_by_its_seed() -> None:
    qrels = {f"q{n}": {**{f"d{i}": 1 for i in range(n)}, "bad": 0} for n in range(1, 9)}
    judged = hide(qrels, 0.5, seed=1)
    assert {q: len(ids) for q, ids in judged.hidden.items()} == {"q2": 1, "q3": 2, "q4": 2, "q5": 3} | {
        "q6": 3,
        "q7": 4,
        "q8": 4,
    }
    for query_id, taken in judged.hidden.items():
        assert {**judged.kept[query_id], **dict.fromkeys(taken, 1)} == qrels[query_id]
        assert taken
        assert not taken & set(judged.kept[query_id])
        assert "bad" not in taken
    assert judged == hide(qrels, 0.5, seed=1) != hide(qrels, 0.5, seed=2)
    assert all(len(taken) < len(qrels[q]) - 1 for q, taken in hide(qrels, 0.99, 0).hidden.items())
    for share in (0.0, 1.0):
        with pytest.raises(InputError, match="share to hide"):
            hide(qrels, share, 0)
    with pytest.raises(InputError, match="two known positives"):
        hide({"q": {"d": 1}}, 0.5, 0)


def test_hidden_positives_may_be_mined_and_kept_ones_never() -> None:
    judged = hide({"q": {"a": 1, "b": 1, "c": 1, "d": 1}}, 0.5, 0)
    mined = EveryRank(1, 10)(judged.groups(), Run({"q": (("a", "b", "c", "d", "e"), (5, 4, 3, 2, 1))}))
    assert {group.positives[0] for group in mined} == set(judged.kept["q"])
    for group in mined:
        assert set(group.negatives) == judged.hidden["q"] | {"e"}


def test_every_rank_is_all_that_a_window_can_draw() -> None:
    docs = [f"d{i}" for i in range(30)]
    groups = [Group("q", ("d7",), relevant=frozenset({"d7", "d9"})), Group("absent", ("d1",))]
    run = Run({"q": (docs, -np.arange(30.0))})
    (every,) = EveryRank(6, 20)(groups, run)
    (drawn,) = RankWindow(6, 20, 13)(groups, run, 0)
    assert dict(zip(every.negatives, every.sources, strict=True)) == dict(
        zip(drawn.negatives, drawn.sources, strict=True)
    )


def planted(queries: int, prevalence: float, seed: int, recall: float = 0.8, alarms: float = 0.2) -> Tally:
    """Queries of 20 negatives each, false and flagged by chance at known rates."""
    rng = np.random.default_rng(seed)
    groups, flags, hidden = [], [], {}
    for i in range(queries):
        false = rng.random(20) < prevalence
        flags.append((rng.random(20) < np.where(false, recall, alarms)).tolist())
        groups.append(
            Group(f"q{i}", ("p",), tuple(f"d{j}" for j in range(20)), tuple(f"rank {j + 1}" for j in range(20)))
        )
        hidden[f"q{i}"] = {f"d{j}" for j in np.flatnonzero(false)}
    return Tally.of(groups, flags, hidden)


def calibration(tally: Tally) -> Calibration:
    return Calibration("planted", "dense", "RankWindow", DENSE, tally)


def test_a_tally_counts_what_a_hand_counts_by_rank() -> None:
    groups = [
        Group("q1", ("p",), ("a", "b", "c"), ("rank 10", "rank 11", "uniform")),
        Group("q1", ("r",), ("a",), ("BM25 rank 3",)),
        Group("q2", ("p",), ("a",), ("rank 4000",)),
    ]
    flags = [(True, True, False), (True,), (False,)]
    tally = Tally.of(groups, flags, {"q1": {"a", "c"}})
    assert tally.counts.sum(axis=(0, 1)).tolist() == [5, 3, 3, 2]
    assert tally.share(FOUND, of=FLAGGED).value == pytest.approx(2 / 3)
    rows = [(row["low"], row["high"], row["mined"], row["flagged"]) for row in tally.by_rank()]
    assert rows == [(1, 10, 2, 1.0), (11, 50, 1, 1.0), (None, None, 2, 0.0)]
    assert tally.counts[..., HIDDEN].sum(axis=0).tolist() == [2, 0, 0, 0, 0, 1]


def test_intervals_resample_queries_and_not_negatives() -> None:
    """All negatives of a query alike: 40 queries are 40 observations, however many negatives each has."""
    groups = [Group(f"q{i}", ("p",), tuple(f"d{j}" for j in range(50))) for i in range(40)]
    share = Tally.of(groups, [(i < 20,) * 50 for i in range(40)]).share(FLAGGED, of=MINED)
    assert share.value == 0.5
    assert share.low is not None
    assert share.high is not None
    assert share.high - share.low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 40), rel=0.1)


def test_calibration_recovers_planted_rates() -> None:
    tally = planted(400, 0.1, seed=0)
    pairs = [
        (tally.share(FOUND, of=HIDDEN), 0.8),
        (tally.share(HIDDEN, of=MINED), 0.1),
        (tally.share(FOUND, of=FLAGGED), 0.08 / 0.26),
    ]
    for share, truth in pairs:
        assert share.value == pytest.approx(truth, abs=0.04)
        assert share.low is not None
        assert share.high is not None
        assert share.low < share.value < share.high < share.low + 0.1
    assert calibration(tally).informs
    assert not calibration(planted(400, 0.1, seed=0, recall=0.2)).informs


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(20):
        share = planted(60, 0.2, seed).share(FOUND, of=HIDDEN)
        assert share.low is not None
        assert share.high is not None
        held += share.low < 0.8 < share.high
    assert held >= 16  # 19 expected of 20; 15 or fewer three times in 1,000


def test_the_estimate_is_flagged_times_precision_over_recall() -> None:
    known, target = calibration(planted(300, 0.1, seed=1)), planted(200, 0.1, seed=2)
    flagged = target.share(FLAGGED, of=MINED).value
    precision, recall = (known.tally.share(FOUND, of=kind).value for kind in (FLAGGED, HIDDEN))
    estimate = estimated_share(target, known)
    assert flagged
    assert precision
    assert recall
    assert estimate.value == pytest.approx(flagged * precision / recall)
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low < 0.1 < estimate.high


def test_estimates_stay_in_their_range_and_are_none_where_nothing_is_known() -> None:
    useless = calibration(planted(50, 0.1, seed=5, recall=0.0, alarms=0.0))
    assert estimated_share(planted(50, 0.1, seed=6), useless).value is None
    assert useless.tally.share(FOUND, of=FLAGGED).value is None
    high = estimated_share(planted(50, 1.0, seed=7), calibration(planted(50, 0.9, seed=8, recall=0.3)))
    assert high.value == 1.0
    assert high.high == 1.0


def clicked(queries: int = 60) -> tuple[dict[str, dict[str, int]], Run, Run]:
    """Each query has four positives on its dense ranks 1 to 4 of 30, which BM25 ranks first too, then others."""
    qrels, dense, bm25 = {}, {}, {}
    for i in range(queries):
        docs = [f"d{i}.{j}" for j in range(30)]
        qrels[f"q{i}"] = dict.fromkeys(docs[:4], 1)
        dense[f"q{i}"] = (docs, [0.99, 0.98, 0.97, 0.96, *np.linspace(0.95, 0.1, 26)])
        bm25[f"q{i}"] = ([*docs[:4], *docs[20:]], np.linspace(9, 1, 14))
    return qrels, Run(dense), Run(bm25)


def test_hidden_positives_are_mined_and_found_end_to_end() -> None:
    qrels, dense, bm25 = clicked()
    scores = {"dense": run_scores(dense), "BM25": run_scores(bm25)}
    estimators = [PositiveRelative(0.7, s) for s in (("dense",), ("BM25",), ("dense", "BM25"))]
    known = calibrate("clicks", hide(qrels, 0.5, 0), dense, "dense", EveryRank(1, 30), scores, estimators)
    for seen in known:
        # two of four are hidden, two kept are forbidden
        assert seen.tally.share(HIDDEN, of=MINED).value == pytest.approx(2 / 28)
    alone, _, both = (seen.tally for seen in known)
    assert alone.share(FOUND, of=HIDDEN).value == 1.0
    precise, less = (tally.share(FOUND, of=FLAGGED).value for tally in (both, alone))
    assert precise
    assert less
    assert precise > less
    of_rank = alone.counts.sum(axis=0)[:2]
    assert (of_rank[:, HIDDEN] / of_rank[:, MINED]).tolist() == [0.25, 0.0]  # 8 and 20 candidates of each query


def test_the_report_is_plain_and_names_the_collection_of_its_calibration() -> None:
    qrels, dense, bm25 = clicked()
    scores = {"dense": run_scores(dense), "BM25": run_scores(bm25)}
    known = calibrate(
        "clicks", hide(qrels, 0.5, 0), dense, "dense", EveryRank(1, 30), scores, [PositiveRelative(0.7, ("dense",))]
    )
    one_each = [
        Group(q, (next(iter(judged)),), relevant=frozenset([next(iter(judged))])) for q, judged in qrels.items()
    ]
    report = false_negative_report(RankWindow(1, 30, 3)(one_each, dense, 0), scores, known)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["negatives"] == 180
    assert report["positives_per_query"] == 1.0
    (estimate,) = report["estimates"]
    assert "on clicks (dense, EveryRank" in estimate["reading"]
    assert "EveryRank(low=1, high=30)" in estimate["reading"]
    assert estimate["by_rank"]
    assert estimate["estimated"]["low"] is not None


def test_an_estimator_that_tells_nothing_gives_no_estimate_in_words() -> None:
    blind = calibration(planted(100, 0.1, seed=9, recall=0.3, alarms=0.3))
    report = false_negative_report([Group("q", ("p",), ("n",), ("rank 5",))], {"dense": lambda q, d: 1.0}, [blind])
    assert "no estimate" in report["estimates"][0]["reading"]


def test_a_kept_positive_is_a_group_of_its_own() -> None:
    judged = hide({"many": {f"d{i}": 1 for i in range(10)}, "few": {"d0": 1, "d1": 1}}, 0.5, 0)
    assert [group.query_id for group in judged.groups()] == ["many"] * 5 + ["few"]


def test_nothing_mined_is_refused() -> None:
    known = calibration(planted(5, 0.5, seed=0))
    with pytest.raises(InputError, match="no negatives"):
        false_negative_report([Group("q", ("p",))], {"dense": lambda q, d: 1.0}, [known])
    with pytest.raises(InputError, match="no query has a candidate at ranks 5 to 9"):
        EveryRank(5, 9)([Group("q", ("p",))], Run({"q": (("p", "a"), (2, 1))}))
