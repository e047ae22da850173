from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA

from strop.geometry.pairs import Floats
from strop.geometry.projection import fit_pca, nearest, umap, umap_on
from strop.records.errors import InputError


def islands(rows: int, width: int = 12, count: int = 4, seed: int = 0) -> Floats:
    """Tight groups around far centres, the same for every seed: row i belongs to group i mod `count`."""
    centres = 10 * np.random.default_rng(0).normal(size=(count, width))
    return centres[np.arange(rows) % count] + np.random.default_rng(seed).normal(size=(rows, width))


def test_a_plane_is_that_of_another_tool_with_signs_that_do_not_depend_on_the_machine() -> None:
    rows = islands(80)
    plane, other = fit_pca(rows), PCA(n_components=2, svd_solver="full").fit(rows)
    assert np.abs(plane.axes) == pytest.approx(np.abs(other.components_))
    assert plane.explained == pytest.approx(other.explained_variance_ratio_.sum())
    assert np.abs(plane.points(rows)) == pytest.approx(np.abs(other.transform(rows)))
    assert all(axis[np.abs(axis).argmax()] > 0 for axis in plane.axes)
    assert fit_pca(rows[::-1]).axes == pytest.approx(plane.axes)


def test_others_lie_on_the_base_s_plane_and_the_base_around_its_origin() -> None:
    rows = islands(80)
    plane = fit_pca(rows)
    assert plane.points(rows).mean(axis=0) == pytest.approx(np.zeros(2), abs=1e-12)
    assert plane.points(rows + 3 * plane.axes[0]) == pytest.approx(plane.points(rows) + np.array([3.0, 0.0]))
    assert fit_pca(np.outer(np.arange(5.0), np.ones(4))).explained == pytest.approx(1)


def test_what_lies_on_no_plane_is_refused() -> None:
    with pytest.raises(InputError, match="vectors of 5 dimensions cannot be placed on a plane in 12"):
        fit_pca(islands(30)).points(np.ones((4, 5)))
    with pytest.raises(InputError, match="span no plane"):
        fit_pca(np.ones((30, 4)))
    with pytest.raises(InputError, match="span no plane"):
        fit_pca(islands(2))


def test_others_are_placed_among_the_base_s_islands_and_the_base_keeps_its_points() -> None:
    base, other = islands(60), islands(40, seed=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        placed = umap_on(base, {"base": base, "other": other}, seed=3)
        again = umap_on(base, {"other": other}, seed=3)
    assert np.array_equal(placed["base"], umap(base, seed=3))
    assert np.array_equal(placed["other"], again["other"])
    near = nearest(np.concatenate([placed["base"], placed["other"]]), 5)[60:]
    assert np.where(near < 60, near % 4, (near - 60) % 4) == pytest.approx(np.tile(np.arange(40)[:, None] % 4, (1, 5)))


def test_a_model_of_another_dimension_or_with_no_number_has_no_place() -> None:
    with pytest.raises(InputError, match="tuned has vectors of 8 dimensions, the base of 12"):
        umap_on(islands(60), {"tuned": islands(60, width=8)}, seed=0)
    with pytest.raises(InputError, match="not finite"):
        umap_on(islands(60), {"tuned": np.full((3, 12), np.nan)}, seed=0)
