from __future__ import annotations

import warnings

import numpy as np
import pytest
from islands import islands

from strop.geometry.pairs import Floats
from strop.geometry.projection import clumping, joint_umap, nearest, overlap, trustworthiness, umap
from strop.records.errors import InputError


def naive_neighbours(points: Floats, k: int) -> list[list[int]]:
    out = []
    for i, a in enumerate(points):
        others = sorted((float(np.sum((a - b) ** 2)), j) for j, b in enumerate(points) if j != i)
        out.append([j for _, j in others[:k]])
    return out


def naive_trustworthiness(vectors: Floats, points: Floats, k: int) -> float:
    n, punished = len(points), 0
    for i, (drawn, true) in enumerate(zip(naive_neighbours(points, k), naive_neighbours(vectors, n - 1), strict=True)):
        assert i not in drawn
        punished += sum(max(0, true.index(j) + 1 - k) for j in drawn)
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * punished


def test_a_seed_fixes_the_picture_groups_stay_groups_and_no_warning_escapes() -> None:
    rows = islands(60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, again, other = umap(rows, seed=42), umap(rows, seed=42), umap(rows, seed=43)
    assert first.shape == (60, 2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (nearest(first, neighbours=5) % 4 == np.arange(60)[:, None] % 4).mean() > 0.95


def test_a_joint_picture_gives_each_model_its_own_rows() -> None:
    rows = islands(30)
    points = joint_umap({"left": rows, "right": rows + 1000.0}, seed=3)
    assert list(points) == ["left", "right"]
    stacked = np.concatenate([points["left"], points["right"]])
    assert (nearest(stacked, 5)[:30] < 30).mean() > 0.95
    with pytest.raises(InputError, match="no joint layout"):
        joint_umap({"wide": islands(60, 12), "narrow": islands(60, 8)}, seed=3)


def test_what_cannot_be_projected_is_refused() -> None:
    with pytest.raises(InputError, match="15 vectors do not have 15 neighbours"):
        umap(islands(15), seed=0)
    with pytest.raises(InputError, match="not finite"):
        umap(np.full((40, 3), np.nan), seed=0)
    with pytest.raises(InputError, match="do not go together"):
        trustworthiness(islands(30), islands(30, 2), neighbours=15)


@pytest.mark.parametrize("k", [1, 3, 9])
def test_trustworthiness_is_the_papers_formula(k: int) -> None:
    rng = np.random.default_rng(k)
    vectors, points = rng.normal(size=(24, 6)), rng.normal(size=(24, 2))
    expected = naive_trustworthiness(vectors, points, k)
    assert 0 <= expected < 0.9
    assert trustworthiness(vectors, points, k) == pytest.approx(expected)


def test_a_picture_that_only_turns_and_scales_is_trusted_fully() -> None:
    flat = np.random.default_rng(0).normal(size=(50, 2))
    lifted = np.hstack([flat, np.zeros((50, 4))])
    assert trustworthiness(lifted, 5 * flat @ np.array([[0.6, -0.8], [0.8, 0.6]]), 15) == 1


def test_neighbours_are_those_of_a_naive_search_and_never_the_point_itself() -> None:
    points = np.random.default_rng(2).normal(size=(40, 2))
    assert nearest(points, 6).tolist() == naive_neighbours(points, 6)
    same = nearest(np.zeros((20, 2)), 4)
    assert not (same == np.arange(20)[:, None]).any()
    assert same.shape == (20, 4)


def test_overlap_counts_shared_neighbours_in_any_order() -> None:
    one, other = np.array([[1, 2], [0, 2], [0, 1]]), np.array([[2, 1], [0, 3], [4, 5]])
    assert overlap(one, other) == pytest.approx((2 + 1 + 0) / 6)
    points = np.random.default_rng(4).normal(size=(300, 2))
    assert overlap(nearest(points), nearest(-2 * points)) == 1
    unrelated = np.random.default_rng(5).normal(size=(300, 2))
    assert overlap(nearest(points), nearest(unrelated)) == pytest.approx(15 / 299, abs=0.02)


def test_an_even_scatter_does_not_clump_islands_do_and_a_lattice_does_less() -> None:
    rng = np.random.default_rng(6)
    scatter = rng.random((2000, 2))
    lattice = np.stack(np.meshgrid(np.arange(45.0), np.arange(45.0)), axis=-1).reshape(-1, 2)
    spots = islands(2000, 2, count=12)
    assert clumping(scatter) == pytest.approx(0.5, abs=0.03)
    assert clumping(lattice) < clumping(scatter) < 0.9 < clumping(spots) <= 1


def test_clumping_is_what_its_formula_gives_over_a_grid_and_all_points() -> None:
    rng = np.random.default_rng(3)
    corners = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
    points = np.concatenate([corners, rng.random((60, 2)) * [0.5, 1.0]])  # the hull is the rectangle
    k, step = 3, 2 / 64
    places = [(x, y) for x in np.arange(step / 2, 2, step) for y in np.arange(step / 2, 1, step)]
    empty = [sorted(np.square(points - place).sum(axis=1))[k - 1] for place in places]
    occupied = [sorted(np.square(points - point).sum(axis=1))[k] for point in points]
    u, w = np.mean(empty), np.mean(occupied)
    assert clumping(points, k) == pytest.approx(u / (u + w))


def test_pictures_that_have_nothing_to_do_with_each_other_share_the_stated_number_of_neighbours() -> None:
    one, other = (np.random.default_rng(seed).random((400, 2)) for seed in (1, 2))
    assert overlap(nearest(one, 15), nearest(other, 15)) == pytest.approx(15 / 399, abs=0.01)


def test_clumping_hardly_depends_on_turn_scale_and_place() -> None:
    spots = islands(600, 2, count=12)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert clumping(7 * spots @ turn + 100) == pytest.approx(clumping(spots), abs=0.005)
    with pytest.raises(InputError, match="one line"):
        clumping(np.outer(np.arange(40.0), [1.0, 2.0]))
