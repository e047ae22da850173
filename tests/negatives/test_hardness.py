"""Hardness: hand-made angles with known gaps, a naive loop for the active share, and the three verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from strop.negatives.audit.hardness import Hardness, cosines, harder, hardness
from strop.records.documents import Group
from strop.records.errors import InputError

RNG = np.random.default_rng(3)


def test_gaps_and_shares_of_hand_made_angles() -> None:
    cosines = {("q1", "p"): 0.9, ("q1", "n"): 0.5, ("q1", "m"): 1.0, ("q2", "p"): 0.6, ("q2", "n"): 0.1}
    groups = [
        Group("q1", ("p",), ("n", "m"), ("rank 126", "BM25 rank 17")),
        Group("q2", ("p",), ("n",), ("uniform",)),
        Group("q3", ("p",)),
    ]
    seen = hardness(groups, lambda q, d: cosines.get((q, d), 0.0))
    assert seen.number == 3
    assert seen.gaps == pytest.approx({"q1": (0.4 - 0.1) / 2, "q2": 0.5})
    assert seen.gap == pytest.approx((0.15 + 0.5) / 2)  # over queries, not over negatives
    assert seen.above_positive == pytest.approx(1 / 3)
    assert dict(seen.sources) == {"rank": 1, "BM25 rank": 1, "uniform": 1}
    assert seen.interval == pytest.approx((0.15, 0.5))


def test_the_histogram_s_bins_hold_every_rank_once() -> None:
    ranks = [*RNG.integers(51, 201, 300).tolist(), 51, 200]
    groups = [Group(f"q{i}", ("p",), ("n",), (f"rank {rank}",)) for i, rank in enumerate(ranks)]
    bins = hardness(groups, lambda q, d: 0.0).ranks
    assert bins[0][:2] == (51, 60)
    assert bins[-1][:2] == (191, 200)
    assert [count for *_, count in bins] == [sum(low <= r <= high for r in ranks) for low, high, _ in bins]
    assert sum(count for *_, count in bins) == len(ranks)
    one = hardness([Group("q", ("p",), ("n",), ("rank 126",))], lambda q, d: 0.0).ranks
    assert one == ((126, 126, 1),)


def test_cosines_do_not_depend_on_lengths_and_a_zero_vector_has_none() -> None:
    cosine = cosines(["q"], np.array([[3.0, 4.0]], np.float32), ["a", "0"], np.array([[8, 6], [0, 0]], np.float32))
    assert cosine("q", "a") == pytest.approx(0.96)
    assert cosine("q", "0") == 0.0
    with pytest.raises(InputError, match="document 'b' has no vector"):
        cosine("q", "b")


def measured(gaps: np.ndarray) -> Hardness:
    return Hardness(len(gaps), {f"q{i}": float(g) for i, g in enumerate(gaps)}, 0.0, (), ())


def test_harder_is_said_only_of_negatives_that_are_clearly_nearer() -> None:
    random = RNG.normal(0.4, 0.1, 200)
    near = harder(measured(random - RNG.normal(0.2, 0.1, 200)), measured(random))
    assert near.verdict == "harder"
    assert near.comparison.difference == pytest.approx(0.2, abs=0.03)
    assert str(near).startswith("mined negatives are harder than random ones: in cosine they are 0.")
    assert "nearer to the query" in str(near)


def test_a_hard_that_is_no_nearer_is_called_not_harder() -> None:
    random = RNG.normal(0.4, 0.1, 200)
    same = harder(measured(random), measured(random))
    farther = harder(measured(random + 0.1), measured(random), ("hard", "random"))
    trifle = harder(measured(random - 0.001), measured(random))  # significant, but no difference to speak of
    assert [judged.verdict for judged in (same, farther, trifle)] == ["not harder"] * 3
    assert str(farther).startswith("hard negatives are not harder than random ones")
    assert "farther from the query" in str(farther)


def test_few_or_noisy_queries_resolve_nothing() -> None:
    random = np.full(6, 0.4)
    noisy = harder(measured(random - np.array([0.3, -0.2, 0.4, -0.1, 0.2, 0.0])), measured(random))
    assert noisy.verdict == "not resolved"
    assert str(noisy).startswith("mined negatives are not resolved to be harder than random ones")


def test_only_queries_of_both_are_compared_and_none_is_refused() -> None:
    a, b = measured(np.full(30, 0.1)), measured(np.full(20, 0.4))
    assert harder(a, b).comparison.n == 20
    with pytest.raises(InputError, match="no query in common"):
        harder(a, Hardness(1, {"other": 0.1}, 0.0, (), ()))


def test_groups_without_negatives_are_refused() -> None:
    with pytest.raises(InputError, match="no group has both"):
        hardness([Group("q", ("p",))], lambda q, d: 0.0)
