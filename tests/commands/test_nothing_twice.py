"""In a study's grid, a tuning and a chain of commands no text is tokenized twice, and no corpus encoded twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from counted_work import Work, counted
from learnable_collection import learnable_collection
from small_collection import small_collection
from small_study import run, small_study
from tiny_models import build

import strop
from strop.artifacts.store import Store
from strop.models.architecture import Untied
from strop.models.late_interaction import Late
from strop.negatives.from_run import RankWindow
from strop.tuning.certificate import Terms
from strop.tuning.plan import Plan, Round
from strop.tuning.request import Request
from strop.tuning.tune import Tuning

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:.*too small for a margin"),
]


def assert_once(work: Work, tokenized: int, encoded: int) -> None:
    """At least so many texts and lists of texts, each once."""
    assert len(work.tokenized) >= tokenized
    assert len(work.encoded) >= encoded
    assert not work.twice


def test_in_a_study_s_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four systems, two of them trained with two seeds, then the second preset, which shares two."""
    study, store = small_study(tmp_path), Store(tmp_path / "store")
    with counted(monkeypatch) as work:
        run(study, store, "all")
        assert_once(work, 90, 12)
        run(study, store, "untuned")
    assert_once(work, 90, 12)


def test_in_a_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two candidates, a race, looks at both ends, and a certificate with a guard."""
    build(tmp_path / "base")
    learnable_collection(tmp_path / "own")
    learnable_collection(tmp_path / "guard", seed=4, splits={"test": 240})
    names = str(tmp_path / "own"), str(tmp_path / "base/model"), (str(tmp_path / "guard"),)
    rounds = Round(2, 320), Round(1, 640)
    plan = Plan("float32", 1.0, 1.0, 14.0, 14.0, 14.0, 1.0, 1.0, 1.0, rounds, (0.5, 1.0), (1.0,))
    with counted(monkeypatch) as work:
        Tuning.of(Request(*names, terms=Terms(margin=0.1)), Store(tmp_path / "store"), lambda line: None)(plan)
    assert_once(work, 900, 20)


@pytest.mark.parametrize("architecture", [None, Late(query_length=12, document_length=40, markers=None), Untied()])
def test_in_a_chain_of_commands(
    architecture: Late | Untied | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two models tuned on what their base mined, all three searched with and measured."""
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    data, base = str(small_collection(tmp_path / "small")), str(build(tmp_path / "plain"))
    if architecture:
        architecture.convert(Path(base), tmp_path / "base")
        base = str(tmp_path / "base")
    recipe = "late-full" if isinstance(architecture, Late) else "in-batch-full"
    with counted(monkeypatch) as work:
        strop.mine(data, tmp_path / "mined.jsonl", base, RankWindow(2, 20))
        for seed in (1, 2):
            strop.train(
                tmp_path / "mined.jsonl", tmp_path / f"tuned{seed}", recipe, {"batching.size": "4"}, base, seed=seed
            )
        for name in (base, str(tmp_path / "tuned1"), str(tmp_path / "tuned2")):
            run = strop.search(data, tmp_path / f"{Path(name).name}.trec", name)
            strop.evaluate(run, data)
    assert_once(work, 90, 6)
