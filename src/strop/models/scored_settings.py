"""What strop makes of every setting in the files of a late-interaction model or a cross-encoder, as tables.

A value that its `Setting` accepts is honoured, mostly because sentence-transformers itself reads it, or changes no
score; any other is refused. A key that no table has is one that sentence-transformers does not read either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """`accepts`: the values with which every score is the library's. `remedy`: what to do about another."""

    accepts: Callable[[Any], bool]
    remedy: str


Table = Mapping[str, Setting]


def only(*values: Any, remedy: str) -> Setting:
    return Setting(lambda value: value in values, remedy)


def increasing(path: Any) -> bool:
    """Whether an activation, named by its import path, leaves the order of logits as it is."""
    return path is None or (str(path).startswith("torch.nn.") and str(path).rsplit(".", 1)[1] in INCREASING)


#: Activations of torch.nn that are strictly increasing: with them, logits are in `CrossEncoder.predict`'s order.
INCREASING = (
    "Identity", "Sigmoid", "Tanh", "LogSigmoid", "Softplus", "Softsign", "ELU", "SELU", "CELU", "LeakyReLU",
)  # fmt: skip

#: Any value is honoured: the library, which loads the folder, has acted on it when the model is there.
READ = Setting(lambda _: True, "")
#: A number of tokens, or none.
LENGTH = Setting(
    lambda value: value is None or (isinstance(value, int) and value is not True and value > 0),
    "Give a number of tokens, 1 or more, or leave it out",
)
#: Any value is accepted, for no score depends on it.
UNUSED = READ

_NO_CHAT = "strop gives a model plain text. Leave the key out only if the model was trained on plain text"
_TORCH = "Without running the folder's code, sentence-transformers puts Tanh in its place. Name a module of torch.nn"
_LOGITS = (
    "It may put logits, which are strop's scores, in another order. Give a model with one of torch.nn's "
    + ", ".join(INCREASING)
)
_TOKENS = "Set it to token_embeddings"

# --- config_sentence_transformers.json ----------------------------------------------------------------------------

_EVERY_MODEL: Table = {
    "model_type": READ,
    "__version__": UNUSED,
    "requirements": READ,
    "prompts": READ,
    "default_prompt_name": READ,
}
LATE_MODEL: Table = {
    **_EVERY_MODEL,
    "similarity_fn_name": Setting(
        lambda name: name not in ("meanmaxsim", "xtr"), "Set it to maxsim, which ranks every query's documents alike"
    ),
    # PyLate's
    "query_prefix": READ,
    "document_prefix": READ,
    "query_length": LENGTH,
    "document_length": LENGTH,
    "query_expansion": READ,
    "do_query_expansion": READ,
    "attend_to_expansion_tokens": READ,
    "attend_to_mask_tokens": READ,
    "skiplist_words": READ,
}
PAIR_MODEL: Table = {
    **_EVERY_MODEL,
    "activation_fn": Setting(increasing, _LOGITS),
    "keep_in_fp32_modules": UNUSED,  # all of strop's are
}

# --- the transformer's sentence_bert_config.json, and its kin of older names --------------------------------------

_TRANSFORMER: Table = {
    "modality_config": Setting(lambda value: value is None or set(value) == {"text"}, _NO_CHAT),
    "processing_kwargs": Setting(
        lambda value: not any((value or {}).values()),
        "strop calls the tokenizer with its own settings. Put length and sides into tokenizer_config.json, and leave "
        "this key out",
    ),
    "unpad_inputs": UNUSED,  # a matter of speed
    "query_length": LENGTH,
    "document_length": LENGTH,
    "query_expansion": READ,
    "max_seq_length": LENGTH,
    "do_lower_case": READ,
    "tokenizer_name_or_path": only(None, remedy="Put the tokenizer's files beside the weights, and leave this key out"),
    "backend": UNUSED,
    **dict.fromkeys(
        ("model_args", "model_kwargs", "tokenizer_args", "processor_kwargs", "config_args", "config_kwargs"), READ
    ),
}
LATE_TRANSFORMER: Table = {
    **_TRANSFORMER,
    "transformer_task": only("feature-extraction", remedy="Give a model of text whose task is feature-extraction"),
    "module_output_name": only("token_embeddings", remedy=_TOKENS),
}
PAIR_TRANSFORMER: Table = {
    **_TRANSFORMER,
    "transformer_task": only(
        "sequence-classification",
        "feature-extraction",
        remedy="Rerankers that are language models are not read: give one with a classification head of one label",
    ),
    "module_output_name": READ,
}

