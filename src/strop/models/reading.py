"""What stands between a model's folder and the libraries that read it: nothing random, nothing raw, nothing printed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from strop.models.model_folder import check_folder, read_object
from strop.records.errors import InputError, excerpt

#: The function of transformers that is told, once for each model, which weights were not in its files. Its information
#: is the library's own: prefixes, renamed and tied weights, buffers that are not saved are accounted for.
_REPORT = "log_state_dict_report"
#: Letters, a script without spaces and a sign of four bytes: a tokenizer without an unknown token fails here.
_PROBE = "a é 語 \U0001f600"
_SHOWN = 3


@contextmanager
def reading(folder: Path, loader: str, fresh_head: bool = False) -> Iterator[set[str]]:
    """Loads in silence, with the class `loader`. With `fresh_head` a classification head may be random, and a pooler
    below it: their weights' names are in the set, once the model is loaded.

    Raises InputError for what `check_folder` refuses; for a weight that is not in the files, which transformers would
    draw at random and say so in a table, except in a pooler whose output nobody reads; for one of another shape; and
    in place of whatever else the libraries raise. A refusal in the block that names a file names it in this folder.
    """
    from transformers import modeling_utils
    from transformers.utils import logging as transformers_logging

    check_folder(folder)
    fresh: set[str] = set()
    report = getattr(modeling_utils, _REPORT)

    def told(model: Any, *rest: Any, **more: Any) -> None:
        fresh.update(_absent(folder, model, more["loading_info"], fresh_head))
        report(model, *rest, **more)  # which raises what is left to raise

    hide_progress_bars()
    library, verbosity = logging.getLogger("sentence_transformers"), transformers_logging.get_verbosity()
    level = library.level
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    library.setLevel(logging.ERROR)
    setattr(modeling_utils, _REPORT, told)
    try:
        yield fresh
    except InputError as error:
        where = error.where if error.where.startswith(str(folder)) else str(folder / error.where)
        raise InputError(error.problem, where=where, remedy=error.remedy) from error
    except Exception as error:
        if "out of memory" in str(error) or isinstance(error, MemoryError):
            raise
        raise _refusal(folder, loader, error) from error
    finally:
        setattr(modeling_utils, _REPORT, report)
        library.setLevel(level)
        transformers_logging.set_verbosity(verbosity)


def hide_progress_bars() -> None:
    """Those of loading a model's weights."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def check_loaded(model: nn.Module) -> None:
    """Raises InputError for a weight that is not a number, and for a tokenizer without words, with more of them than
    the transformer has embeddings, or that cannot read every text."""
    from sentence_transformers.base.modules import Transformer

    for name, weight in model.named_parameters():
        if weight.is_floating_point() and not torch.isfinite(weight.detach().sum(dtype=torch.float32)):
            remedy = "Copy or download the weights again, or give an earlier checkpoint"
            raise InputError(f"the weight {name} holds values that are not numbers (NaN or infinite)", remedy=remedy)
    for module in model.modules():
        if isinstance(module, Transformer) and module.tokenizer is not None:
            _check_tokenizer(module.tokenizer, getattr(module.model.config, "vocab_size", None))


def heads(model: Any) -> list[str]:
    """The names of the modules with weights that stand on a transformer; none where it is a bare one."""
    inner = getattr(model, "base_model_prefix", "")
    if not inner or not hasattr(model, inner):
        return []
    return [name for name, child in model.named_children() if name != inner and any(True for _ in child.parameters())]


def _absent(folder: Path, model: Any, info: Any, fresh_head: bool) -> set[str]:
    """The weights that were not in the files and need not be. Raises InputError for one that is needed."""
    missing, standing = set(info.missing_keys), heads(model)
    shapes = {name: (tuple(held), tuple(wanted)) for name, held, wanted in info.mismatched_keys}
    head = {name for name in missing | set(shapes) if name.partition(".")[0] in standing}
    pooler = {name for name in missing if "pooler" in name.split(".")}
    unread = set() if standing and not fresh_head else pooler
    if not standing and _reads_pooler(folder):
        unread = set()
    spared = unread | (head if fresh_head else set())
    if wrong := sorted(set(shapes) - spared):
        held, wanted = shapes[wrong[0]]
        more = f", and {len(wrong) - 1} more differ" if wrong[1:] else ""
        raise InputError(
            f"the weight {wrong[0]} has the shape {held}, and config.json asks for {wanted}{more}",
            where=str(folder),
            remedy="Give the config.json that belongs to the weights",
        )
    if lacking := sorted(missing - spared - pooler - head):
        raise _not_whole(folder, lacking, len(model.state_dict()), sorted(info.unexpected_keys))
    if lacking := [part for part in standing if any(name.startswith(f"{part}.") for name in head - spared)]:
        raise InputError(
            f"the model has no weights for its {' and '.join(lacking)}: scores carry no order",
            where=str(folder),
            remedy="Give a trained cross-encoder, or give this model a fresh head and train it",
        )
    if lacking := sorted(missing - spared):
        raise _not_whole(folder, lacking, len(model.state_dict()), sorted(info.unexpected_keys))
    return spared


