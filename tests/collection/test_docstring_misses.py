from __future__ import annotations

from collections import Counter

import pytest
from scipy.stats import binomtest

from strop.collection.docstrings.misses import ceiling, misses
from strop.records.documents import Collection


def test_one_hundred_misses_of_the_test_split_are_labelled(collections: dict[str, Collection]) -> None:
    read = misses()
    assert len({miss["query_id"] for miss in read}) == 100
    assert Counter(miss["label"] for miss in read) == {"identifiable": 77, "ambiguous": 14, "uninformative": 9}
    assert all(miss["reason"] for miss in read)
    if not collections["test"].warnings:  # with other versions the queries differ
        assert {miss["query_id"] for miss in read} <= set(collections["test"].queries)


def test_the_ceiling_adds_the_identifiable_misses_to_what_is_found() -> None:
    found = ceiling()
    assert found.identifiable == 0.77
    oracle = binomtest(77, 100).proportion_ci(method="wilson")
    assert found.identifiable_interval == pytest.approx((oracle.low, oracle.high), abs=1e-6)
    assert found.ceiling == pytest.approx((655 + 298 * 0.77) / 953)
    assert found.ceiling_interval == pytest.approx((0.89946, 0.95046), abs=1e-5)
