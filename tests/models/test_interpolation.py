from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_rerankers
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tiny_models import ARCHITECTURES, HIDDEN, build, dense, late, sentences, two_towers
from torch import Tensor

from strop.models import adapters
from strop.models.adapters import LoRA, export
from strop.models.encoder import Model
from strop.models.interpolation import interpolate
from strop.models.loading import load_any
from strop.models.pretrained import resolve
from strop.records.errors import InputError

TEXTS = sentences(6, seed=8)
MODELS: dict[str, Callable[[], Model]] = {
    "tied": dense,
    "untied": two_towers,
    "ColBERT": late,
    "decoder": ARCHITECTURES["decoder"],
    "reranker": tiny_rerankers.reranker,
}


def moved(model: Model, seed: int = 1) -> Model:
    """As if it were tuned: every weight is elsewhere."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.module.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=generator))
    return model


def pair(model: Callable[[], Model], folder: Path, seed: int = 1) -> tuple[Path, Path]:
    """A base and what was tuned from it."""
    model().save(folder / "base")
    moved(model(), seed).save(folder / f"tuned{seed}")
    return folder / "base", folder / f"tuned{seed}"


def weights(folder: Path) -> dict[str, Tensor]:
    paths = [p for p in folder.rglob("*.safetensors") if "adapter" not in p.parts]
    return {f"{p.parent.relative_to(folder)}:{n}": w for p in paths for n, w in load_file(p).items()}


def outputs(folder: Path) -> Tensor:
    return adapters._outputs(load_any(folder), TEXTS)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", MODELS)
def test_between_is_the_average_and_at_the_end_is_the_tuned_model(name: str, tmp_path: Path) -> None:
    base, tuned = pair(MODELS[name], tmp_path)
    before, after = outputs(base), outputs(tuned)
    assert (before - after).abs().max() > 1e-2
    interpolate(base, [tuned], 1.0, tmp_path / "end")
    torch.testing.assert_close(outputs(tmp_path / "end"), after, rtol=0, atol=1e-6)
    interpolate(base, [tuned], 0.5, tmp_path / "half")
    found, start, end = (weights(folder) for folder in (tmp_path / "half", base, tuned))
    assert found.keys() == start.keys() == end.keys()
    for key, tensor in found.items():
        torch.testing.assert_close(tensor, (start[key] + end[key]) / 2, rtol=0, atol=1e-7)
    assert not list(tmp_path.glob("*.partial"))


def test_at_share_zero_all_is_the_base_s_byte_for_byte_and_what_would_tell_of_another_model_is_left_out(
    tmp_path: Path,
) -> None:
    base, tuned = pair(dense, tmp_path)
    expected = contents(base)
    (base / "README.md").write_text("# The base")
    (base / "onnx").mkdir()
    (base / "onnx" / "model.onnx").write_bytes(b"the base's weights")
    (base / "pytorch_model.bin").write_bytes(b"the base's weights")
    (base / ".cache").mkdir()
    (base / ".cache" / "download.json").write_text("{}")
    interpolate(base, [tuned], 0.0, tmp_path / "same")
    assert contents(tmp_path / "same") == expected
    interpolate(base, [tuned], 0.3, tmp_path / "other")
    found = contents(tmp_path / "other")
    assert {name for name in expected if found[name] != expected[name]} == {"model.safetensors"}
    assert found.keys() == expected.keys()
    assert resolve(str(tmp_path / "same")).identity == resolve(str(base)).identity


def test_several_tuned_models_are_averaged_first(tmp_path: Path) -> None:
    base, first = pair(dense, tmp_path, 1)
    second = pair(dense, tmp_path, 2)[1]
    interpolate(base, [first, second], 0.25, tmp_path / "soup")
    found, start, one, two = (weights(folder) for folder in (tmp_path / "soup", base, first, second))
    for key, tensor in found.items():
        expected = 0.75 * start[key] + 0.25 * (one[key] + two[key]) / 2
        torch.testing.assert_close(tensor, expected, rtol=0, atol=1e-6)


def test_what_no_training_moved_stays_to_the_bit_in_an_average_of_any_number(tmp_path: Path) -> None:
    base, tuned = pair(two_towers, tmp_path)
    kept = Path("document_0_Transformer") / "model.safetensors"
    shutil.copyfile(base / kept, tuned / kept)
    start = load_file(base / kept)
    assert any(not torch.equal(torch.stack([w] * 3).mean(dim=0), w) for w in start.values())
    interpolate(base, [tuned] * 3, 0.4, tmp_path / "soup")
    assert all(torch.equal(w, start[n]) for n, w in load_file(tmp_path / "soup" / kept).items())


@pytest.mark.parametrize("name", ["tied", "untied"])
def test_a_merged_lora_model_is_read_without_its_adapter_and_so_is_a_base_that_has_one(
    name: str, tmp_path: Path
) -> None:
    MODELS[name]().save(tmp_path / "base")
    encoder = MODELS[name]()
    LoRA(r=4).prepare(encoder, 0)
    with torch.no_grad():
        for name_, p in encoder.module.named_parameters():
            if "lora_B" in name_:
                p.fill_(0.05)
    export(encoder, tmp_path / "tuned", "some-org/some-base", TEXTS)
    assert (tmp_path / "tuned" / "adapter").is_dir()
    interpolate(tmp_path / "base", [tmp_path / "tuned"], 1.0, tmp_path / "end")
    torch.testing.assert_close(outputs(tmp_path / "end"), outputs(tmp_path / "tuned"), rtol=0, atol=1e-6)
    interpolate(tmp_path / "tuned", [tmp_path / "base"], 0.5, tmp_path / "back")
    assert not (tmp_path / "back" / "adapter").exists()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_base_s_dtype_names_shards_and_lengths_stay_and_so_does_what_tuning_did_not_save(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    """A base as hubs have them: of half precision, in two files, with a head and its prefix, positions as integers."""
    base, tuned = pair(dense, tmp_path)
    half = {f"bert.{name}": w.to(dtype) for name, w in load_file(base / "model.safetensors").items()}
    other = {"bert.embeddings.position_ids": torch.arange(64), "cls.bias": torch.ones(3, dtype=dtype)}
    end = load_file(tuned / "model.safetensors")
    save_file({name: w for name, w in end.items() if "pooler" not in name}, tuned / "model.safetensors")
    (base / "model.safetensors").unlink()
    shards = [dict(list(half.items())[::2]), dict(list(half.items())[1::2]) | other]
    for i, shard in enumerate(shards):
        save_file(shard, base / f"model-{i + 1:05}-of-00002.safetensors", {"format": "pt"})
    index = {n: f"model-{i + 1:05}-of-00002.safetensors" for i, shard in enumerate(shards) for n in shard}
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    settings = json.loads((tuned / "sentence_bert_config.json").read_text()) | {"max_seq_length": 20}
    (tuned / "sentence_bert_config.json").write_text(json.dumps(settings))

    interpolate(base, [tuned], 0.5, tmp_path / "half")
    assert {p.name for p in (tmp_path / "half").glob("*.safetensors")} == {p.name for p in base.glob("*.safetensors")}
    found, start = weights(tmp_path / "half"), weights(base)
    assert found.keys() == start.keys()
    for key, tensor in found.items():
        assert tensor.dtype == start[key].dtype
        own = end.get(key.removeprefix(".:bert."))
        if own is None or "pooler" in key:
            assert torch.equal(tensor, start[key]), key
        else:
            assert torch.equal(tensor, ((start[key].float() + own) / 2).to(dtype)), key
    model = SentenceTransformer(str(tmp_path / "half"))
    assert model.encode(["bun nin"], show_progress_bar=False).shape == (1, HIDDEN)
    assert model.max_seq_length == 48


def test_a_module_that_had_a_folder_of_its_own_is_found_where_it_is_now(tmp_path: Path) -> None:
    base, tuned = pair(dense, tmp_path)
    (base / "0_Transformer").mkdir()
    modules = json.loads((base / "modules.json").read_text())
    for path in base.iterdir():
        if path.is_file() and path.name not in ("modules.json", "config_sentence_transformers.json"):
            path.rename(base / "0_Transformer" / path.name)
    modules[0]["path"] = "0_Transformer"
    (base / "modules.json").write_text(json.dumps(modules))
    interpolate(base, [tuned], 1.0, tmp_path / "end")
    torch.testing.assert_close(outputs(tmp_path / "end"), outputs(tuned), rtol=0, atol=1e-6)


def test_another_architecture_is_an_input_error_and_leaves_nothing(tmp_path: Path) -> None:
    base, tuned = pair(dense, tmp_path)
    extra, shaped, towers, bare = (tmp_path / name for name in ("extra", "shaped", "towers", "bare"))
    two_towers().save(towers)
    for folder in (extra, shaped, bare):
        shutil.copytree(tuned, folder)
    own = load_file(tuned / "model.safetensors")
    save_file(own | {"projection.weight": torch.ones(2, 2)}, extra / "model.safetensors")
    save_file(own | {"embeddings.LayerNorm.bias": torch.ones(7)}, shaped / "model.safetensors")
    (bare / "model.safetensors").unlink()
    shutil.copytree(tuned, tmp_path / "projected")
    (tmp_path / "projected" / "1_Pooling" / "model.safetensors").write_bytes((base / "model.safetensors").read_bytes())
    for folder, said in {
        extra: "no weights 'projection.weight'",
        shaped: r"shape \(7,\), the base's \(32,\)",
        towers: "no weights for the base's",
        bare: "no weights for the base's",
        tmp_path / "projected": "the base has no weights for it",
    }.items():
        with pytest.raises(InputError, match=said):
            interpolate(base, [tuned, folder], 0.5, tmp_path / "target")
        assert not list(tmp_path.glob("target*"))


def test_what_cannot_be_meant_is_an_input_error(tmp_path: Path) -> None:
    base = build(tmp_path)
    for tuned, share, target, said in (
        ([base], -0.1, tmp_path / "new", "share of the tuned weights is -0.1"),
        ([base], 1.5, tmp_path / "new", "share of the tuned weights is 1.5"),
        ([], 0.5, tmp_path / "new", "nothing tuned"),
        ([base], 0.5, base, "something is there already"),
    ):
        with pytest.raises(InputError, match=said):
            interpolate(base, tuned, share, target)
