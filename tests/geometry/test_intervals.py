from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from strop.geometry.catalogue import ABSOLUTE, RELATIVE
from strop.geometry.intervals import interval
from strop.geometry.pairs import Floats, uniformity, unit
from strop.geometry.sample import Diagnostic, Sample
from strop.records.errors import InputError

BY_NAME = {one.name: one for one in (*ABSOLUTE, *RELATIVE)}


def drawn(seed: int, count: int = 40, pool: int = 120, width: int = 6, centre: float = 0.5) -> Sample:
    rng = np.random.default_rng(seed)
    queries, documents = rng.normal(size=(count, width)), rng.normal(size=(pool, width))
    return Sample.of(queries + centre, documents + centre, np.arange(count))


def mean_of(name: str, of: int) -> Diagnostic:
    """A plain mean over the documents, or over the queries: what its variance should be is known."""

    def value(sample: Sample) -> float:
        return float((sample.queries, sample.documents)[of][:, 0].mean())

    return Diagnostic(name, "the mean first coordinate", -1.0, 1.0, "neither", "ours", absolute=value)


def test_the_interval_of_a_mean_is_the_textbook_s() -> None:
    """Var over halves of n drawn without replacement is s^2 / n: that of the mean of all n."""
    one = drawn(0, count=60, pool=400)
    rows = one.queries[:, 0]
    value, low, high = interval(mean_of("of queries", 0), one, replicates=1200)
    assert value == pytest.approx(rows.mean())
    assert (high - low) / 2 == pytest.approx(1.96 * rows.std(ddof=1) / np.sqrt(60), rel=0.08)


def test_an_interval_of_mean_cosine_holds_the_truth_nineteen_times_of_twenty() -> None:
    """E cos(x, y) of independent x and y is the squared length of the mean direction."""
    rng = np.random.default_rng(99)
    truth = float(np.square(unit(rng.normal(size=(400_000, 6)) + 0.5).mean(axis=0)).sum())
    held = 0
    for seed in range(100):
        _, low, high = interval(BY_NAME["mean_cosine/document"], drawn(seed), replicates=30, seed=seed)
        held += low <= truth <= high
    assert 0.88 <= held / 100 <= 0.99


def test_drawing_with_replacement_would_take_its_own_copies_for_collapse() -> None:
    rows: Floats = unit(np.random.default_rng(0).normal(size=(200, 64)))
    rng = np.random.default_rng(1)
    value = uniformity(rows)
    copied = [uniformity(rows[rng.integers(0, 200, size=200)]) for _ in range(50)]
    halves = [uniformity(rows[rng.permutation(200)[:100]]) for _ in range(50)]
    assert min(copied) > value + 0.05
    assert np.mean(halves) == pytest.approx(value, abs=0.005)


def test_a_model_and_its_base_are_seen_through_the_same_half() -> None:
    one = drawn(0)
    for name, unmoved in (("shift/document", 0.0), ("overlap@10/document", 1.0), ("rank_displacement", 0.0)):
        assert interval(BY_NAME[name], one, one, replicates=10) == pytest.approx((unmoved, unmoved, unmoved), abs=1e-12)
    value, low, high = interval(BY_NAME["shift/document"], drawn(1), one, replicates=30)
    assert low < value < high


def test_a_seed_fixes_an_interval_and_it_stays_within_the_range() -> None:
    one = drawn(3, count=6, pool=14)
    auc = BY_NAME["auc"]
    assert interval(auc, one, replicates=20, seed=1) == interval(auc, one, replicates=20, seed=1)
    assert interval(auc, one, replicates=20, seed=1) != interval(auc, one, replicates=20, seed=2)
    perfect = replace(one, scores=np.where(np.arange(14) == one.positives[:, None], 1.0, one.scores / 1e3))
    wide = replace(auc, absolute=lambda sample: 1.0 - 0.1 * float(sample.queries[0, 0] > 0))
    assert interval(wide, perfect, replicates=40)[2] <= 1.0


def test_other_texts_or_too_few_have_no_interval() -> None:
    one = drawn(0)
    with pytest.raises(InputError, match="not of the same texts"):
        interval(BY_NAME["cka/document"], one, replace(one, positives=one.positives[::-1].copy()))
    with pytest.raises(InputError, match="too few for halves"):
        interval(BY_NAME["auc"], drawn(0, count=3))
    with pytest.raises(InputError, match="too few for halves"):
        interval(BY_NAME["auc"], one, replicates=1)
