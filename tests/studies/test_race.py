"""The race on a tiny model: its cells, what is not made twice, and its table."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from learnable_collection import learnable_collection
from tiny_models import build

from strop.artifacts.progress import silent
from strop.artifacts.store import Store
from strop.records.errors import InputError
from strop.records.results import write_json
from strop.studies.never_worse import race
from strop.studies.never_worse.runners import RUNNERS, Made
from strop.tuning import candidates, selection
from strop.tuning.plan import Round
from strop.tuning.tune import Tuning

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:.*too small for a margin"),
]
LORA = "in-batch-lora (Lee et al.)"


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A collection to tune on and one to guard, runners that take seconds, and one seed."""
    build(tmp_path / "base")
    learnable_collection(tmp_path / "own")
    learnable_collection(tmp_path / "guard", seed=4, splits={"test": 240})
    monkeypatch.setattr(candidates, "RATE", 1e-3)
    monkeypatch.setattr(selection, "LEAST_OVERLAP", 0.0)
    monkeypatch.setattr(race, "BASE", str(tmp_path / "base/model"))
    monkeypatch.setattr(race, "PAIRS", 64)
    monkeypatch.setattr(race, "ROUNDS", (Round(1, 64),))
    monkeypatch.setattr(race, "SEEDS", (1,))

    def lazy(tuning: Tuning, pairs: int) -> Made:
        return Made(tuning.base, 0, 0.0)

    monkeypatch.setattr(race, "RUNNERS", {LORA: RUNNERS[LORA], "nobody": lazy})
    return [str(tmp_path / "own"), str(tmp_path / "guard")]


def test_every_runner_has_a_cell_and_a_later_race_makes_none_again(
    names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = race.race(Store(tmp_path / "store"), silent, names)
    ((title, table),) = outcome.tables.items()
    assert "own" in title
    assert [row[0] for row in table[1:]] == [race.TUNE, LORA, "nobody"]
    nobody = table[3]
    assert nobody[2:4] == ["1 HOLD", "0.000 [0.000, 0.000]"]
    assert nobody[6] == "guard"
    shutil.copytree(outcome.folder, tmp_path / "earlier")
    monkeypatch.setattr(race, "_rival", None)  # nothing may ask for it
    monkeypatch.setattr(race, "_tuned", None)
    again = race.race(Store(tmp_path / "other"), silent, [*names, str(tmp_path / "earlier")])
    assert again.tables == outcome.tables
    for stale in (tmp_path / "earlier").rglob("*.json"):
        stale.write_text("{}")
    assert race.race(Store(tmp_path / "other"), silent, [*names, str(tmp_path / "earlier")]).tables == outcome.tables


def test_a_query_that_only_some_seeds_have_counts_once_and_whole(tmp_path: Path) -> None:
    for seed, queries in ((1, "ab"), (2, "bc")):
        place = tmp_path / "own" / str(seed)
        place.mkdir(parents=True)
        write_json({"guard": dict.fromkeys(queries, 0.5)}, place / "base.values.json")
        write_json({"guard": dict.fromkeys(queries, 0.5 + seed / 10)}, place / "nobody.values.json")
    cells = [race.Cell("", "own", "nobody", seed, 0, 0.0, None, "HOLD", (), ()) for seed in (1, 2)]
    found = race.averaged(cells, tmp_path, "guard")
    assert (found.queries, found.base) == (3, pytest.approx(0.5))
    assert found.difference == pytest.approx((0.1 + 0.15 + 0.2) / 3)


def test_a_race_needs_a_collection_with_training_queries(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="training queries"):
        race.race(Store(tmp_path / "store"), silent, [names[1], names[1]])
