"""A folder that holds an adapter (LoRA and its kin) and names its base: both together as one whole model's folder."""

from __future__ import annotations

import copy
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from strop.artifacts.store import Stage, store
from strop.models.model_folder import CONFIG, MODULES, VOCABULARIES, read_object
from strop.records.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers.base.modules import Transformer

ADAPTER, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MERGE = Stage("adapter", 1)
#: Outputs of an adapter beside the weights and in them may differ by this share, or of 1 where that is more.
TOLERANCE = 1e-4
#: The base's transformer: what a folder of sentence-transformers' takes from the base, having the rest itself.
_TRANSFORMER = (CONFIG, "*.safetensors", "*.safetensors.index.json")
_TOKENIZER = (*VOCABULARIES, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt")
#: Other copies of the weights, and other states of the training.
_NOT_COPIED = ("*.bin", "*.h5", "*.msgpack", "onnx", "openvino", "checkpoint-*", ".*")


def base_named(folder: Path) -> str:
    """The name of an adapter's base, or its path: absolute, or from the adapter's folder.

    Raises InputError for an adapter that is pickled, lacks its weights or names no base."""
    named = read_object(folder / ADAPTER).get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise InputError(
            "the adapter names no base (base_model_name_or_path)",
            where=str(folder / ADAPTER),
            remedy="Write the base's name or the path of its folder there",
        )
    if not (folder / WEIGHTS).is_file():
        pickled = (folder / "adapter_model.bin").is_file()
        raise InputError(
            "an adapter in pickle form only; safetensors only" if pickled else "the adapter's weights are missing",
            where=str(folder / WEIGHTS),
            remedy="Load it where you trust it and save_pretrained it again"
            if pickled
            else "Copy or download it again",
        )
    return str(folder / named) if (folder / named).is_dir() else named


def merged(adapter: Path, base: Path, inputs: dict[str, str]) -> Path:
    """The whole model's folder, in the store; `inputs` are the identities of both.

    Where the adapter has modules or a tokenizer of its own, the base gives its transformer only, as to
    sentence-transformers; else it is the base, adapted. Raises InputError where `reading` does, for an adapter that
    cannot be merged, and for one whose weights are not all those of its settings on this base."""

    def make(folder: Path) -> None:
        joined = folder / "joined"
        _join(adapter, base, joined)
        try:
            _merge(adapter, joined, folder / "model")
        except InputError as error:
            where = f"{adapter} on {base}"
            raise InputError(error.problem, where=where, remedy=error.remedy) from error
        shutil.rmtree(joined)

    return store().build(MERGE, None, inputs, make).path / "model"


def _join(adapter: Path, base: Path, target: Path) -> None:
    own = _present(adapter, VOCABULARIES)
    if not own and not (adapter / MODULES).is_file():
        shutil.copytree(base, target, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        return
    target.mkdir()
    for path in _present(base, _TRANSFORMER if own else (*_TRANSFORMER, *_TOKENIZER)):
        shutil.copyfile(path, target / path.name)
    ignored = shutil.ignore_patterns(ADAPTER, "adapter_model.*", *_NOT_COPIED)
    shutil.copytree(adapter, target, ignore=ignored, dirs_exist_ok=True)


def _present(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})


def _merge(adapter: Path, joined: Path, target: Path) -> None:
    import sentence_transformers
    from peft import PeftConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors.torch import load_file

    from strop.models.loading import loaded_by
    from strop.models.reading import check_loaded, reading
    from strop.models.transformer import transformer_of

    classifies = read_object(adapter / ADAPTER).get("task_type") == "SEQ_CLS"
    loader = "CrossEncoder" if classifies else loaded_by(joined)
    with reading(joined, loader, fresh_head=True) as fresh:
        model = getattr(sentence_transformers, loader)(str(joined), local_files_only=True, device="cpu").float()
        transformer = transformer_of(model)
        config = PeftConfig.from_pretrained(str(adapter))
        config.base_model_name_or_path = transformer.model.name_or_path  # or peft warns that the base moved
        alone: Any = copy.deepcopy(transformer.model)
        alone.eval()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            peft: Any = get_peft_model(transformer.model, config)
        if not hasattr(peft, "merge_and_unload"):
            remedy = "Give an adapter such as LoRA, or the merged model"
            raise InputError(f"an adapter of type {config.peft_type} cannot be merged into weights", remedy=remedy)
        held, wanted = load_file(adapter / WEIGHTS), get_peft_model_state_dict(peft, save_embedding_layers=False)
        _check_same(held, wanted)
        whole = tuple(getattr(config, "modules_to_save", None) or ())
        if lacking := sorted(n for n in fresh if "pooler" not in n and not any(f".{w}." in f".{n}" for w in whole)):
            remedy = "Give an adapter that holds them (modules_to_save)"
            raise InputError(f"neither base nor adapter has weights for {lacking[0]}", remedy=remedy)
        set_peft_model_state_dict(peft, held)
        transformer.model = peft.merge_and_unload()
        check_loaded(model)
        alone.load_adapter(str(adapter))
        _check_agree(transformer, alone)
        model.save_pretrained(str(target), create_model_card=False)


def _check_agree(merged: Transformer, alone: Any) -> None:
    """Raises InputError where transformers, and so sentence-transformers, reads the adapter otherwise than peft: it
    leaves DoRA's magnitudes out (5.23), and says so in a table only."""
    import torch

    features = {
        name: value for name, value in merged.preprocess(["what is it", "A Text."]).items() if name != "modality"
    }
    merged.eval()
    with torch.no_grad():
        ours, theirs = (model(**features)[0] for model in (cast(Any, merged.model), alone))
    if not (gap := float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1))) <= TOLERANCE:
        raise InputError(
            f"transformers reads the adapter otherwise than peft: outputs differ by {gap:.2g}",
            remedy="Merge it with peft where it was trained (merge_and_unload), and give that folder",
        )


def _check_same(held: dict[str, Any], wanted: dict[str, Any]) -> None:
    remedy = "Give the base that it was trained on, and the whole adapter"
    for one, other, words in ((wanted, held, "are not in its file"), (held, wanted, "have no place on this base")):
        if names := sorted(set(one) - set(other)):
            raise InputError(f"{len(names)} of the adapter's weights {words} (first: {names[0]})", remedy=remedy)
    for name, weight in wanted.items():
        if held[name].shape != weight.shape:
            shapes = f"{tuple(held[name].shape)}, and the base asks for {tuple(weight.shape)}"
            raise InputError(f"the adapter's weight {name} has the shape {shapes}", remedy=remedy)
