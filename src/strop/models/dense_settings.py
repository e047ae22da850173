"""What strop makes of every setting in the files of a dense model, as tables.

A value that its `Setting` accepts is honoured, mostly because sentence-transformers itself has acted on it when the
model is there, or changes no score of `encode_query` against `encode_document`; any other is refused.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from strop.models.model_folder import CONFIG, MODULES, ROUTER, SETTINGS, module_folders, read_object, read_value
from strop.models.scored_settings import READ, UNUSED, Setting, Table, only
from strop.records.errors import InputError, excerpt


def _activation(path: Any) -> bool:
    """Whether the library takes it, rather than Tanh in its place: a class of modules in torch."""
    if not isinstance(path, str) or not path.startswith("torch."):
        return False
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, nn.Module)


def _pooling(value: Any) -> bool:
    from sentence_transformers.sentence_transformer.modules import Pooling

    modes = [value] if isinstance(value, str) else value
    return isinstance(modes, list) and bool(modes) and all(mode in Pooling.POOLING_MODES for mode in modes)


_EMPTY = "strop does not apply it. Leave the key out if the model was trained without it"
_EMBEDDING = "Set it to sentence_embedding, or to token_embeddings before the pooling"
_FEATURE = only(None, "sentence_embedding", "token_embeddings", remedy=_EMBEDDING)
_TORCH = "sentence-transformers puts Tanh in its place. Name a class of torch.nn, as torch.nn.modules.linear.Identity"

#: config_sentence_transformers.json; the library reads no other key of it, and nothing of it without modules.json.
MODEL: Table = {
    "model_type": only("SentenceTransformer", remedy="Give a SentenceTransformer, whose texts have one dense vector"),
    "__version__": UNUSED,
    "requirements": READ,
    "prompts": READ,
    "default_prompt_name": UNUSED,  # both encode_query and encode_document have a prompt of their own, be it empty
    "similarity_fn_name": only(None, "cosine", "dot", remedy="Set it to cosine or dot, whichever it was trained with"),
    "truncate_dim": Setting(
        lambda dims: dims is None or (type(dims) is int and dims > 0), "Give a number of dimensions, or null"
    ),
}
#: An entry of modules.json; the library reads no other key.
MODULE: Table = {
    "idx": UNUSED,
    "name": READ,
    "path": READ,
    "type": READ,
    "kwargs": Setting(
        lambda names: not names, "They are arguments of encode, which strop does not give. Leave them out"
    ),
}
#: router_config.json, and what its `parameters` are; the library reads no other key of the file.
ROUTES: Table = {
    "types": READ,
    "structure": Setting(
        lambda routes: isinstance(routes, Mapping) and {"query", "document"} <= set(routes),
        "Name the routes query and document, as Router.for_query_document does",
    ),
    "parameters": READ,
}
ROUTER_PARAMETERS: Table = {
    "default_route": UNUSED,  # every text is encoded as a query or as a document
    "allow_empty_key": UNUSED,
    "route_mappings": Setting(lambda routes: not routes, "Name the routes query and document, and leave it empty"),
}
#: A transformer's sentence_bert_config.json, and its kin of older names; another key stops the library.
TRANSFORMER: Table = {
    "transformer_task": only("feature-extraction", remedy="Give a model whose task is feature-extraction"),
    "modality_config": Setting(
        lambda kinds: isinstance(kinds, Mapping) and set(kinds) == {"text"},
        "strop gives a model plain text, without a chat template. Leave all but text out if it was trained so",
    ),
    "module_output_name": only("token_embeddings", "sentence_embedding", remedy="Set it to token_embeddings"),
    "processing_kwargs": Setting(
        lambda value: not value or not any(value.values()),
        "Put the tokenizer's settings into tokenizer_config.json, and leave the key out",
    ),
    "unpad_inputs": UNUSED,  # a matter of speed
    "query_length": only(None, remedy=f"{_EMPTY}; max_seq_length cuts queries and documents"),
    "document_length": only(None, remedy=f"{_EMPTY}; max_seq_length cuts queries and documents"),
    "query_expansion": Setting(lambda value: not value, _EMPTY),
    "max_seq_length": READ,
    "do_lower_case": READ,
    "tokenizer_name_or_path": only(None, remedy="Save that tokenizer into the folder, and leave the key out"),
    "backend": UNUSED,  # the loading call's own takes its place
    **dict.fromkeys(
        ("model_args", "model_kwargs", "tokenizer_args", "processor_kwargs", "config_args", "config_kwargs"), READ
    ),
}
_FEATURES: Table = {"module_input_name": _FEATURE, "module_output_name": _FEATURE}
_WIDTH: Table = {"embedding_dimension": READ, "word_embedding_dimension": READ}
_OLD_MODES = (
    "cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken",
)  # fmt: skip
#: The modules that may stand in modules.json or a route, by class, and the settings of each. Others are refused.
TABLES: Mapping[str, Table] = {
    "Transformer": TRANSFORMER,
    "Pooling": {
        **_WIDTH,
        "pooling_mode": Setting(_pooling, "Give a mode that the library has, as mean, cls or lasttoken, or several"),
        "include_prompt": READ,  # refused by `Dense` where there is a prompt
        **{f"pooling_mode_{mode}": READ for mode in _OLD_MODES},
    },
    "Normalize": _FEATURES,
    "Dense": {
        "in_features": READ,
        "out_features": READ,
        "bias": READ,
        "activation_function": Setting(_activation, _TORCH),
        "use_residual": READ,
        **_FEATURES,
        "init_weight": only(None, remedy="Leave the key out: the weights are in model.safetensors"),
        "init_bias": only(None, remedy="Leave the key out: the weights are in model.safetensors"),
    },
    "LayerNorm": {"dimension": READ},
    "Dropout": {"dropout": UNUSED},  # of training only
    "WeightedLayerPooling": {
        **_WIDTH,
        "layer_start": READ,
        "num_hidden_layers": READ,
        "layer_weights": only(None, remedy="Leave the key out: the weights are in model.safetensors"),
    },
    "Router": ROUTER_PARAMETERS,
    "Asym": ROUTER_PARAMETERS,  # its name of old
}
#: Whose readers leave an unknown key alone; others stop at one.
LENIENT = {"Normalize", "Dense"}


def check_settings(folder: Path) -> None:
    """Raises InputError for a module that a dense model is not made of, and for a setting that strop does not honour.

    A folder in transformers' own layout has no settings of sentence-transformers' that are read.
    """
    if not (listed := folder / MODULES).is_file():
        return
    if (path := folder / SETTINGS).is_file():
        _check(path, read_object(path), MODEL)
    for entry in read_value(listed):
        _check(listed, entry, MODULE)
    for inner, name in module_folders(folder):
        if name not in TABLES:
            raise InputError(
                f"the model has a module {name}",
                where=str(listed),
                remedy=f"Give a model made of {', '.join(sorted(TABLES.keys() - {'Asym'}))}",
            )
        if name in ("Router", "Asym"):
            path = inner / ROUTER
            routes = read_object(path)
            _check(path, {"structure": None, **routes}, ROUTES)
            _check(path, routes.get("parameters") or {}, ROUTER_PARAMETERS, unknown="Router")
        else:
            path = _settings_of(inner, name)
            values = read_object(path) if path.is_file() else {}
            _check(path, values, TABLES[name], unknown="" if name in LENIENT else name)
            if name in ("Normalize", "Dense"):
                _check_names(path, values)


def _settings_of(folder: Path, name: str) -> Path:
    """The file that the library reads, of a transformer the first that has something to say."""
    if name != "Transformer":
        return folder / CONFIG
    kinds = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
    paths = [folder / f"sentence_{kind}_config.json" for kind in kinds]
    return next((path for path in paths if path.is_file() and read_object(path)), paths[0])


def _check_names(path: Path, values: Mapping[str, Any]) -> None:
    """A module that reads one feature and writes another leaves the text's vector as it was, or makes it a token's."""
    if "module_output_name" not in values or values["module_output_name"] is None:
        return
    read, written = values.get("module_input_name", "sentence_embedding"), values["module_output_name"]
    if read != written:
        problem = f"module_input_name is {excerpt(read)}, and module_output_name {excerpt(written)}"
        raise InputError(problem, where=str(path), remedy="Give both the same name")


def _check(path: Path, values: Mapping[str, Any], table: Table, unknown: str = "") -> None:
    """`unknown`: the class that does not take a key that its table lacks; empty where it leaves one alone."""
    for key, value in values.items():
        if key in table:
            if not table[key].accepts(value):
                raise InputError(f"{key} is {excerpt(value)}", where=str(path), remedy=table[key].remedy)
        elif unknown:
            remedy = "Leave the key out, or give a model that this version of sentence-transformers wrote"
            raise InputError(f"the key {key} is unknown to a {unknown}", where=str(path), remedy=remedy)
