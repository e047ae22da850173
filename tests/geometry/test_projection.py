from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from strop.geometry.pairs import Floats, unit
from strop.geometry.projection import clumping, joint_umap, nearest, overlap, trustworthiness, umap
from strop.records.errors import InputError
from strop.studies.when_finetuning_fails import pictures


def islands(rows: int, dimensions: int = 12, count: int = 4, seed: int = 0) -> Floats:
    """Tight groups around far centres: row i belongs to group i mod `count`."""
    rng = np.random.default_rng(seed)
    centres = 10 * rng.normal(size=(count, dimensions))
    return centres[np.arange(rows) % count] + rng.normal(size=(rows, dimensions))


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
    with pytest.raises(InputError, match="no joint picture"):
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


def test_clumping_hardly_depends_on_turn_scale_and_place() -> None:
    spots = islands(600, 2, count=12)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert clumping(7 * spots @ turn + 100) == pytest.approx(clumping(spots), abs=0.005)
    with pytest.raises(InputError, match="one line"):
        clumping(np.outer(np.arange(40.0), [1.0, 2.0]))


def first_two(rows: Floats, seed: int) -> Floats:
    """In UMAP's place where its seconds would buy nothing: two coordinates, and a little noise for the seed."""
    return rows[:, :2] + 0.02 * np.random.default_rng(seed).normal(size=(len(rows), 2))


@pytest.fixture
def exhibited(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    def all_of(models: Mapping[str, Floats], seed: int) -> dict[str, Floats]:
        return {name: first_two(rows, seed) for name, rows in models.items()}

    monkeypatch.setattr(pictures, "umap", first_two)
    monkeypatch.setattr(pictures, "joint_umap", all_of)
    return pictures.exhibit


@pytest.fixture
def drawn(exhibited: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A base of unit length; a copy of it, longer; and a model that has nothing to do with it."""
    base = unit(islands(240, count=24))
    models = {"base": base, "longer": base * 3, "other": np.random.default_rng(8).normal(size=base.shape)}
    return exhibited({n: (v[:120], v[120:]) for n, v in models.items()}, seeds=(42, 43), baseline="base")


def test_an_exhibit_holds_every_picture_once_and_the_points_of_those_to_draw(drawn: dict[str, Any]) -> None:
    keys = [(p["fit"], p["normalised"], p["seed"], p["system"]) for p in drawn["panels"]]
    assert len(set(keys)) == len(keys) == 3 * 2 * 3
    shown = {(p["fit"], p["normalised"], p["seed"]) for p in drawn["panels"] if "points" in p}
    assert shown == {("separate", False, 42), ("separate", False, 43), ("joint", True, 42)}
    assert {len(p["points"]) for p in drawn["panels"] if "points" in p} == {240}
    assert all(0 <= p[n] <= 1 for p in drawn["panels"] for n in ("trustworthiness", "clumping"))


def test_lengths_alone_change_no_number_of_unit_vectors(drawn: dict[str, Any]) -> None:
    base, longer, _ = (dict(row) for row in drawn["table"])
    assert (base.pop("system"), longer.pop("system")) == ("base", "longer")
    assert (base.pop("length"), longer.pop("length")) == ([1, 0], [3, 0])
    assert base == longer


def test_another_seed_keeps_more_neighbours_than_another_model(drawn: dict[str, Any]) -> None:
    by_system = {row["system"]: row for row in drawn["overlaps"] if (row["fit"], row["normalised"]) == pictures.PAPER}
    assert by_system["base"]["seed_overlap"] == by_system["base"]["model_overlap"]
    assert by_system["other"]["model_overlap"] < 0.15 < by_system["base"]["seed_overlap"]


def test_at_most_two_hundred_pairs_keep_their_points(exhibited: Callable[..., dict[str, Any]]) -> None:
    rows = np.random.default_rng(1).normal(size=(900, 4))
    found = exhibited({"base": (rows[:450], rows[450:])}, seeds=(0, 1), baseline="base")
    points = next(p["points"] for p in found["panels"])
    assert len(points) == 400
    fitted = first_two(rows, 0).round(3)
    assert points[0] == fitted[0].tolist()
    assert points[199] == fitted[449].tolist()
    assert points[200] == fitted[450].tolist()
    assert points[399] == fitted[899].tolist()


def test_one_seed_no_baseline_or_unlike_texts_leave_nothing_to_compare() -> None:
    rows = islands(20)
    with pytest.raises(InputError, match="nothing to compare"):
        pictures.exhibit({"base": (rows, rows)}, seeds=(42,), baseline="base")
    with pytest.raises(InputError, match="nothing to compare"):
        pictures.exhibit({"base": (rows, rows)}, seeds=(42, 43), baseline="bm25")
    with pytest.raises(InputError, match="different texts"):
        pictures.exhibit({"base": (rows, rows), "tuned": (rows[:9], rows[:9])}, seeds=(42, 43), baseline="base")
