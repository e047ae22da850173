from __future__ import annotations

from functools import partial

import pytest

from strop.monitoring.selection import BestDev, Both, Choice, WithinDrift, last, lowest_loss, oracle_step
from strop.records.errors import InputError

STEPS = (0, 10, 20, 30, 40)
OVERLAP = "geometry/overlap@10/document"
SERIES = {
    "train/loss": [(s, 5.0 - s / 10) for s in range(20)] + [(20, 0.0)] + [(s, 3.0 + s / 100) for s in range(21, 40)],
    "dev/RR@10": [(0, 0.9), (10, 0.5), (15, 0.99), (20, 0.7), (30, 0.8), (40, 0.8)],
    OVERLAP: [(0, 1.0), (10, 0.8), (20, 0.6), (30, 0.4), (40, 0.7)],
    "geometry/shift/document": [(0, 0.0), (10, 0.2), (20, 0.5), (30, 0.4), (40, 0.1)],
    "geometry/effective_rank/document": [(0, 30.0), (10, 33.0), (20, 24.0), (30, 20.0), (40, 31.0)],
}


@pytest.mark.parametrize(
    ("rule", "step"),
    [
        (last, 40),
        (partial(lowest_loss, updates=2), 20),  # one lucky batch
        (partial(lowest_loss, updates=5), 20),
        (partial(lowest_loss, updates=20), 30),  # updates 11 to 30, the lucky one among them, beat 1 to 20 and 21 to 40
        (BestDev(), 30),  # not 15, which is no checkpoint; not 40, an equal that comes later; not the base
        (BestDev(base=True), 0),
        (BestDev(good="lower"), 10),
        (BestDev("geometry/shift/document", "lower"), 40),
        (BestDev("geometry/shift/document", "lower", base=True), 0),
        (BestDev("geometry/effective_rank/document", "higher"), 10),
        (WithinDrift(OVERLAP, 0.45), 20),  # 40 is near again, but 30 had gone too far
        (WithinDrift(OVERLAP, 0.65), 40),
        (WithinDrift(OVERLAP, 0.1), 10),  # all are beyond: the first
        (WithinDrift(OVERLAP, 0.1, base=True), 0),
        (WithinDrift("geometry/effective_rank/document", 4.0), 10),  # a rise counts as drift, too
        (WithinDrift("geometry/effective_rank/document", 7.0), 20),
        (Both(BestDev(), WithinDrift(OVERLAP, 0.45)), 20),
        (Both(BestDev(), WithinDrift(OVERLAP, 0.45, base=True)), 0),
        (Both(BestDev(), WithinDrift(OVERLAP, 0.7)), 30),
    ],
    ids=lambda given: str(given).partition(" at 0x")[0],
)
def test_a_rule_chooses_among_checkpoints_alone(rule: Choice, step: int) -> None:
    assert rule(SERIES, STEPS) == step
    assert rule(SERIES, tuple(reversed(STEPS))) == step
    assert hash(rule) == hash(rule)


def test_a_rule_says_which_measure_is_missing_where() -> None:
    with pytest.raises(
        InputError, match=r"dev/R@100 was not measured at updates \[10, 20, 30, 40\].*choose by one of dev"
    ):
        BestDev("dev/R@100")(SERIES, STEPS)
    with pytest.raises(InputError, match=r"at updates \[25\]"):
        Both(BestDev(), WithinDrift("geometry/shift/document"))(SERIES, (10, 25))
    with pytest.raises(InputError, match="no loss was logged"):
        lowest_loss(SERIES, (10, 60), updates=5)
    with pytest.raises(InputError, match=r"dev/RR@10 was not measured at updates \[20\]"):
        BestDev()({"dev/RR@10": [(10, 0.5), (20, float("nan"))]}, (10, 20))


def test_the_base_alone_is_no_checkpoint_unless_the_rule_says_so() -> None:
    for rule in (last, BestDev(), WithinDrift(), lowest_loss):
        with pytest.raises(InputError, match="no checkpoint to choose"):
            rule(SERIES, (0,))
    assert BestDev(base=True)(SERIES, (0,)) == 0


def test_the_oracle_sees_test_values_and_takes_the_first_of_equals() -> None:
    values = {0: 0.5, 10: 0.1, 20: 0.3, 30: 0.3}
    assert oracle_step(values) == 20
    assert oracle_step(values, base=True) == 0