# --- the other modules' config.json -------------------------------------------------------------------------------

_DENSE: Table = {
    "in_features": READ,
    "out_features": READ,
    "bias": READ,
    "activation_function": Setting(lambda path: path is None or str(path).startswith("torch.nn."), _TORCH),
    "use_residual": READ,
    "module_input_name": READ,
    "module_output_name": READ,
    "init_weight": UNUSED,  # the weights' file has the last word
    "init_bias": UNUSED,
}
#: The modules that may stand in modules.json, by class, and the settings of each. Any other class is refused.
LATE_MODULES: Mapping[str, Table] = {
    "Transformer": LATE_TRANSFORMER,
    "Dense": {
        **_DENSE,
        "module_input_name": only("token_embeddings", None, remedy=_TOKENS),
        "module_output_name": only("token_embeddings", None, remedy=_TOKENS),
    },
    "MultiVectorMask": {"skiplist_words": READ, "skiplist_tasks": READ, "keep_only_token_ids": READ},
    "Normalize": {
        "module_input_name": only("token_embeddings", remedy=_TOKENS),
        "module_output_name": only("token_embeddings", None, remedy=_TOKENS),
    },
}
PAIR_MODULES: Mapping[str, Table] = {
    "Transformer": PAIR_TRANSFORMER,
    "Pooling": {
        "embedding_dimension": READ,
        "word_embedding_dimension": READ,
        "pooling_mode": READ,
        "include_prompt": only(True, remedy="strop pools over the prompt's tokens too. Set it to true"),
        **{
            f"pooling_mode_{mode}": READ
            for mode in (
                "cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken",
            )
        },
    },
    "Dense": _DENSE,
}  # fmt: skip
_ONE = "Give a model with one transformer for queries and documents"
#: What to do about a module of another class.
INSTEAD: Mapping[str, str] = {
    "HierarchicalTokenPooling": "strop keeps a vector for every token. Take the module out of modules.json",
    "Router": _ONE,
    "Asym": _ONE,
    "LogitScore": "Rerankers that are language models are not read: give one with a classification head of one label",
}

# --- config.json --------------------------------------------------------------------------------------------------

#: Of a cross-encoder: what `CrossEncoder` itself reads there, a dot for a key within a key.
PAIR_CONFIG: Table = {
    "sentence_transformers.activation_fn": Setting(increasing, _LOGITS),
    "sentence_transformers.version": UNUSED,
    "sbert_ce_default_activation_function": Setting(increasing, _LOGITS),
    "num_labels": only(None, 1, remedy="Give a cross-encoder with one label"),
}

# --- Stanford's artifact.metadata ---------------------------------------------------------------------------------

#: The first six are what `MultiVectorEncoder` reads; of the last two it does not know that they change scores.
STANFORD: Table = {
    "query_token_id": READ,
    "doc_token_id": READ,
    "query_maxlen": LENGTH,
    "doc_maxlen": LENGTH,
    "attend_to_mask_tokens": READ,
    "mask_punctuation": READ,
    "similarity": only(None, "cosine", remedy="sentence-transformers scores by cosine. Give a model trained with it"),
    "interaction": only(None, "colbert", remedy="sentence-transformers scores by MaxSim. Give a model trained with it"),
}
