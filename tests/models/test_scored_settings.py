"""No setting that sentence-transformers reads is unknown to the tables: the names are taken from its own source."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from sentence_transformers import CrossEncoder, MultiVectorEncoder
from sentence_transformers.base import BaseModel
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.cross_encoder import modules as pair_modules
from sentence_transformers.multi_vector_encoder import modules as late_modules
from sentence_transformers.multi_vector_encoder.model import _LegacyStash
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Pooling
from tiny_models import late
from tiny_rerankers import reranker

from strop.models.scored_settings import (
    INCREASING,
    INSTEAD,
    LATE_MODEL,
    LATE_MODULES,
    PAIR_CONFIG,
    PAIR_MODEL,
    PAIR_MODULES,
    STANFORD,
    increasing,
)

CLASSES: dict[str, Any] = {each.__name__: each for each in (Transformer, Dense, MultiVectorMask, Normalize, Pooling)}


def words(*functions: Callable[..., Any]) -> set[str]:
    """Every string in their code that could name a key."""
    found: set[str] = set()
    for function in functions:
        tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
        described = {
            id(ast.get_docstring(node, clean=False)) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
        }
        constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        found |= {value for value in constants if isinstance(value, str) and id(value) not in described}
    return {word for word in found if re.fullmatch(r"[a-z_]+", word)}


@pytest.mark.parametrize(
    ("name", "table"),
    [(name, tables[name]) for tables in (LATE_MODULES, PAIR_MODULES) for name in tables],
    ids=[f"{kind} {name}" for kind, tables in (("late", LATE_MODULES), ("pair", PAIR_MODULES)) for name in tables],
)
def test_every_key_of_a_module_s_config_is_decided(name: str, table: dict[str, Any]) -> None:
    each = CLASSES[name]
    parameters = set(inspect.signature(inspect.unwrap(each.__init__)).parameters) - {"self", "model_name_or_path"}
    keys = {*each.config_keys, *each.config_key_renames, *parameters}
    if name == "Transformer":
        keys |= {word for word in words(Transformer._load_init_kwargs) if word.endswith(("_args", "_kwargs"))} - {
            "hub_kwargs"
        }
    assert keys <= set(table)


def test_every_module_of_the_two_kinds_of_model_is_read_or_refused_with_advice() -> None:
    never_saved = {"BaseTokenPooling", "LambdaTokenPooling", "InputModule", "Module"}
    assert set(late_modules.__all__) - never_saved <= set(LATE_MODULES) | set(INSTEAD)
    assert set(pair_modules.__all__) - never_saved <= set(PAIR_MODULES) | set(INSTEAD)


def test_every_key_of_the_model_s_own_settings_is_decided() -> None:
    """Those that are read, PyLate's among them, and those that are written."""
    roles = {"query", "document", "strategy", "fixed", "attend", "length"}
    both = words(BaseModel._parse_model_config)
    assert both == {"prompts", "default_prompt_name"}
    read = words(MultiVectorEncoder._parse_model_config) - roles | {*_LegacyStash._PYLATE_TRANSFORMER_KEYS}
    assert both | read | set(late().model._get_model_config()) <= set(LATE_MODEL)
    assert both | words(CrossEncoder._parse_model_config) | set(reranker().model._get_model_config()) <= set(PAIR_MODEL)


def test_every_key_that_is_read_of_stanford_s_metadata_and_of_a_cross_encoder_s_config_is_decided() -> None:
    not_keys = {
        "query",
        "document",
        "document_length",
        "query_expansion",
        "strategy",
        "fixed",
        "attend",
        "length",
        "utf",
    }
    read = words(MultiVectorEncoder._maybe_load_stanford_metadata) - not_keys
    assert read == set(STANFORD) - {"similarity", "interaction"}
    read = words(CrossEncoder.get_default_activation_fn)
    assert read == {"sentence_transformers", "activation_fn", "sbert_ce_default_activation_function"}
    assert {key.replace("sentence_transformers.", "") for key in PAIR_CONFIG} >= read - {"sentence_transformers"}


@pytest.mark.parametrize("name", INCREASING)
def test_an_activation_that_is_accepted_keeps_every_order(name: str) -> None:
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    assert (getattr(torch.nn, name)()(x).diff() > 0).all()
    assert increasing(f"torch.nn.modules.activation.{name}")
    assert not increasing(name)


@pytest.mark.parametrize("name", ["GELU", "SiLU", "Mish", "Hardswish", "ReLU", "Hardtanh", "Softmax"])
def test_an_activation_that_turns_or_ties_logits_is_not(name: str) -> None:
    assert not increasing(f"torch.nn.modules.activation.{name}")
