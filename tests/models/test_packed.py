"""Packed rows: outputs and gradients are transformers' own, what cannot be packed is not, no trace is left."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tiny_models import ARCHITECTURES, dense, sentences
from tiny_rerankers import reranker
from torch import Tensor

from strop.models import packed
from strop.models.encoder import Encoder, represent_rows
from strop.models.packed import Packing
from strop.models.pair_scorer import score_pairs

PACKED = [name for name in ARCHITECTURES if name not in ("decoder", "untied")]


class Unpacked:
    """Takes a model's packing away for a while."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.packing, self.model._packing = self.model._packing, Packing(None)

    def __exit__(self, *_: object) -> None:
        self.model._packing = self.packing


def represented(model: Encoder) -> Tensor:
    texts = sentences(9)
    tokens = model.tokenize(texts, "document")
    made = represent_rows(model, [tokens.row(i) for i in range(len(tokens))], np.arange(len(tokens)), "document")
    return made.vectors if made.mask is None else made.vectors[made.mask]


@pytest.mark.parametrize("name", PACKED)
def test_vectors_and_gradients_are_those_of_padded_rows(name: str) -> None:
    model: Any = ARCHITECTURES[name](dropout=0.0)
    assert model._packing.stack is not None
    outputs = []
    for setting in (torch.enable_grad(), Unpacked(model)):
        with setting:
            model.module.zero_grad()
            vectors = represented(model)
            weights = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(0))
            (vectors * weights).sum().backward()
            outputs.append(
                [vectors.detach(), *(p.grad.clone() for p in model.module.parameters() if p.grad is not None)]
            )
    assert len(outputs[0]) == len(outputs[1]) > 10
    gaps = [float((a - b).abs().max() / b.abs().max().clamp(min=1)) for a, b in zip(*outputs, strict=True)]
    assert max(gaps) < 1e-5


def test_logits_are_those_of_padded_rows() -> None:
    model: Any = reranker()
    texts = model.tokenize(sentences(12), "document")
    pairs = [model.pair(texts.row(i), texts.row(-i - 1)) for i in range(6)]
    with torch.inference_mode():
        ours = score_pairs(model, pairs, np.arange(6))
        with Unpacked(model):
            assert torch.allclose(ours, score_pairs(model, pairs, np.arange(6)), rtol=0, atol=1e-6)


def test_no_layer_sees_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    model = dense()
    seen: list[int] = []
    layer: Any = model.transformer.model.encoder.layer[0]  # type: ignore[union-attr]
    layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[:2].numel()))
    tokens = model.tokenize(sentences(9), "document")
    assert len(set(tokens.lengths.tolist())) > 2
    represented(model)
    assert seen == [tokens.lengths.sum()]


@pytest.mark.parametrize("change", [
    lambda config: setattr(config, "is_decoder", True),
    lambda config: setattr(config, "output_hidden_states", True),
    lambda config: setattr(config, "model_type", "a family of tomorrow"),
])  # fmt: skip
def test_what_may_differ_is_not_packed(change: Callable[[Any], None]) -> None:
    model = dense()
    change(model.transformer.model.config)
    assert Packing.of(model.transformer).stack is None


def test_a_transformer_whose_packed_outputs_differ_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = dense()
    attention = packed._attention

    def other(*args: Any, **kwargs: Any) -> tuple[Tensor, None]:
        return attention(*args, **kwargs)[0] + 1e-3, None

    monkeypatch.setattr(packed, "_attention", other)
    assert Packing.of(model.transformer).stack is None
    monkeypatch.undo()
    assert Packing.of(model.transformer).stack is not None


def test_the_model_is_afterwards_as_it_was() -> None:
    model: Any = dense()
    state, training = torch.get_rng_state(), [m.training for m in model.module.modules()]
    packing = Packing.of(model.transformer)
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in model.module.modules()] == training
    mask = torch.ones(1, 3, dtype=torch.int64)
    with pytest.raises(KeyError), packing(mask):
        raise KeyError
    stack = model.transformer.model.encoder
    assert stack.config._attn_implementation == "sdpa"
    assert not stack._forward_hooks
    assert not stack._forward_pre_hooks
    own = model.model.encode(sentences(3))
    assert np.allclose(copy.deepcopy(model.model).encode(sentences(3)), own)


def test_eager_attention_stays_eager() -> None:
    """A user's choice: it is the only one that gives attention weights."""
    model: Any = dense()
    model.transformer.model.set_attn_implementation("eager")
    represented(model)
    assert model.transformer.model.config._attn_implementation == "eager"


@pytest.mark.parametrize("family", sorted(packed.FAMILIES))
def test_each_family_packs(family: str) -> None:
    config = transformers.AutoConfig.for_model(
        family, vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40, pad_token_id=0,
    )  # fmt: skip
    model = transformers.AutoModel.from_config(config)
    assert packed._agrees(model, Packing(model.base_model.encoder))
