from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from strop.artifacts.store import Artifact, Stage, Store, canonical, content_key, file_sha256
from strop.losses import triplet
from strop.losses.contrastive import InfoNCE
from strop.models.pretrained import Pretrained
from strop.monitoring.logbook import TRAIN
from strop.negatives.examples import Examples
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
    "a stage": (lambda: TRAIN, "609533ee426d4416f6e87e351ad58552115ba00a77709ef20f7a2a585a44f4d7"),
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
