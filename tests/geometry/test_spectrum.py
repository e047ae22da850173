from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from strop.geometry.pairs import Floats
from strop.geometry.spectrum import effective_rank, eigenvalues, isoscore, spectrum_decay
from strop.records.errors import InputError


def gaussian(rows: int, dimensions: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, dimensions))


def rotation(dimensions: int) -> Floats:
    return np.linalg.qr(gaussian(dimensions, dimensions, seed=9))[0]


def of_variances(variances: list[float], rows: int = 60) -> Floats:
    """Rows with a mean, whose covariance has exactly these eigenvalues, turned."""
    flat = gaussian(rows, len(variances))
    flat -= flat.mean(axis=0)
    white = np.linalg.svd(flat, full_matrices=False)[0]
    return white * np.sqrt(variances) @ rotation(len(variances)) + 3.0


def steps_of_the_paper(vectors: Floats) -> float:
    """The seven steps one by one: principal axes, variances, scaled to length sqrt n, defect, share of dimensions."""
    n = vectors.shape[1]
    moved = vectors - vectors.mean(axis=0)
    turned = moved @ np.linalg.eigh(np.cov(moved.T))[1]
    diagonal = np.diag(np.cov(turned.T))
    scaled = math.sqrt(n) * diagonal / np.linalg.norm(diagonal)
    defect = np.linalg.norm(scaled - np.ones(n)) / math.sqrt(2 * (n - math.sqrt(n)))
    used = (n - defect**2 * (n - math.sqrt(n))) ** 2 / n**2
    return float((n * used - 1) / (n - 1))


def test_effective_rank_worked_by_hand() -> None:
    shares = np.array([6.0, 3.0, 1.0]) / 10
    assert effective_rank(np.diag([6.0, 3.0, 1.0])) == pytest.approx(math.exp(-(shares * np.log(shares)).sum()))


def test_effective_rank_counts_the_directions_in_use() -> None:
    line = np.outer(gaussian(50, 1)[:, 0], gaussian(1, 9)[0])
    assert effective_rank(line) == pytest.approx(1, abs=1e-6)
    assert effective_rank(np.eye(6).repeat(4, axis=0)) == pytest.approx(6)
    plane = gaussian(20000, 3) @ rotation(12)[:3]
    assert effective_rank(plane) == pytest.approx(3, abs=0.01)
    assert effective_rank(gaussian(20000, 12)) == pytest.approx(12, abs=0.02)
    assert effective_rank(gaussian(5, 40)) <= 5


def test_eigenvalues_are_squared_singular_values_and_rounding_is_none() -> None:
    for rows in (gaussian(30, 8), gaussian(8, 30)):
        assert eigenvalues(rows) == pytest.approx(np.linalg.svd(rows, compute_uv=False) ** 2)
    assert (eigenvalues(gaussian(50, 3) @ gaussian(3, 20)) > 0).sum() == 3


def test_copies_leave_the_effective_rank_and_the_isoscore() -> None:
    rows = gaussian(200, 16)
    twice = np.concatenate([rows, rows])
    assert effective_rank(twice) == pytest.approx(effective_rank(rows))
    assert isoscore(twice) == pytest.approx(isoscore(rows))


@pytest.mark.parametrize("rows", [gaussian(40, 9), gaussian(40, 9) * np.arange(1, 10) + 5, gaussian(9, 40)])
def test_isoscore_is_what_the_seven_steps_of_its_paper_give(rows: Floats) -> None:
    assert isoscore(rows) == pytest.approx(steps_of_the_paper(rows))


@pytest.mark.parametrize("used", [1, 2, 5, 9])
def test_isoscore_is_the_share_of_dimensions_that_are_used_alike(used: int) -> None:
    assert isoscore(of_variances([1.0] * used + [0.0] * (9 - used))) == pytest.approx((used - 1) / 8, abs=1e-9)


def test_isoscore_ignores_the_mean_and_the_scale_and_is_one_for_much_isotropic_noise() -> None:
    rows = gaussian(20000, 10)
    assert isoscore(rows) == pytest.approx(1, abs=0.01)
    assert isoscore(1e-5 * rows + 1000) == pytest.approx(isoscore(rows), abs=1e-6)
    assert isoscore(gaussian(1000, 400)) == pytest.approx(1000 / 1400, abs=0.01)
    assert isoscore(np.ones((30, 4))) == 0


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.5])
def test_a_power_law_of_eigenvalues_gives_back_its_exponent(exponent: float) -> None:
    variances = [float(i) ** -exponent for i in range(1, 41)]
    assert spectrum_decay(of_variances(variances)) == pytest.approx(exponent, abs=1e-6)


def test_only_ranks_ten_to_a_hundred_are_fitted_where_there_are_enough() -> None:
    variances = [float(i) ** -1.0 for i in range(1, 251)]
    variances[:9] = [50.0] * 9
    variances[100:] = [1e-4] * 150
    assert spectrum_decay(of_variances(variances, rows=260)) == pytest.approx(1, abs=1e-6)


def test_a_spectrum_that_ends_decays_as_fast_as_can_be_told() -> None:
    assert spectrum_decay(np.outer(np.arange(1.0, 50), np.ones(12))) == 10
    assert spectrum_decay(np.ones((40, 12))) == 10
    assert spectrum_decay(gaussian(2, 2)) == 10


def test_what_has_no_rank_or_no_second_dimension_is_refused() -> None:
    with pytest.raises(InputError, match="no rank"):
        effective_rank(np.zeros((3, 2)))
    with pytest.raises(InputError, match="one dimension"):
        isoscore(gaussian(9, 1))


@pytest.mark.parametrize("number", [effective_rank, isoscore, spectrum_decay])
def test_rotation_and_scale_change_nothing(number: Callable[[Floats], float]) -> None:
    rows = gaussian(80, 10) * np.arange(1, 11)
    assert number(3.7 * rows @ rotation(10)) == pytest.approx(number(rows))
    assert number((rows @ rotation(10)).astype(np.float32)) == pytest.approx(number(rows), abs=1e-4)
