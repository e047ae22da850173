from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from strop.geometry.collections_apart import PUBLISHED_SIMILAR, connected, nearest_votes, similarity, squared_mmd
from strop.records.errors import InputError


def cloud(centre: list[float], count: int, seed: int, spread: float = 0.2) -> np.ndarray:
    return np.asarray(centre) + np.random.default_rng(seed).normal(0, spread, (count, len(centre)))


CLOUDS = {
    "train": cloud([2, 0, 0], 90, 0),
    "near": cloud([2, 0.3, 0], 70, 1),
    "beside": cloud([2, 0.6, 0.0], 70, 2),
    "far": cloud([0, 0, 2], 60, 3),
    "farther": cloud([0, 0.2, 2], 80, 4),
}


def test_votes_worked_by_hand_go_to_the_highest_dot_product_outside() -> None:
    a = np.array([[1.0, 0.0], [0.0, 1.0]])
    b = np.array([[3.0, 0.1]])
    c = np.array([[0.0, 2.0], [0.5, 0.5]])
    # a's first has 3 from b and 0.5 from c; its second 0.1 from b and 2 from c; b's only one has 3 from a, 1.55 from c;
    # c's first has 2 from a and 0.2 from b, its second 0.5 from a and 1.55 from b.
    assert nearest_votes([a, b, c]) == ((0, 1, 1), (1, 0, 0), (1, 1, 0))


def test_votes_are_those_of_a_naive_loop() -> None:
    rng = np.random.default_rng(5)
    samples = [rng.normal(0, 1, (6, 4)) for _ in range(4)]
    counts = np.zeros((4, 4), dtype=int)
    for i, rows in enumerate(samples):
        for row in rows:
            best = max((float(row @ other), j) for j, others in enumerate(samples) if j != i for other in others)
            counts[i, best[1]] += 1
    assert nearest_votes(samples) == tuple(map(tuple, counts.tolist()))


def test_collections_are_grouped_when_joined_directly_or_by_others() -> None:
    assert connected(("a", "b", "c", "d", "e"), ("b", "a", "b", "e", "d")) == (frozenset("abc"), frozenset("de"))
    assert connected(("a", "b", "c"), ("b", "c", "a")) == (frozenset("abc"),)


def test_the_distance_is_that_of_a_naive_loop_over_pairs() -> None:
    x, y = (np.random.default_rng(seed).normal(centre, 1, (5, 3)) for seed, centre in ((0, 0.0), (1, 1.0)))
    rows = [row / np.linalg.norm(row) for row in (*x, *y)]
    squared = [float(((rows[i] - rows[j]) ** 2).sum()) for i in range(10) for j in range(i)]
    width = float(np.median(squared))

    def kernel(i: int, j: int) -> float:
        return float(np.exp(-((rows[i] - rows[j]) ** 2).sum() / (2 * width)))

    of_x, of_y = range(5), range(5, 10)
    within = [sum(kernel(i, j) for i in g for j in g if i != j) / 20 for g in (of_x, of_y)]
    between = sum(kernel(i, j) for i in of_x for j in of_y) / 25
    found = squared_mmd([x, y])
    assert (found[0][1], found[1][0]) == pytest.approx((sum(within) - 2 * between,) * 2)
    assert (found[0][0], found[1][1]) == pytest.approx((0.0, 0.0))


def test_the_distance_of_equal_collections_is_zero_on_average_whatever_the_sample() -> None:
    rng = np.random.default_rng(6)
    found = [squared_mmd([rng.normal(0.5, 1, (20, 8)), rng.normal(0.5, 1, (35, 8))])[0][1] for _ in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 200**0.5
    assert min(found) < 0 < max(found)


def test_planted_domains_are_grouped_and_ordered_by_distance() -> None:
    exhibit = similarity(CLOUDS, "train", seed=1).exhibit()
    assert exhibit.collections
    rows = {row.name: row for row in exhibit.collections}
    groups = {name: (row.group, row.together) for name, row in rows.items()}
    similar, different = ("similar", 5), ("different", 0)
    assert groups == {"near": similar, "beside": similar, "far": different, "farther": different}
    assert 0 < rows["near"].distance < rows["beside"].distance < rows["farther"].distance
    assert all(row.sd > 0 for row in rows.values())
    assert list(rows)[:2] == ["near", "beside"]
    assert (exhibit.training, exhibit.draws) == ("train", 5)


def test_every_draw_votes_with_as_many_documents_of_each_and_none_for_itself() -> None:
    found = similarity(CLOUDS, "train", seed=2)
    assert len(found.repeats) == 5
    for repeat in found.repeats:
        assert [sum(row) for row in repeat.votes] == [50] * 5
        assert [row[i] for i, row in enumerate(repeat.votes)] == [0] * 5
    assert len({repeat.distances for repeat in found.repeats}) == 5


def test_the_seed_and_not_the_order_of_collections_decides_the_draws() -> None:
    assert similarity(CLOUDS, "train", seed=3) == similarity(dict(reversed(CLOUDS.items())), "train", seed=3)
    assert similarity(CLOUDS, "train", seed=3) != similarity(CLOUDS, "train", seed=4)


def test_three_of_five_draws_are_not_more_than_three() -> None:
    found = similarity(CLOUDS, "train", seed=1)
    apart, together = found.repeats[0], found.repeats[1]
    alone = tuple(g - {"near"} if "near" in g else g for g in apart.groups)
    without = replace(apart, groups=alone)
    for count, group in ((3, "different"), (4, "similar")):
        repeats = (together,) * count + (without,) * (5 - count)
        rows = replace(found, repeats=repeats).exhibit().collections or ()
        assert {row.name: row.group for row in rows}["near"] == group


def test_the_published_grouping_names_five_collections() -> None:
    assert {"TR", "NF", "SD", "SF", "AR"} == PUBLISHED_SIMILAR


@pytest.mark.parametrize(
    ("vectors", "training", "message"),
    [
        (CLOUDS, "other", "other is not among"),
        ({"train": CLOUDS["train"]}, "train", "or is alone"),
        ({**CLOUDS, "far": CLOUDS["far"][:49]}, "train", "'far': 49"),
        ({**CLOUDS, "odd": np.ones((60, 2))}, "train", "differ in dimension"),
    ],
)
def test_what_cannot_be_compared_is_refused(vectors: dict, training: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        similarity(vectors, training, seed=0)