def _not_whole(folder: Path, lacking: list[str], total: int, unexpected: list[str]) -> InputError:
    shown = ", ".join(lacking[:_SHOWN]) + (", …" if lacking[_SHOWN:] else "")
    instead = f"; the files have {unexpected[0]} that nothing takes" if unexpected else ""
    return InputError(
        f"{len(lacking)} of the model's {total} weights are not in its files and would be random: {shown}{instead}",
        where=str(folder),
        remedy="Give the whole checkpoint that belongs to config.json, its weights named as transformers names them",
    )


def _reads_pooler(folder: Path) -> bool:
    settings = [*folder.glob("sentence_*_config.json"), *folder.glob("*/sentence_*_config.json")]
    return any("pooler_output" in path.read_text(encoding="utf-8") for path in settings)


def _check_tokenizer(tokenizer: Any, embeddings: int | None) -> None:
    vocabulary = tokenizer.get_vocab()
    if not set(vocabulary) - set(tokenizer.all_special_tokens):
        remedy = "Save the model's tokenizer into the folder: tokenizer.save_pretrained(FOLDER)"
        raise InputError("the tokenizer has no words but its special tokens", remedy=remedy)
    if lacking := _not_listed(tokenizer):
        raise InputError(
            f"vocab.txt lacks the special tokens {', '.join(lacking)}, and other tokens may stand at wrong places",
            remedy="Give the vocab.txt that belongs to the weights",
        )
    last = max(vocabulary, key=vocabulary.__getitem__)
    if embeddings is not None and vocabulary[last] >= embeddings:
        count = sum(index >= embeddings for index in vocabulary.values())
        raise InputError(
            f"{count} of the tokenizer's tokens have no embedding ({excerpt(last)} is "
            f"{vocabulary[last]}, of {embeddings})",
            remedy="Give the tokenizer that belongs to the weights; a special token that it lacks was added to it here",
        )
    try:
        tokenizer(_PROBE)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        remedy = "Give the tokenizer that belongs to the weights"
        raise InputError(f"the tokenizer cannot read every text ({reason})", remedy=remedy) from error


def _not_listed(tokenizer: Any) -> list[str]:
    """The special tokens that a vocab.txt does not have: transformers adds them after its last, and says nothing."""
    folder = Path(tokenizer.name_or_path)
    path, added = folder / "vocab.txt", folder / "added_tokens.json"
    if not path.is_file() or (folder / "tokenizer.json").is_file():
        return []
    listed = set(path.read_text(encoding="utf-8").split("\n"))
    listed |= set(read_object(added)) if added.is_file() else set()
    later = tokenizer.init_kwargs.get("added_tokens_decoder") or {}
    listed |= {str(token) for token in later.values()}
    return [token for token in tokenizer.all_special_tokens if token not in listed]


def _refusal(folder: Path, loader: str, error: Exception) -> InputError:
    """What a library raised, in one line that never advises to run the folder's own code."""
    reason = " ".join(str(error).split()) or type(error).__name__
    if "remote_code" in reason or "custom code" in reason:
        return InputError(
            "the model needs code of its own, and none is run",
            where=str(folder),
            remedy="Give one whose model_type (config.json) transformers knows, of sentence-transformers' own modules",
        )
    for path in sorted(folder.rglob("tokenizer.json")):
        if damage := _damage(path):
            problem = f"not a tokenizer ({damage})"
            return InputError(problem, where=str(path), remedy="Copy or download it again")
    return InputError(
        f"sentence-transformers cannot load it as a {loader} ({reason[:300]})",
        where=str(folder),
        remedy=f"Give a folder that {loader}(FOLDER) loads",
    )


def _damage(path: Path) -> str:
    from tokenizers import Tokenizer

    try:
        Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises Exception itself
        return " ".join(str(error).split())[:200]
    return ""
