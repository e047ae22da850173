"""The other parts of the study: labels that teach nothing, and what a race asks for."""

from __future__ import annotations

from pathlib import Path

import pytest
from learnable_collection import learnable_collection

from strop.artifacts.progress import silent
from strop.artifacts.store import Store
from strop.collection.generated import generated
from strop.records.errors import InputError
from strop.studies.never_worse.null_tunings import shuffled
from strop.studies.never_worse.parts import PARTS
from strop.tuning import domain


def test_shuffled_labels_answer_another_query_and_leave_the_test_as_it_is(tmp_path: Path) -> None:
    folder = learnable_collection(tmp_path / "own")
    own = domain.read(str(folder), tmp_path, 1, 120, lambda documents: generated(documents, 1, 100))
    mixed = shuffled(own, 3, dev_too=True)
    assert sorted(g.positives for g in mixed.examples.groups) == sorted(g.positives for g in own.examples.groups)
    assert not any(a.positives == b.positives for a, b in zip(own.examples.groups, mixed.examples.groups, strict=True))
    assert not any(own.dev.qrels[q] == judged for q, judged in mixed.dev.qrels.items())
    assert mixed.test is own.test
    assert shuffled(own, 3, dev_too=False).dev is own.dev
    assert shuffled(own, 4, True).dev.fingerprint != mixed.dev.fingerprint


def test_a_race_needs_two_collections_and_the_null_tunings_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="guard each other"):
        PARTS["race"](Store(tmp_path), silent, ["docstrings"])
    with pytest.raises(InputError, match="a collection of their own"):
        PARTS["nulls"](Store(tmp_path), silent, ["docstrings"])
