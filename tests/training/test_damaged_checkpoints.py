"""A training that is killed and whose folder is damaged: one line that names the file, and the same bits in the end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import RECIPE, dense, toy_groups, toy_texts
from torch import Tensor

from strop.monitoring.selection import Best
from strop.records.errors import InputError, InputWarning
from strop.training import checkpoint, loop

#: Three of five updates done, weights kept after one, the best so far of a look after two.
DONE, KEPT = 3, (1, 4)
CHOOSING = replace(RECIPE, updates=5, selection=Best("scripted", share=0.4))


class KilledError(BaseException):
    """Stands for SIGKILL."""


@dataclass(frozen=True)
class Scripted:
    """The first look is the best; -1 at the start."""

    every: int = 2

    def __call__(self, step: int, encoder: Any) -> Mapping[str, float]:
        return {"scripted": -1.0 if step == 0 else 1.0 / step}


def trained(folder: Path, killed_after: int = 99) -> tuple[dict[str, Tensor], list[tuple[Any, ...]]]:
    """The weights, and the log without what depends on the clock."""
    left = killed_after

    def progress(updates: int) -> None:
        nonlocal left
        left -= updates
        if left <= 0:
            raise KilledError

    model = dense()
    log = loop.train(
        model, CHOOSING, toy_groups(), *toy_texts(model), 3, folder, [Scripted()], progress,
        checkpoint_seconds=0, snapshots=KEPT,
    )  # fmt: skip
    weights = {name: p.detach().clone() for name, p in model.module.named_parameters()}
    return weights, [tuple(entry) for entry in log if entry.measure != "tokens_per_second"]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], list[tuple[Any, ...]]]:
    return trained(tmp_path_factory.mktemp("calm"))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    with pytest.raises(KilledError):
        trained(folder, DONE)
    return folder


def truncated(share: float) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def flipped(share: float) -> Callable[[Path], Any]:
    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[round(share * (len(content) - 1))] ^= 4
        path.write_bytes(bytes(content))

    return flip


def replaced(key: str, value: Any) -> Callable[[Path], Any]:
    """Valid JSON with another value: only the digest can tell."""
    return lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "missing": Path.unlink,
    "empty": truncated(0),
    "header cut": truncated(0.001),
    "half": truncated(0.5),
    "last byte": truncated(0.9999),
    "bytes": lambda path: path.write_bytes(b"\x00\xff\x1b[31m" * 99),
    "another format": lambda path: path.write_text("[1, 2]"),
    "first bit": flipped(0),
    "a bit in the middle": flipped(0.5),
    "a bit late": flipped(0.97),
    "last bit": flipped(1),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"more"),
}
FILES = ("step-3/tensors.safetensors", "step-3/state.json", "best.safetensors", "snapshots/1.safetensors")
CASES = [(file, name) for file in FILES for name in DAMAGES if file in FILES[:2] or name in ("missing", "a bit late")]
JSON_ONLY = {"another step": replaced("step", 7), "another log": replaced("log", []), "deep": None, "no digest": None}


def check_it_starts_anew(
    folder: Path, file: str, calm: tuple[dict[str, Tensor], list[tuple[Any, ...]]], goes_on: str = "from the start"
) -> None:
    with pytest.warns(InputWarning) as told:
        weights, log = trained(folder)
    (line,) = [str(warning.message) for warning in told]
    assert str(folder / file) in line
    assert goes_on in line
    assert line.isprintable()
    assert all(torch.equal(weights[name], calm[0][name]) for name in calm[0])
    assert log == calm[1]


@pytest.mark.parametrize(("file", "damage"), CASES)
def test_a_damaged_file_of_a_killed_training_is_one_line_and_the_weights_are_the_same(
    file: str, damage: str, killed: Path, calm: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "run.partial"
    shutil.copytree(killed, folder)
    DAMAGES[damage](folder / file)
    check_it_starts_anew(folder, file, calm)


@pytest.mark.parametrize("damage", JSON_ONLY)
def test_a_state_that_is_json_and_not_what_was_written_is_told_too(
    damage: str, killed: Path, calm: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "run.partial"
    shutil.copytree(killed, folder)
    state = folder / FILES[1]
    if damage == "deep":
        state.write_text("[" * 100_000)
    elif damage == "no digest":
        state.write_text(json.dumps({"step": DONE, "log": [], "kept": []}))
    else:
        JSON_ONLY[damage](state)  # type: ignore[misc]
    check_it_starts_anew(folder, FILES[1], calm)


def test_it_goes_on_from_an_older_checkpoint_that_is_whole(killed: Path, calm: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run.partial"
    with pytest.raises(KilledError):
        trained(folder, DONE - 1)
    for file in ("step-3", "best.safetensors"):
        copy = shutil.copytree if (killed / file).is_dir() else shutil.copy
        copy(killed / file, folder / file)  # killed before the older one was dropped
    truncated(0.5)(folder / FILES[0])
    check_it_starts_anew(folder, FILES[0], calm, "from update 2")


def test_a_whole_one_is_gone_on_from_without_a_word_and_foreign_files_are_left(
    killed: Path, calm: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "run.partial"
    shutil.copytree(killed, folder)
    for name in ("step-", "step-x", "step-9.txt"):
        (folder / name).write_text("the user's own")
    weights, log = trained(folder)
    assert all(torch.equal(weights[name], calm[0][name]) for name in calm[0])
    assert log == calm[1]
    assert {"step-", "step-x", "step-9.txt"} <= {path.name for path in folder.iterdir()}


def test_a_training_that_continues_another_takes_it_over_anew_where_its_own_checkpoint_is_damaged(
    killed: Path, tmp_path: Path
) -> None:
    own = tmp_path / "next"
    own.mkdir()
    checkpoint.take_over(killed, own)
    shutil.copytree(own / "step-3", own / "step-4")
    with pytest.warns(InputWarning, match="step-4.*from update 3"):
        checkpoint.take_over(killed, own)
    for file in FILES:
        flipped(0.5)(own / file)
        with pytest.warns(InputWarning, match="damaged"):
            checkpoint.take_over(killed, own)
        taken = dense()
        optimizer = RECIPE.optimizer.build(taken.module.named_parameters())
        state = checkpoint.restore(own, taken.module, optimizer)
        assert state is not None
        assert state["step"] == DONE


def test_weights_kept_on_the_way_that_are_damaged_afterwards_are_one_line(tmp_path: Path) -> None:
    model = dense()
    checkpoint.save_weights(tmp_path / "5.safetensors", model.module)
    checkpoint.restore_weights(tmp_path / "5.safetensors", model.module)
    flipped(0.9)(tmp_path / "5.safetensors")
    with pytest.raises(InputError, match=r"5\.safetensors: damaged \(.*\)\. Run the same command again"):
        checkpoint.restore_weights(tmp_path / "5.safetensors", model.module)


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, names, rename = checkpoint.sync, checkpoint.sync_names, checkpoint.os.rename
    monkeypatch.setattr(checkpoint, "sync", lambda path: (done.append(path.name), sync(path)))
    monkeypatch.setattr(checkpoint, "sync_names", lambda path: (done.append(path.name), names(path)))
    monkeypatch.setattr(checkpoint.os, "rename", lambda *paths: (done.append("rename"), rename(*paths)))
    model = dense()
    checkpoint.save(tmp_path, 3, model.module, RECIPE.optimizer.build(model.module.named_parameters()), {"log": []})
    assert done == ["tensors.safetensors", "state.json", "checkpoint.partial", "rename", tmp_path.name]
