"""The last check at load: it sees a difference from the library, and leaves no trace in the model."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import build

from strop.models import agreement, loading
from strop.models.dense import Dense
from strop.models.scoring import Representation
from strop.records.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_model_that_is_computed_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path)
    searchable = Dense.searchable

    def off(self: Dense, representation: Representation) -> Representation:
        return Representation(searchable(self, representation).vectors.roll(1, dims=1) * 1.01)

    monkeypatch.setattr(Dense, "searchable", off)
    with pytest.raises(InputError, match="would differ from sentence-transformers' own by 0"):
        loading.load(tmp_path / "model")


def test_a_checked_model_is_saved_as_an_unchecked_one_and_stays_in_its_modes(tmp_path: Path) -> None:
    build(tmp_path)
    encoder = Dense.load(tmp_path / "model")
    modes = [module.training for module in encoder.module.modules()]
    encoder.save(tmp_path / "before")
    agreement.check(encoder, "here")
    encoder.save(tmp_path / "after")
    assert [module.training for module in encoder.module.modules()] == modes
    for path in sorted((tmp_path / "before").rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "after" / path.relative_to(tmp_path / "before")).read_bytes(), path
