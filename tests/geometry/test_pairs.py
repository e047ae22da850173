from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import hyp0f1

from strop.geometry import pairs
from strop.geometry.pairs import Floats, alignment, uniformity, unit
from strop.records.errors import InputError


def gaussian(rows: int, dimensions: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, dimensions))


def rotation(dimensions: int) -> Floats:
    return np.linalg.qr(gaussian(dimensions, dimensions, seed=9))[0]


def test_alignment_worked_by_hand() -> None:
    queries = np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0], [1.0, 1.0]])
    positives = np.array([[5.0, 0.0], [1.0, 0.0], [-4.0, 0.0], [0.0, 1.0]])
    assert alignment(queries, positives) == pytest.approx((0 + 2 + 4 + (2 - math.sqrt(2))) / 4)


def test_pairs_that_coincide_align_at_zero_and_opposite_ones_at_four() -> None:
    rows = gaussian(20, 7)
    assert alignment(rows, 3 * rows) == pytest.approx(0, abs=1e-12)
    assert alignment(rows, -rows) == pytest.approx(4)
    assert alignment(gaussian(4000, 64, 1), gaussian(4000, 64, 2)) == pytest.approx(2, abs=0.02)


def test_uniformity_is_the_log_of_a_mean_over_pairs() -> None:
    rows = unit(gaussian(12, 5))
    pairs = [math.exp(-2 * float(np.sum((a - b) ** 2))) for i, a in enumerate(rows) for b in rows[:i]]
    assert uniformity(7 * rows) == pytest.approx(math.log(sum(pairs) / len(pairs)))


def test_uniformity_has_its_ends() -> None:
    assert uniformity(np.ones((30, 6))) == 0
    assert uniformity(np.array([[1.0, 0.0], [-2.0, 0.0]])) == pytest.approx(-8)


def test_an_isotropic_gaussian_is_as_uniform_as_the_sphere() -> None:
    """On the sphere d^2 = 2 - 2c, and the mean of exp(4c) over directions is 0F1(; D/2; 4)."""
    for dimensions in (8, 64):
        expected = -4 + math.log(hyp0f1(dimensions / 2, 4))
        assert uniformity(gaussian(2000, dimensions)) == pytest.approx(expected, abs=0.02)


def test_copies_of_every_point_make_a_set_less_uniform() -> None:
    rows = gaussian(200, 16)
    assert uniformity(np.concatenate([rows, rows])) > uniformity(rows)


def test_pairs_are_counted_once_however_many_rows_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = gaussian(50, 4)
    whole = uniformity(rows)
    monkeypatch.setattr(pairs, "_BLOCK", 7)
    assert uniformity(rows) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("number", [uniformity, lambda v: alignment(v[:40], v[40:])])
def test_every_number_is_invariant_to_rotation_and_knows_no_scale(number: Callable[[Floats], float]) -> None:
    rows = gaussian(80, 10) * np.arange(1, 11)
    expected = number(rows)
    assert number(rows @ rotation(10)) == pytest.approx(expected)
    assert number(rows * 3.7) == pytest.approx(expected)
    assert number((rows @ rotation(10)).astype(np.float32)) == pytest.approx(expected, abs=1e-4)


def test_what_has_no_direction_no_partner_or_no_company_is_refused() -> None:
    with pytest.raises(InputError, match="vector 1 is zero"):
        unit(np.array([[1.0, 0.0], [0.0, 0.0]]))
    with pytest.raises(InputError, match="do not form pairs"):
        alignment(gaussian(3, 2), gaussian(4, 2))
    with pytest.raises(InputError, match="two vectors"):
        uniformity(gaussian(1, 2))
