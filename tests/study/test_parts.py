from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from strop.artifacts.progress import Progress
from strop.artifacts.store import Store
from strop.commands.study import study_run_command
from strop.records.errors import InputError
from strop.study.definition import find, studies
from strop.study.parts import Outcome, part, parts


def test_a_study_that_runs_by_parts_is_no_study_to_be_run_as_a_whole() -> None:
    assert "never_worse" not in studies()
    assert "gate" in parts("never_worse")
    with pytest.raises(InputError, match=r"runs by parts only: .*gate.* Type: strop study run never_worse --part gate"):
        find("never_worse")


def test_a_part_is_found_by_study_and_name() -> None:
    assert part("never_worse", "gate") is parts("never_worse")["gate"]
    with pytest.raises(InputError, match=r"no part 'doors'. Choose gate"):
        part("never_worse", "doors")
    for study in ("lion_vs_adamw", "nothing", "../never_worse"):
        with pytest.raises(InputError, match="has no parts"):
            part(study, "gate")


def test_the_command_runs_a_part_on_what_is_named_and_prints_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def counts(store: Store, progress: Progress, sources: Sequence[str]) -> Outcome:
        return Outcome(store.root / "counted", {"How many": [["source", "length"], *([s, "3"] for s in sources)]})

    monkeypatch.setenv("STROP_HOME", str(tmp_path))
    monkeypatch.setattr("strop.study.parts.parts", lambda study: {"count": counts})
    study_run_command("some", on="one", test=["two"], part="count")
    shown = capsys.readouterr().out
    assert "How many" in shown
    assert shown.index("one") < shown.index("two")
    assert str(tmp_path / "counted") in shown.replace("\n", "")
