from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from strop.artifacts.keys import canonical, content_key
from strop.artifacts.store import Artifact, Stage, Store
from strop.losses import triplet
from strop.losses.contrastive import InfoNCE
from strop.models.pretrained import Pretrained
from strop.monitoring.logbook import TRAIN
from strop.negatives.examples import Examples
from strop.records.errors import InputWarning
from strop.records.seals import file_sha256
from strop.retrieval.lexical import BM25
from strop.retrieval.windows import Windows
from strop.training.recipes import IN_BATCH_LORA, RECIPES, TRIPLET_FULL
from strop.training.stage import Training

STAGE = Stage("encode", 1)


@dataclass(frozen=True)
class Adam:
    rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True)
class Lion:
    rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True)
class Recipe:
    optimizer: Any = Adam()
    steps: int = 40


def write(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "out").write_text(text) and None


def test_equal_values_and_inputs_have_equal_keys_and_any_change_has_another(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = store.key(STAGE, Recipe(), {"a": "1", "b": "2"})
    assert key == store.key(Stage("encode", 1), Recipe(Adam(rate=0.0001)), MappingProxyType({"b": "2", "a": "1"}))
    assert key == Store(tmp_path / "elsewhere").key(STAGE, Recipe(), {"a": "1", "b": "2"})
    others = [
        store.key(Stage("encode", 2), Recipe(), {"a": "1", "b": "2"}),
        store.key(Stage("search", 1), Recipe(), {"a": "1", "b": "2"}),
        store.key(STAGE, Recipe(steps=41), {"a": "1", "b": "2"}),
        store.key(STAGE, Recipe(Adam(betas=(0.9, 0.98))), {"a": "1", "b": "2"}),
        store.key(STAGE, Recipe(Lion()), {"a": "1", "b": "2"}),  # the same fields under another type
        store.key(STAGE, Recipe(), {"a": "2", "b": "1"}),
        store.key(STAGE, Recipe(), {"a": "1"}),
    ]
    assert len({key, *others}) == 1 + len(others)


def test_a_key_is_the_hash_of_the_text_it_was_always_the_hash_of() -> None:
    # Spelt out: whatever changes this text renames every artifact anybody has.
    text = (
        '[{"name": "encode", "type": "Stage", "version": 1}, '
        f'{{"optimizer": {{"betas": [0.9, 0.999], "rate": 0.0001, "type": "{__name__}.Adam"}}, "steps": 40, '
        f'"type": "{__name__}.Recipe"}}, '
        '{"x": [1, 2.5, null, true]}]'
    )
    assert content_key(STAGE, Recipe(), {"x": (1, 2.5, None, True)}) == sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Triplet:
    """A user's own: the name and the fields of strop's, another behaviour."""

    margin: float = 5.0


def test_a_user_s_own_type_never_has_the_key_of_strop_s_type_of_the_same_name_and_fields(tmp_path: Path) -> None:
    assert canonical(triplet.Triplet(2.0)) == {"type": "Triplet", "margin": 2.0}
    assert canonical(Triplet(2.0)) == {"type": f"{__name__}.Triplet", "margin": 2.0}
    own = replace(TRIPLET_FULL, loss=Triplet(5.0))
    assert Store(tmp_path).key(STAGE, own, {}) != Store(tmp_path).key(STAGE, TRIPLET_FULL, {})


#: Taken before the files of the package were sorted into rooms.
KEYS: dict[str, tuple[Callable[[], object], str]] = {
    "a recipe": (lambda: TRIPLET_FULL, "a27a9908d34bc3510db45ad1d4426502b1e22d6c26b3f383b7cf9f1c888d5f55"),
    "a recipe with LoRA": (lambda: IN_BATCH_LORA, "80febebca02ee9d7cecb7622684beb1329e47bf948e0c81979d05f96455c07ea"),
    "every recipe": (
        lambda: tuple(RECIPES.values()),
        "7df2764c794032792bf291d851e129138ce16ad681489bab203bc50b18cc900a",
    ),
    "BM25": (BM25, "eee9f2e71723bc13183040707e3b35b59612a9525068705cf215dc830a619885"),
    "windows": (Windows, "cd2b3f2b23e5434347c842072fce484d34dac53015534c17a80f654e3136ddcd"),
    "a loss": (lambda: InfoNCE(0.05), "f416504c503a849302575b0b69de0a0cfef685fb49ef035fe456bdc6b6c502bc"),
    "a stage": (lambda: TRAIN, "7d8b2962bd276fa4594c2a36628d797a45f2148c3810a314fe66f6e21e680c2a"),
    "a training's values": (
        lambda: TRAINING._values,
        "35f05a5725ac9b8fc9f6ba4e49106a0afb3ad24054e46a5ac0ddea40aab8c142",
    ),
    "a training's inputs": (
        lambda: TRAINING._inputs,
        "3bff7815bde7ad769d02880990ebca48835260653972ac77181f738e6e533edd",
    ),
    "values of a part of a training": (
        lambda: replace(TRAINING, snapshots=3, until=2)._values,
        "6510bfb886f457bde8ebdc421c6ef0f45213b2103b9b3b42a66c0dba0ea6d5cf",
    ),
}
TRAINING = Training(
    Pretrained("m", Path("m"), "aa", "bb", "folder m"), TRIPLET_FULL, Examples((), {}, {}), held_out={}, seed=42
)


@pytest.mark.parametrize("what", KEYS)
def test_the_keys_of_strop_s_own_values_stay_what_they_are_wherever_their_types_move(what: str) -> None:
    value, key = KEYS[what]
    assert content_key(value()) == key


def test_a_path_has_no_canonical_form_nor_has_anything_unordered() -> None:
    for value in (Path("/somewhere"), {1, 2}, Adam, lambda: 0, b"bytes"):
        with pytest.raises(TypeError, match="no canonical form"):
            canonical({"deep": [value]})
    with pytest.raises(TypeError, match="Path"):
        canonical(Recipe(optimizer=Path("weights")))


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    made: list[int] = []

    def make(folder: Path) -> Mapping[str, Any]:
        made.append(1)
        (folder / "out").write_text("vectors")
        return {"texts": 7, "shape": (2, 3)}

    first = Store(tmp_path).build(STAGE, Recipe(), {"weights": "abc"}, make)
    second = Store(tmp_path).build(STAGE, Recipe(), {"weights": "abc"}, make)
    assert len(made) == 1
    assert first == second
    assert (first.path / "out").read_text() == "vectors"
    assert first.record["texts"] == 7
    assert first.record["inputs"] == {"weights": "abc"}
    assert first.record["values"]["optimizer"]["type"] == f"{__name__}.Adam"
    assert first.record["wall_seconds"] >= 0
    assert Store(tmp_path).find(STAGE, "absent") is None


def broken(folder: Path) -> None:
    (folder / "half").write_text("1")
    raise KeyboardInterrupt


@pytest.mark.parametrize("resumable", [False, True])
def test_a_killed_stage_starts_clean_unless_it_can_resume(tmp_path: Path, resumable: bool) -> None:
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        store.build(STAGE, Recipe(), {}, broken, resumable)
    assert store.find(STAGE, store.key(STAGE, Recipe(), {})) is None
    left: list[str] = []

    def again(folder: Path) -> None:
        left.extend(path.name for path in folder.iterdir())

    artifact = store.build(STAGE, Recipe(), {}, again, resumable)
    assert left == (["half"] if resumable else [])
    assert (artifact.path / "half").exists() == resumable
    assert not artifact.path.with_suffix(".partial").exists()


def test_a_folder_without_a_record_is_made_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = tmp_path / "encode" / store.key(STAGE, Recipe(), {})
    path.mkdir(parents=True)
    (path / "stray").write_text("?")
    artifact = store.build(STAGE, Recipe(), {}, write("made"))
    assert sorted(p.name for p in artifact.path.iterdir()) == ["out", "record.json"]


def build_slowly(root: str, log: str, barrier: Any) -> None:
    def make(folder: Path) -> None:
        with open(log, "a") as file:
            file.write("made\n")
        time.sleep(0.5)
        (folder / "out").write_text("whole")

    barrier.wait(60)  # neither begins before the other is there
    artifact: Artifact = Store(root).build(STAGE, Recipe(), {}, make)
    assert (artifact.path / "out").read_text() == "whole"


def test_two_processes_that_want_the_same_artifact_make_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    log = tmp_path / "log"
    arguments = (str(tmp_path / "store"), str(log), context.Barrier(2))
    workers = [context.Process(target=build_slowly, args=arguments) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert log.read_text() == "made\n"


def test_a_file_is_known_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == file_sha256(tmp_path / "b")
    assert file_sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_replacing_a_field_changes_the_key_back_and_forth() -> None:
    changed = replace(Recipe(), steps=1)
    assert content_key(changed) != content_key(Recipe()) == content_key(replace(changed, steps=40))


def remade(store: Store, make: Callable[[Path], None]) -> list[str]:
    """What is said when the artifact is asked for; it is whole afterwards."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = store.build(STAGE, 1, {}, make)
    assert (made.path / "out").read_text() == "whole"
    assert json.loads((made.path / "record.json").read_text()) == made.record
    return [str(warning.message) for warning in caught]


def damaged(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "flipped":
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    else:
        path.write_bytes({"cut": path.read_bytes()[:-1], "longer": path.read_bytes() + b" ", "empty": b""}[how])


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("gone", "is missing"),
        ("flipped", "is not as it was written"),
        ("cut", "has 4 bytes instead of 5"),
        ("longer", "has 6 bytes instead of 5"),
        ("empty", "has 0 bytes instead of 5"),
    ],
)
def test_an_artifact_with_a_damaged_file_is_named_and_made_again(tmp_path: Path, how: str, reason: str) -> None:
    store = Store(tmp_path)
    first = store.build(STAGE, 1, {}, write("whole"))
    damaged(first.path / "out", how)
    assert not store.holds(lambda: store.build(STAGE, 1, {}, write("whole")))
    assert store.find(STAGE, first.key) is None
    assert remade(store, write("whole")) == [
        f"{first.path / 'out'} {reason}: the artifact is damaged and is made again"
    ]
    assert remade(store, write("another")) == []


@pytest.mark.parametrize("how", ["flipped", "cut", "empty"])
def test_a_damaged_record_is_named_and_the_artifact_made_again(tmp_path: Path, how: str) -> None:
    store = Store(tmp_path)
    record = store.build(STAGE, 1, {}, write("whole")).path / "record.json"
    if how == "flipped":
        record.write_text(record.read_text().replace('"version": 1', '"version": 2'))
    else:
        damaged(record, how if how == "empty" else "cut")
        record.write_bytes(record.read_bytes()[:-1])
    (said,) = remade(store, write("whole"))
    assert said.startswith(f"{record} is not ")


def test_a_file_that_was_only_copied_is_whole_whatever_its_times(tmp_path: Path) -> None:
    store = Store(tmp_path / "one")
    made = store.build(STAGE, 1, {}, write("whole"))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    os.utime(tmp_path / "two" / STAGE.name / made.key / "out", (0, 0))
    assert remade(Store(tmp_path / "two"), write("another")) == []


def test_an_artifact_of_before_its_files_were_recorded_is_taken_as_it_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = store.build(STAGE, 1, {}, write("whole"))
    old = {name: value for name, value in made.record.items() if name not in ("files", "sha256")}
    (made.path / "record.json").write_text(json.dumps(old))
    assert store.build(STAGE, 1, {}, write("another")).record == old


def test_a_damaged_part_is_made_again_and_so_is_what_consists_of_it(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def whole(folder: Path) -> Mapping[str, Any]:
        parts = [store.build(STAGE, f"part {i}", {}, write("part")) for i in range(2)]
        (folder / "out").write_text("whole")
        return {"parts": [part.key for part in parts]}

    part = tmp_path / STAGE.name / store.build(STAGE, 1, {}, whole).record["parts"][1] / "out"
    part.write_text("torn")
    with pytest.warns(InputWarning, match="out is not as it was written") as said:
        store.build(STAGE, 1, {}, whole)
    assert part.read_text() == "part"
    assert len(said) == 2  # of the whole, whose part it is, and of the part


def test_what_fails_leaves_nothing_and_a_resumable_stage_what_it_goes_on_from(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = Store(tmp_path)
    key = store.key(STAGE, 1, {})
    for resumable in (False, True):
        with pytest.raises(OSError, match=f"No space left on device: '{tmp_path / STAGE.name / key}'"):
            store.build(STAGE, 1, {}, fails, resumable)
        partial = tmp_path / STAGE.name / f"{key}.partial"
        assert partial.exists() == resumable
