"""The exhibit of pictures: UMAP under several fits and seeds, with the numbers of each picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from islands import islands

from strop.geometry.pairs import Floats, unit
from strop.records.errors import InputError
from strop.records.exhibits.projection import Projection
from strop.studies.when_finetuning_fails import pictures


def first_two(rows: Floats, seed: int) -> Floats:
    """In UMAP's place where its seconds would buy nothing: two coordinates, and a little noise for the seed."""
    return rows[:, :2] + 0.02 * np.random.default_rng(seed).normal(size=(len(rows), 2))


@pytest.fixture
def exhibited(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Projection]:
    def all_of(models: Mapping[str, Floats], seed: int) -> dict[str, Floats]:
        return {name: first_two(rows, seed) for name, rows in models.items()}

    monkeypatch.setattr(pictures, "umap", first_two)
    monkeypatch.setattr(pictures, "joint_umap", all_of)
    return pictures.exhibit


@pytest.fixture
def exhibit(exhibited: Callable[..., Projection]) -> Projection:
    """A base of unit length; a copy of it, longer; and a model that has nothing to do with it."""
    base = unit(islands(240, count=24))
    models = {"base": base, "longer": base * 3, "other": np.random.default_rng(8).normal(size=base.shape)}
    return exhibited({n: (v[:120], v[120:]) for n, v in models.items()}, seeds=(42, 43), baseline="base")


def test_an_exhibit_holds_every_picture_once_and_the_points_of_those_to_draw(exhibit: Projection) -> None:
    keys = [(p.fit, p.normalised, p.seed, p.system) for p in exhibit.panels]
    assert len(set(keys)) == len(keys) == 3 * 2 * 3
    with_points = {(p.fit, p.normalised, p.seed) for p in exhibit.panels if p.points}
    assert with_points == {("separate", False, 42), ("separate", False, 43), ("joint", True, 42)}
    assert {len(p.points) for p in exhibit.panels if p.points} == {240}
    assert all(0 <= n <= 1 for p in exhibit.panels for n in (p.trustworthiness, p.clumping))


def test_lengths_alone_change_no_number_of_unit_vectors(exhibit: Projection) -> None:
    base, longer, _ = exhibit.table
    assert (base.system, longer.system) == ("base", "longer")
    assert (base.length, longer.length) == ((1, 0), (3, 0))
    assert replace(longer, system=base.system, length=base.length) == base


def test_another_seed_keeps_more_neighbours_than_another_model(exhibit: Projection) -> None:
    by_system = {row.system: row for row in exhibit.overlaps if (row.fit, row.normalised) == pictures.PAPER}
    assert by_system["base"].seed_overlap == by_system["base"].model_overlap
    assert by_system["other"].model_overlap < 0.15 < by_system["base"].seed_overlap


def test_at_most_two_hundred_pairs_keep_their_points(exhibited: Callable[..., Projection]) -> None:
    rows = np.random.default_rng(1).normal(size=(900, 4))
    exhibit = exhibited({"base": (rows[:450], rows[450:])}, seeds=(0, 1), baseline="base")
    points = exhibit.panels[0].points
    assert points
    assert len(points) == 400
    fitted = first_two(rows, 0).round(3)
    assert points[0] == tuple(fitted[0])
    assert points[199] == tuple(fitted[449])
    assert points[200] == tuple(fitted[450])
    assert points[399] == tuple(fitted[899])


def test_one_seed_no_baseline_or_unlike_texts_leave_nothing_to_compare() -> None:
    rows = islands(20)
    with pytest.raises(InputError, match="nothing to compare"):
        pictures.exhibit({"base": (rows, rows)}, seeds=(42,), baseline="base")
    with pytest.raises(InputError, match="nothing to compare"):
        pictures.exhibit({"base": (rows, rows)}, seeds=(42, 43), baseline="bm25")
    with pytest.raises(InputError, match="different texts"):
        pictures.exhibit({"base": (rows, rows), "tuned": (rows[:9], rows[:9])}, seeds=(42, 43), baseline="base")
